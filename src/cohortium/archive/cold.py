"""Cold storage: packs go there by a project's policy, and come back for some days when somebody asks for them.

A pack stays whole, under its name and its key, so that a withdrawal destroys it there too. Who reads one that is cold
has it asked for by a job, and is told to come again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, select, update

from cohortium.archive.collection import PACK
from cohortium.archive.objects import Objects
from cohortium.store.schema import pack, project, scan

__all__ = ["cool", "fetch"]

HOT, COLD = "hot", "cold"


def cool(engine: Engine, objects: Objects, moment: datetime | None = None) -> int:
    """Move the packs to cold storage that are as old as their projects say; returns how many."""
    if not objects.storage.has_cold:
        return 0
    moment, done = moment or datetime.now(UTC), 0
    with engine.execution_options(reading=True).begin() as connection:
        query = select(pack.c.id, pack.c.key_id, pack.c.created, project.c.cold_days)
        query = query.join(scan, scan.c.id == pack.c.scan_id).join(project, project.c.id == scan.c.project_id)
        rows = connection.execute(query.where(pack.c.tier == HOT, project.c.cold_days > 0)).all()
    for row in rows:
        if datetime.fromisoformat(row.created) < moment - timedelta(days=row.cold_days):
            objects.storage.cool(objects.place(row.key_id, f"{PACK}{row.id}"))
            with engine.begin() as connection:
                connection.execute(update(pack).where(pack.c.id == row.id).values(tier=COLD))
            done += 1
    return done


def fetch(objects: Objects, key: int, name: str) -> None:
    """Have a pack brought back; asking twice does no harm."""
    objects.storage.fetch(objects.place(key, name))
