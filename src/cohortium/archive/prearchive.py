"""What the archive's check refused and its sender may mend: sealed, out of index and search, and gone after a time.

Its name and place are sealed with it, behind random bytes, so that neither the row nor the object's digest tells
anything of it. Why it was refused is told by places, never by values.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, RowMapping, delete, insert, select

from cohortium.archive.collection import discard
from cohortium.archive.objects import Address, Objects
from cohortium.archive.resources import Destination, Kind, Level
from cohortium.archive.wishes import AS_THEY_ARE, Wish
from cohortium.dicom import meta
from cohortium.errors import Malformed, Refused
from cohortium.store import now
from cohortium.store.schema import prearchive

__all__ = ["BESIDE", "DICOM", "FILE", "WISHED", "Held", "add", "drop", "expired", "held", "opened", "sealed"]

DICOM, FILE = "DICOM", "file"
WISHED = "its sender asked that an owner looks first"  # a reason, too
BESIDE = "another image of its package was refused"
RANDOM, LENGTH = 32, 4
FIRST = 1 << 16  # bytes among which name and place are


@dataclass(frozen=True, slots=True)
class Held:
    """An entry: what it is, why it waits, and until when."""

    id: int
    project_id: int
    kind: str
    reason: str
    offered: int
    by: str
    created: str
    expires: str
    subject: str
    session: str
    address: Address

    @property
    def wish(self) -> Wish:
        """What its sender asked that subject and session be called."""
        return Wish(self.subject, self.session)


def sealed(
    objects: Objects, project_id: int, content: bytes | memoryview, to: Destination | None, PatientID: str = ""
) -> Address:
    """Keep the bytes, and where they were to go: an image under a key of the subject that it is to be, or is of.

    So it goes with the subject. What tells of none is kept under the project's own key.
    """
    about = json.dumps(asdict(to) if to else None).encode()
    head = os.urandom(RANDOM) + len(about).to_bytes(LENGTH, "big") + about
    whose = PatientID or ("" if to else _whose(content))
    key = objects.keys.of_waiting(project_id, whose) if whose else objects.keys.of(project_id)
    return objects.put(key, head + bytes(content))


def _whose(content: bytes | memoryview) -> str:
    try:
        return meta.describe(content, digest="").PatientID
    except Malformed:
        return ""


def opened(objects: Objects, at: Address, *, whole: bool = True) -> tuple[Destination | None, bytes]:
    """Where it was to go, and its bytes (none of them, or some, unless the `whole` is asked for)."""
    content = objects.get(at) if whole else objects.read(at, 0, min(FIRST, at.size))
    begin = RANDOM + LENGTH
    end = begin + int.from_bytes(content[RANDOM:begin], "big")
    about = json.loads(content[begin:end])
    if about is None:
        return None, content[end:]
    return Destination(**about | {"level": Level(about["level"]), "kind": Kind(about["kind"])}), content[end:]


def add(
    connection: Connection,
    project: RowMapping,
    at: Address,
    kind: str,
    reason: str,
    who: str,
    offered: int,
    moment: str,
    wish: Wish = AS_THEY_ARE,
) -> int:
    """The entry's row; `offered` is how many bytes were, and what came together bears one `moment`."""
    expires = datetime.now(UTC) + timedelta(days=project["prearchive_days"])
    row = {"project_id": project["id"], "kind": kind, "reason": reason, "digest": at.digest, "key_id": at.key}
    row |= {"size": at.size, "offered": offered, "by": who, "created": moment}
    row |= {"subject": wish.subject, "session": wish.session}
    row["expires"] = expires.isoformat(timespec="microseconds")
    return int(connection.execute(insert(prearchive).values(**row).returning(prearchive.c.id)).scalar_one())


def held(connection: Connection, entry: int) -> Held:
    """The entry; `Refused` where it is gone."""
    row = connection.execute(select(prearchive).where(prearchive.c.id == entry)).mappings().one_or_none()
    if row is None:
        raise Refused("it is in the prearchive no more")
    return of(row)


def of(row: RowMapping) -> Held:
    """The entry that a row tells of."""
    at = Address(row["key_id"], row["digest"], row["size"])
    plain = Held.__dataclass_fields__.keys() - {"address"}
    return Held(**{name: row[name] for name in plain}, address=at)


def drop(connection: Connection, entries: Iterable[Held]) -> int:
    """Let entries go, with their bytes; returns how many."""
    gone = list(entries)
    connection.execute(delete(prearchive).where(prearchive.c.id.in_([each.id for each in gone])))
    discard(connection, (each.address for each in gone))
    return len(gone)


def expired(connection: Connection) -> list[Held]:
    """Entries whose time is over."""
    rows = connection.execute(select(prearchive).where(prearchive.c.expires < now()).limit(1000)).mappings()
    return [of(row) for row in rows]
