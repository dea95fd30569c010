"""Withdrawal: a subject's key is destroyed, and with it all that was sealed under it, here, in backups, on cold copies.

Nothing brings a subject back. The journal of withdrawals outlives the rows, so that a restored backup is made to forget
again (`replay`), and so that no data of the subject is admitted any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, select

from cohortium.archive.clinical.leaving import leave
from cohortium.archive.collection import discard_all
from cohortium.archive.consents import end, reference_of
from cohortium.archive.projects import project_named
from cohortium.archive.removal import remove, remove_files
from cohortium.archive.tombstones import Removable
from cohortium.errors import Refused
from cohortium.store import insert_once, jobs, now, schema
from cohortium.store.schema import (
    clinical_subject,
    data_key,
    flag,
    prearchive,
    project,
    resource,
    scan,
    session,
    subject,
    withdrawal,
)

__all__ = ["RENEW_KEYS", "Withdrawal", "journal", "replay", "withdraw", "withdrawn"]

RENEW_KEYS = "renew keys"  # the job that lets go of a destroyed key where backups are kept


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """An entry of the journal: plain values, so that it can be kept beside backups."""

    project: str
    PatientID: str
    reason: str
    who: str
    time: str


def journal(connection: Connection) -> list[Withdrawal]:
    """Every withdrawal, oldest first."""
    columns = (project.c.name, *(withdrawal.c[name] for name in ("PatientID", "reason", "who", "time")))
    query = select(*columns).join(project, project.c.id == withdrawal.c.project_id).order_by(withdrawal.c.id)
    return [Withdrawal(*row) for row in connection.execute(query)]


def replay(connection: Connection, entries: Iterable[Withdrawal]) -> list[int]:
    """Withdraw again who withdrew after a backup was made; returns the keys that were destroyed.

    Projects that the store does not hold are passed over. The caller commits, then collects.
    """
    names = set(connection.scalars(select(project.c.name)))
    return [key for entry in entries if entry.project in names for key in withdraw(connection, entry)]


def withdraw(connection: Connection, entry: Withdrawal, waiting: str = "") -> list[int]:
    """Destroy the subject's keys and every row about the subject; returns the ids of the keys, its own first.

    `waiting`: the name of the key of what waits of it, where the backup did not leave that out already.
    """
    project_id = project_named(connection, entry.project, closed=True)["id"]
    here = data_key.c.project_id == project_id
    names = entry.PatientID, waiting or entry.PatientID
    held = connection.execute(select(data_key.c.PatientID, data_key.c.id).where(here, data_key.c.PatientID.in_(names)))
    keys: dict[str, int] = {row.PatientID: row.id for row in held}
    is_held = subject.c.project_id == project_id, subject.c.PatientID == entry.PatientID
    if connection.scalar(select(exists().where(*is_held))):
        _forget_flags(connection, project_id, entry.PatientID)
        said = {"who": entry.who, "reason": entry.reason}
        remove(connection, project_id, Removable.SUBJECT, entry.PatientID, **said)
    leave(connection, project_id, entry.PatientID)
    if (reference := reference_of(entry.PatientID)) is not None:
        _forget_videos(connection, project_id, reference, entry)
    for key in keys.values():
        connection.execute(delete(data_key).where(data_key.c.id == key))
        discard_all(connection, key)
    known = select(data_key.c.id).where(here)
    lost = prearchive.c.key_id.is_not(None), prearchive.c.key_id.not_in(known)
    connection.execute(delete(prearchive).where(prearchive.c.project_id == project_id, *lost))
    row = {"project_id": project_id, "PatientID": entry.PatientID, "key_id": keys.get(entry.PatientID)}
    insert_once(connection, withdrawal, {**row, "reason": entry.reason, "who": entry.who, "time": entry.time or now()})
    jobs.put(connection, RENEW_KEYS)
    return sorted(keys.values(), key=lambda id: id != keys.get(entry.PatientID))


def withdrawn(connection: Connection, project_id: int) -> frozenset[str]:
    """Who withdrew from the project."""
    table = schema.withdrawal.c
    return frozenset(connection.scalars(select(table.PatientID).where(table.project_id == project_id)))


def demand_known(connection: Connection, project_id: int, PatientID: str, waiting: str) -> None:
    """Raise `Refused` unless the project has heard of the subject; a mistyped one would withdraw nobody."""
    for whom in (subject.c.PatientID, data_key.c.PatientID, clinical_subject.c.USUBJID):
        known = exists().where(whom.table.c.project_id == project_id, whom.in_((PatientID, waiting)))
        if PatientID and connection.scalar(select(known)):
            return
    raise Refused("the project holds no such subject")


def _forget_videos(connection: Connection, project_id: int, reference: str, entry: Withdrawal) -> None:
    """End the consent record, and let the videos that refer to it go."""
    record = end(connection, project_id, reference)
    for each in connection.scalars(select(resource.c.id).where(resource.c.consent_id == record)).all():
        remove_files(connection, each, None, who=entry.who, reason=entry.reason)


def _forget_flags(connection: Connection, project_id: int, PatientID: str) -> None:
    series = (
        select(scan.c.SeriesInstanceUID)
        .join(session, session.c.id == scan.c.session_id)
        .join(subject, subject.c.id == session.c.subject_id)
        .where(subject.c.project_id == project_id, subject.c.PatientID == PatientID)
    )
    connection.execute(delete(flag).where(flag.c.project_id == project_id, flag.c.SeriesInstanceUID.in_(series)))
