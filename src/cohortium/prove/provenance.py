"""Where every stored thing came from: one canonical record per output, named by its own digest.

What was identifiable appears only as HMAC(site key, bytes), which says nothing to anyone without the site's key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from hashlib import sha256

from sqlalchemy import Connection, select

from cohortium.errors import Corrupt
from cohortium.prove.canonical import canonical
from cohortium.store import insert_each_once, insert_once
from cohortium.store.schema import provenance

__all__ = ["Provenance", "of", "record", "record_all"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """How `output` (SHA-256) was made from `source` (keyed digest): by whom, with what, for whom, when.

    `subjects` says what the identifiers in `source` were, where they were no patient's own: pseudonymised elsewhere.
    `reviewer` is who looked at its picture before it left, where a person had to.
    """

    output: str
    source: str
    protocol: str
    protocol_digest: str
    software: str
    site: str
    project: str
    created: str
    subjects: str = ""
    reviewer: str = ""


def record(connection: Connection, made: Provenance) -> str:
    """Write the record once, in the caller's transaction; returns its digest."""
    row = _row(made)
    insert_once(connection, provenance, row)
    return row["digest"]


def record_all(connection: Connection, made: Iterable[Provenance]) -> None:
    """The same of many, in one statement."""
    insert_each_once(connection, provenance, [_row(each) for each in made])


def of(connection: Connection, output: str) -> list[Provenance]:
    """Every record of how `output` came to be, oldest first; `Corrupt` where one is not what was written."""
    found = []
    for digest, text in connection.execute(
        select(provenance.c.digest, provenance.c.record).where(provenance.c.output == output)
    ):
        if sha256(text.encode()).hexdigest() != digest:
            raise Corrupt(f"provenance record {digest[:12]} was changed; compare with a backup")
        found.append(Provenance(**json.loads(text)))
    return sorted(found, key=lambda made: made.created)


def _row(made: Provenance) -> dict[str, str]:
    text = canonical(asdict(made))
    return {"digest": sha256(text.encode()).hexdigest(), "output": made.output, "record": text}
