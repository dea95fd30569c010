"""The newest comparison of each folder that is the whole truth with all that came of it before.

Counts lie in the clear and stay; what is absent, by pseudonym and UID, lies sealed under the spool's key and is let go
of in time.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Engine, delete, insert, select, update

from cohortium import sealed
from cohortium.keys import SiteKey
from cohortium.spool.cumulative import Absent, Delivery
from cohortium.store import now
from cohortium.store.schema import comparison
from cohortium.values import State

__all__ = ["Comparison", "Comparisons"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison found, in files; `has_list` until what is absent was let go of."""

    source: str
    by: str
    created: str
    known: int
    new: int
    changed: int
    absent: int
    has_list: bool


class Comparisons:
    """Of one site."""

    def __init__(self, engine: Engine, key: SiteKey) -> None:
        self._engine = engine
        self._key = key.derive("spool files")

    def keep(self, source: str, found: Delivery, by: str) -> None:
        """Put the comparison in place of the one before."""
        absent = json.dumps([asdict(each) for each in found.absent]).encode()
        row = {"source": source, "by": by, "created": now(), "absent": len(found.absent)}
        row |= {"known": found.known, "new": found.new, "changed": found.changed}
        row |= {"record": sealed.sealed(self._key, zlib.compress(absent))}
        with self._engine.begin() as connection:
            connection.execute(delete(comparison).where(comparison.c.source == source))
            connection.execute(insert(comparison).values(**row))

    def newest(self) -> list[Comparison]:
        """Of every source that was ever compared."""
        columns = [each for each in comparison.c if each.name != "record"]
        has_list = (comparison.c.record != b"").label("has_list")
        with self._engine.execution_options(reading=True).begin() as connection:
            rows = connection.execute(select(*columns, has_list).order_by(comparison.c.source)).mappings()
            return [Comparison(**row) for row in rows]

    def absent(self, source: str) -> tuple[Absent, ...]:
        """What the source had no more; nothing where that was let go of."""
        with self._engine.execution_options(reading=True).begin() as connection:
            record = connection.scalar(select(comparison.c.record).where(comparison.c.source == source))
        found = json.loads(zlib.decompress(sealed.opened_whole(self._key, record))) if record else []
        return tuple(Absent(**{**each, "state": State(each["state"])}) for each in found)

    def let_go(self, before: datetime) -> int:
        """Empty the lists of comparisons made before; returns how many there were."""
        old = comparison.c.created < before.isoformat(timespec="microseconds"), comparison.c.record != b""
        with self._engine.begin() as connection:
            return connection.execute(update(comparison).where(*old).values(record=b"")).rowcount
