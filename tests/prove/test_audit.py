"""The audit: what is changed, cut out or cut off in it shows, whoever can write to the store."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, delete, select, update

from cohortium.errors import Corrupt
from cohortium.prove import audit
from cohortium.store import open_store, schema


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with open_store(tmp_path).begin() as connection:
        yield connection


@pytest.fixture
def signer() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def public(signer: Ed25519PrivateKey) -> str:
    return signer.public_key().public_bytes_raw().hex()


def fill(connection: Connection, number: int = 5) -> None:
    for n in range(number):
        audit.record(connection, "anna", "admit", f"study/{n}")


def test_the_chain_holds_what_was_recorded_in_order(connection: Connection) -> None:
    digests = [audit.record(connection, "anna", "admit", f"study/{n}") for n in range(5)]
    assert audit.head(connection) == digests[-1]
    assert audit.verify_chain(connection) == 5


def test_an_empty_chain_is_whole(connection: Connection) -> None:
    assert audit.verify_chain(connection) == 0


@pytest.mark.parametrize("column", ["time", "who", "what", "object", "address", "basis", "previous", "digest"])
def test_a_changed_row_breaks_the_chain(connection: Connection, column: str) -> None:
    for n in range(5):
        audit.record(connection, "anna", "admit", f"study/{n}")
    connection.execute(update(schema.audit).where(schema.audit.c.id == 3).values({column: "x"}))
    with pytest.raises(Corrupt, match="row 3"):
        audit.verify_chain(connection)


@pytest.mark.parametrize("row", [1, 2, 4])
def test_a_row_cut_out_breaks_the_chain(connection: Connection, row: int) -> None:
    for n in range(5):
        audit.record(connection, "anna", "admit", f"study/{n}")
    connection.execute(delete(schema.audit).where(schema.audit.c.id == row))
    with pytest.raises(Corrupt, match=f"row {row + 1}"):
        audit.verify_chain(connection)


def cut_off(connection: Connection, forge: bool) -> None:
    """Remove the newest row; `forge`: and let the segment say that it never was."""
    connection.execute(delete(schema.audit).where(schema.audit.c.id == 5))
    if forge:
        connection.execute(update(schema.audit_segment).values(rows=4, digest=audit.head(connection)))


def test_rows_cut_off_at_the_end_show(connection: Connection) -> None:
    fill(connection)
    cut_off(connection, forge=False)
    with pytest.raises(Corrupt, match="missing at the end"):
        audit.verify_chain(connection)


def test_rows_cut_off_by_who_knows_how_show_against_a_signed_head(
    connection: Connection, signer: Ed25519PrivateKey
) -> None:
    fill(connection)
    audit.sign(connection, signer)
    cut_off(connection, forge=True)
    with pytest.raises(Corrupt, match="missing at the end"):
        audit.verify(audit.records(connection), public(signer))


def test_a_whole_segment_removed_shows_against_a_signed_head(connection: Connection, signer: Ed25519PrivateKey) -> None:
    fill(connection)
    audit.sign(connection, signer)
    connection.execute(delete(schema.audit))
    connection.execute(delete(schema.audit_segment))
    with pytest.raises(Corrupt, match="missing at the end"):
        audit.verify(audit.records(connection), public(signer))


@pytest.mark.parametrize("column", ["time", "segments", "previous", "digest", "signature"])
def test_a_signed_head_cannot_be_changed(connection: Connection, signer: Ed25519PrivateKey, column: str) -> None:
    fill(connection)
    audit.sign(connection, signer)
    forged = json.dumps({}) if column == "segments" else "00" * 64
    connection.execute(update(schema.audit_head).values({column: forged}))
    with pytest.raises(Corrupt):
        audit.verify(audit.records(connection), public(signer))


def test_heads_are_signed_by_this_key_and_no_other(connection: Connection, signer: Ed25519PrivateKey) -> None:
    fill(connection)
    first = audit.sign(connection, signer)
    assert audit.sign(connection, signer) == first  # nothing grew
    fill(connection, 2)
    assert audit.sign(connection, signer) != first
    assert audit.verify(audit.records(connection), public(signer)) == 7
    with pytest.raises(Corrupt, match="not signed"):
        audit.verify(audit.records(connection), public(Ed25519PrivateKey.generate()))


def test_a_signed_head_removed_from_the_middle_shows(connection: Connection, signer: Ed25519PrivateKey) -> None:
    for _ in range(3):
        fill(connection, 1)
        audit.sign(connection, signer)
    connection.execute(delete(schema.audit_head).where(schema.audit_head.c.id == 2))
    with pytest.raises(Corrupt, match="before it was removed"):
        audit.verify(audit.records(connection), public(signer))


def test_what_is_exported_is_verified_elsewhere(connection: Connection, signer: Ed25519PrivateKey) -> None:
    fill(connection)
    audit.sign(connection, signer)
    lines = [json.dumps(each) for each in audit.records(connection)]
    assert audit.verify(map(json.loads, lines), public(signer)) == 5
    changed = [line.replace("study/3", "study/4") for line in lines]
    with pytest.raises(Corrupt, match="row 4"):
        audit.verify(map(json.loads, changed), public(signer))


def write(data: Path) -> None:
    engine = open_store(data)
    for n in range(20):
        with engine.begin() as connection:
            audit.record(connection, "anna", "admit", f"study/{n}")


def test_several_processes_write_each_its_own_segment(tmp_path: Path) -> None:
    open_store(tmp_path).dispose()
    processes = [multiprocessing.get_context("spawn").Process(target=write, args=(tmp_path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    with open_store(tmp_path).begin() as connection:
        assert audit.verify_chain(connection) == 60
        assert sorted(each.rows for each in audit.heads(connection)) == [20, 20, 20]


def test_a_transaction_that_fails_leaves_no_gap(tmp_path: Path) -> None:
    engine = open_store(tmp_path)
    with engine.begin() as connection:
        audit.record(connection, "anna", "admit", "study/1")
        connection.rollback()
    with engine.begin() as connection:
        audit.record(connection, "anna", "admit", "study/2")
    with engine.begin() as connection:
        assert audit.verify_chain(connection) == 1
        assert connection.scalar(select(schema.audit_segment.c.rows)) == 1
