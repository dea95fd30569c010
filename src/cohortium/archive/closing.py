"""Deleting a project: all that is in it is removed at once, and nobody finds it any more.

Its row stays, with its tombstones and withdrawals, for whatever names it; so its name is never given again.
"""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import delete, select, update

from cohortium.archive import datasets, prearchive, removal
from cohortium.archive.admission import Archive
from cohortium.archive.clinical.tables import forget_all
from cohortium.archive.projects import project_named
from cohortium.archive.removal import Removed
from cohortium.archive.tombstones import Removable, reason_of
from cohortium.errors import Refused, Unavailable
from cohortium.prove import audit
from cohortium.store import now
from cohortium.store import schema as tables
from cohortium.store.schema import project, resource, subject

__all__ = ["close"]

AT_ONCE = 1000  # rows a statement
ABOUT = (tables.grant, tables.invitation, tables.token, tables.scan_list, tables.flag, tables.field)


def close(archive: Archive, name: str, *, who: str, reason: str, address: str = "", basis: str = "") -> Removed:
    """Remove all that the project holds, in one transaction, and let nothing in again. The caller may delete.

    `Refused` where a dataset version is frozen of it: whoever cites one was promised that it stays readable.
    """
    said = {"who": who, "reason": reason_of(reason)}
    with archive.engine.begin() as connection:
        at = project_named(connection, name)["id"]
        if datasets.versions(connection, at):
            raise Refused(
                "dataset versions of this project are frozen, and were promised to stay readable; "
                "remove or withdraw the subjects that have to go, one by one"
            )
        forget_all(connection, at)
        patients = connection.scalars(select(subject.c.PatientID).where(subject.c.project_id == at)).all()
        gone = [removal.remove(connection, at, Removable.SUBJECT, each, **said) for each in patients]
        others = connection.scalars(select(resource.c.id).where(resource.c.project_id == at)).all()
        files = sum(removal.remove_files(connection, each, None, **said) for each in others)
        waiting = select(tables.prearchive).where(tables.prearchive.c.project_id == at)
        while some := connection.execute(waiting.limit(AT_ONCE)).mappings().all():
            prearchive.drop(connection, map(prearchive.of, some))
        for table in ABOUT:
            connection.execute(delete(table).where(table.c.project_id == at))
        connection.execute(update(project).where(project.c.id == at).values(closed=now(), visibility="private"))
        audit.record(connection, who, "delete project", name, address=address, basis=basis)
    with suppress(Unavailable):  # then a worker does it later
        archive.collect()
    instances, scans = sum(each.instances for each in gone), sum(each.scans for each in gone)
    return Removed(instances, scans, files + sum(each.files for each in gone))
