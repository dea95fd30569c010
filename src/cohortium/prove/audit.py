"""The audit: append-only rows in segments, one for each process that writes, each row carrying the one before.

A row can be neither changed nor cut out of its segment unseen. That rows are missing at a segment's end, or a whole
segment, shows against heads that the site's key signed, which are themselves a chain. Rows name people by login,
objects by digest or UID; what somebody searched for is a keyed digest. Never a patient's value.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import Connection, func, insert, select, update

from cohortium.errors import Corrupt
from cohortium.prove.canonical import canonical
from cohortium.store import insert_once, jobs, now
from cohortium.store.schema import audit, audit_head, audit_segment

__all__ = [
    "SIGN",
    "Segment",
    "count",
    "head",
    "heads",
    "record",
    "record_all",
    "records",
    "says",
    "sign",
    "verify",
    "verify_chain",
]

FIRST = ("time", "who", "what", "object", "previous")  # what rows had before there were segments
FIELDS = (*FIRST, "segment", "address", "basis")
SIGNED = ("time", "segments", "previous")
START = "0" * 64
SIGN = "sign audit"  # the job that signs; who holds the key does it
UNSIGNED = 1000  # rows of a segment after which it is asked for
LABEL = b"cohortium audit head 1\n"


@dataclass(frozen=True, slots=True)
class Segment:
    """How many rows a segment has, and the digest of its newest."""

    segment: str
    rows: int
    digest: str


def record(connection: Connection, who: str, what: str, object: str, *, address: str = "", basis: str = "") -> str:
    """Append a row in the caller's transaction: from where, and under which grant; returns its digest.

    The segment's row is locked until the transaction ends, so that those of one process follow one another.
    """
    return record_all(connection, who, [(what, object)], address=address, basis=basis)


def record_all(
    connection: Connection, who: str, said: Sequence[tuple[str, str]], *, address: str = "", basis: str = ""
) -> str:
    """The same for several rows, each what was done and to which object; returns the digest of the last."""
    segment = _of_process(os.getpid())
    digest, rows = _extend(connection, segment, len(said)), []
    for what, object in said:
        row = {"time": now(), "who": who, "what": what, "object": object, "segment": segment}
        row |= {"address": address, "basis": basis, "previous": digest}
        digest = _digest(row, FIELDS)
        rows.append(row | {"digest": digest})
    if rows:
        connection.execute(insert(audit), rows)
        connection.execute(update(audit_segment).where(audit_segment.c.segment == segment).values(digest=digest))
    return digest


def count(connection: Connection, what: str, since: str) -> int:
    """How many rows say `what` from the moment `since` on."""
    query = select(func.count()).select_from(audit).where(audit.c.what == what, audit.c.time >= since)
    return connection.scalar(query) or 0


def says(connection: Connection, what: str, object: str) -> bool:
    """Whether a row says `what` of `object`."""
    query = select(func.count()).select_from(audit).where(audit.c.what == what, audit.c.object == object)
    return bool(connection.scalar(query))


def head(connection: Connection) -> str:
    """Digest of the newest row, whatever its segment."""
    return connection.scalar(select(audit.c.digest).order_by(audit.c.id.desc()).limit(1)) or START


def heads(connection: Connection) -> list[Segment]:
    """Every segment's head, the newest segment first."""
    rows = connection.execute(select(audit_segment).order_by(audit_segment.c.began.desc(), audit_segment.c.segment))
    return [Segment(row.segment, row.rows, row.digest) for row in rows]


def sign(connection: Connection, signer: Ed25519PrivateKey) -> str:
    """Sign the heads of the segments that grew since the last time; returns the digest to be noted elsewhere."""
    connection.execute(select(audit_segment.c.segment).with_for_update()).all()  # one signs at a time
    past = list(connection.execute(select(audit_head).order_by(audit_head.c.id)).mappings())
    known = {name: held for row in past for name, held in json.loads(row["segments"]).items()}
    grown = {each.segment: [each.rows, each.digest] for each in heads(connection)}
    grown = {name: held for name, held in grown.items() if known.get(name) != held}
    previous = past[-1]["digest"] if past else START
    if not grown:
        return str(previous)
    row = {"time": now(), "segments": json.dumps(grown, sort_keys=True), "previous": previous}
    digest = _digest(row, SIGNED)
    signature = signer.sign(LABEL + bytes.fromhex(digest)).hex()
    connection.execute(insert(audit_head).values(**row, digest=digest, signature=signature))
    return digest


def records(connection: Connection) -> Iterator[dict[str, Any]]:
    """The whole audit as it is exported: rows in order, then segments, then signed heads."""
    for kind, table in (("row", audit), ("segment", audit_segment), ("head", audit_head)):
        order = audit_segment.c.began if table is audit_segment else table.c.id
        for row in connection.execute(select(table).order_by(order)).mappings():
            yield {"kind": kind, **row}


def verify_chain(connection: Connection) -> int:
    """The number of rows, after every one was recomputed; `Corrupt` at the first that does not follow."""
    return verify(records(connection), None)


def verify(exported: Iterable[Mapping[str, Any]], public_key: str | None) -> int:
    """The number of rows of `records`; `Corrupt` where one was changed, removed, or, with the key (hex), not signed."""
    chains: dict[str, list[str]] = {}
    signed, number = START, 0
    for row in exported:
        if row["kind"] == "row":
            number += 1
            _follow(chains.setdefault(row["segment"], []), row)
        elif row["kind"] == "segment":
            _holds(chains, row["segment"], row["rows"], row["digest"])
        else:
            signed = _signed(row, signed, public_key)
            for segment, (rows, digest) in json.loads(row["segments"]).items():
                _holds(chains, segment, rows, digest)
    return number


def _extend(connection: Connection, segment: str, rows: int) -> str:
    """Count further rows, which locks the segment; returns the digest of its newest so far."""
    longer = update(audit_segment).where(audit_segment.c.segment == segment).values(rows=audit_segment.c.rows + rows)
    longer = longer.returning(audit_segment.c.digest, audit_segment.c.rows)
    newest = connection.execute(longer).one_or_none()
    if newest is None:
        insert_once(connection, audit_segment, {"segment": segment, "rows": 0, "digest": START, "began": now()})
        newest = connection.execute(longer).one()
    if newest.rows % UNSIGNED == 0:
        jobs.put(connection, SIGN)
    return str(newest.digest)


def _follow(chain: list[str], row: Mapping[str, Any]) -> None:
    fields = FIELDS if row["segment"] else FIRST
    if row["previous"] != (chain[-1] if chain else START) or row["digest"] != _digest(row, fields):
        raise Corrupt(f"audit row {row['id']} was changed, or rows before it were removed; compare with a backup")
    chain.append(row["digest"])


def _holds(chains: Mapping[str, list[str]], segment: str, rows: int, digest: str) -> None:
    chain = chains.get(segment, [])
    if rows > len(chain) or (chain[rows - 1] if rows else START) != digest:
        raise Corrupt(f"rows are missing at the end of audit segment {segment or 'first'}; compare with a backup")


def _signed(row: Mapping[str, Any], previous: str, public_key: str | None) -> str:
    digest = str(row["digest"])
    if row["previous"] != previous or digest != _digest(row, SIGNED):
        raise Corrupt(f"signed head {row['id']} of the audit was changed, or one before it was removed")
    if public_key is not None:
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
            key.verify(bytes.fromhex(row["signature"]), LABEL + bytes.fromhex(digest))
        except (InvalidSignature, ValueError):
            raise Corrupt(f"head {row['id']} of the audit was not signed by this key") from None
    return digest


@cache
def _of_process(_pid: int) -> str:
    """This process's segment; a forked child has another number, and so another segment."""
    return secrets.token_hex(8)


def _digest(row: Mapping[str, Any], fields: tuple[str, ...]) -> str:
    return sha256(canonical({key: row[key] for key in fields}).encode()).hexdigest()
