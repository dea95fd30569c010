from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, update

from cohortium.errors import Corrupt, Refused
from cohortium.prove import provenance, receipts
from cohortium.prove.canonical import canonical
from cohortium.prove.provenance import Provenance
from cohortium.store import open_store, schema
from cohortium.values import Receipt

MADE = Provenance(
    "ab" * 32, "cd" * 32, "basic 1", "ef" * 32, "Cohortium 0.1.0", "north", "study", "2026-01-02T03:04:05"
)


@pytest.fixture
def connection(place: Path | str) -> Iterator[Connection]:
    with open_store(place).begin() as connection:
        yield connection


def test_equal_records_have_one_spelling() -> None:
    assert canonical({"b": "ü", "a": 1}) == canonical({"a": 1, "b": "ü"}) == r'{"a":1,"b":"\u00fc"}'


# --- receipts ----------------------------------------------------------------------------------------------------


@pytest.fixture
def signer() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def receipt(signer: Ed25519PrivateKey) -> Receipt:
    return receipts.sign(signer, site="north", project="study", digest="ab" * 32, protocol="cd" * 32)


def test_a_signed_receipt_is_verified(signer: Ed25519PrivateKey, receipt: Receipt) -> None:
    receipts.verify(receipt, signer.public_key().public_bytes_raw().hex())


@pytest.mark.parametrize("field", [field.name for field in fields(Receipt)])
def test_no_field_can_be_changed(signer: Ed25519PrivateKey, receipt: Receipt, field: str) -> None:
    with pytest.raises(Refused):
        receipts.verify(replace(receipt, **{field: "00" * 64}), signer.public_key().public_bytes_raw().hex())


@pytest.mark.parametrize("key", ["", "00" * 32, "no key"])
def test_another_key_does_not_verify_it(receipt: Receipt, key: str) -> None:
    with pytest.raises(Refused):
        receipts.verify(receipt, key)


def test_a_receipt_travels_as_json(receipt: Receipt) -> None:
    assert receipts.parse(json.dumps(asdict(receipt))) == receipt


@pytest.mark.parametrize("field", [field.name for field in fields(Receipt)])
@pytest.mark.parametrize("value", [5, None, True, ["ab"], {"a": 1}, "", "x\0", "\ud800", "Doe^J\n", "é", "a" * 4096])
def test_a_receipt_with_a_broken_field_is_refused(receipt: Receipt, field: str, value: object) -> None:
    with pytest.raises(Refused, match=field) as refusal:
        receipts.parse(json.dumps(asdict(receipt) | {field: value}))
    assert "Doe" not in str(refusal.value)


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "5", '"a"', "[" * 100_000, '{"site": "north"}'])
def test_what_is_no_receipt_is_refused(receipt: Receipt, text: str) -> None:
    with pytest.raises(Refused):
        receipts.parse(text)
    with pytest.raises(Refused):
        receipts.parse(json.dumps(asdict(receipt) | {"more": "x"}))


# --- provenance ------------------------------------------------------------------------------------------------------


def test_a_record_is_written_once_and_found_by_its_output(connection: Connection) -> None:
    later = replace(MADE, created="2026-02-03T03:04:05")
    for made in (later, MADE, MADE):
        provenance.record(connection, made)
    provenance.record(connection, replace(MADE, output="00" * 32))
    assert provenance.of(connection, MADE.output) == [MADE, later]


def test_a_changed_record_is_noticed(connection: Connection) -> None:
    provenance.record(connection, MADE)
    connection.execute(update(schema.provenance).values(record=canonical({"output": MADE.output})))
    with pytest.raises(Corrupt):
        provenance.of(connection, MADE.output)
