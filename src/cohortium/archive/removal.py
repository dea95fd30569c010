"""Taking out of the archive: a subject, session, scan or instance goes with all below it, and tombstones stay.

Rows go in the caller's transaction, which also writes down what is garbage from then on; bytes go after it
(`collection`). So a crash leaves at most bytes that nobody can reach, and that the next collection finds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, delete, exists, insert, select

from cohortium.archive import headers
from cohortium.archive.clinical.leaving import leave
from cohortium.archive.clinical.tables import forget_unnamed
from cohortium.archive.collection import discard
from cohortium.archive.objects import Address
from cohortium.archive.resources import Kind
from cohortium.archive.tombstones import LEVELS, Removable
from cohortium.errors import Refused
from cohortium.store import now
from cohortium.store.schema import (
    check_finding,
    earlier_version,
    finding,
    instance,
    pack,
    resource,
    resource_file,
    scan,
    session,
    subject,
    tombstone,
)

__all__ = ["Removed", "remove", "remove_files", "remove_version"]

AT_ONCE = 1000  # rows a statement
Said = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Removed:
    """How much went."""

    instances: int
    scans: int
    files: int


def remove(
    connection: Connection,
    project_id: int,
    level: Removable,
    name: str,
    keep: Removable | None = None,
    /,
    *,
    who: str,
    reason: str,
) -> Removed:
    """Let what the project holds under that name go; a scan that is empty then goes too, and so does a session.

    Unless `keep` is SESSION: then one of which nothing is left stays.
    """
    table, keyword = LEVELS[level]
    key = connection.scalar(select(table.c.id).where(table.c.project_id == project_id, table.c[keyword] == name))
    if key is None:
        raise Refused(f"the project holds no such {level}")
    said: Said = {"project_id": project_id, "reason": reason, "who": who, "time": now()}
    scans = connection.scalars(_scans(level, key)).all()
    sessions = (
        set()
        if keep is Removable.SESSION
        else set(connection.scalars(select(scan.c.session_id).where(scan.c.id.in_(scans))))
    )
    if level is Removable.INSTANCE:
        count, files = _instances(connection, instance.c.id == key, scans, said), 0
    else:
        count = _instances(connection, instance.c.scan_id.in_(scans), scans, said)
        files = _files(connection, resource.c[f"{level}_id"] == key, said)
        named = [*_named(connection, level, key), (level, name)]
        stones = [{"level": each.value, "name": called, "digest": "", **said} for each, called in named]
        connection.execute(insert(tombstone), stones)
    _delete_scans(
        connection, [each for each in scans if level is not Removable.INSTANCE or _is_empty(connection, each)]
    )
    _delete_sessions(connection, level, key, sessions)
    if level is Removable.SUBJECT:
        connection.execute(delete(subject).where(subject.c.id == key))
        leave(connection, project_id, name)
    return Removed(count, len(scans), files)


def remove_files(connection: Connection, resource_id: int, name: str | None, *, who: str, reason: str) -> int:
    """Let a resource go, or of its files the one of that name, in all versions; returns how many went."""
    project_id = connection.scalar(select(resource.c.project_id).where(resource.c.id == resource_id))
    if project_id is None:
        raise Refused("there is no such resource")
    said: Said = {"project_id": project_id, "reason": reason, "who": who, "time": now()}
    chosen = resource.c.id == resource_id
    if name is None:
        return _files(connection, chosen, said)
    chosen &= resource_file.c.name == name
    return _discard_files(connection, chosen, said)


def remove_version(connection: Connection, file: RowMapping, *, who: str, reason: str) -> None:
    """Let one version of a file go."""
    said: Said = {"project_id": file["project_id"], "reason": reason, "who": who, "time": now()}
    _discard_files(connection, resource_file.c.id == file["id"], said)


def _scans(level: Removable, key: int) -> Select[int]:
    """Ids of the scans that lose something."""
    if level is Removable.INSTANCE:
        return select(instance.c.scan_id).where(instance.c.id == key)
    query = select(scan.c.id)
    if level is Removable.SUBJECT:
        return query.join(session, session.c.id == scan.c.session_id).where(session.c.subject_id == key)
    return query.where((scan.c.id if level is Removable.SCAN else scan.c.session_id) == key)


def _named(connection: Connection, level: Removable, key: int) -> Iterator[tuple[Removable, str]]:
    """The scans and sessions that go with the subject or session, so that each of their addresses tells it."""
    if level in (Removable.SUBJECT, Removable.SESSION):
        for uid in connection.scalars(_scans(level, key).with_only_columns(scan.c.SeriesInstanceUID)):
            yield Removable.SCAN, uid
    if level is Removable.SUBJECT:
        for uid in connection.scalars(select(session.c.StudyInstanceUID).where(session.c.subject_id == key)):
            yield Removable.SESSION, uid


def _instances(connection: Connection, chosen: ColumnElement[bool], scans: Sequence[int], said: Said) -> int:
    named = select(instance.c.SOPInstanceUID)
    versions = named.join(earlier_version, earlier_version.c.instance_id == instance.c.id)
    for query, table in ((named, instance), (versions, earlier_version)):
        rows = connection.execute(query.add_columns(*Address.columns(table)).where(chosen)).all()
        _bury(connection, Removable.INSTANCE, [(uid, Address(*at)) for uid, *at in rows], said)
    blamed = check_finding.c.SOPInstanceUID.in_(named.where(chosen))
    connection.execute(delete(check_finding).where(check_finding.c.project_id == said["project_id"], blamed))
    for scan_id in scans:
        headers.drop(connection, scan_id, select(instance.c.id).where(instance.c.scan_id == scan_id, chosen))
    return connection.execute(delete(instance).where(chosen)).rowcount


def _files(connection: Connection, chosen: ColumnElement[bool], said: Said) -> int:
    count = _discard_files(connection, chosen, said)
    connection.execute(delete(resource).where(chosen))
    return count


def _discard_files(connection: Connection, chosen: ColumnElement[bool], said: Said) -> int:
    query = select(resource.c.label, resource.c.kind, resource_file).join_from(resource_file, resource)
    rows = connection.execute(query.where(chosen)).all()
    places = [(f"{row.label}/{row.name}"[:255], Address(row.key_id, row.digest, row.size)) for row in rows]
    _bury(connection, "resource", places, said)
    _forget_findings(connection, said["project_id"], {row.name.rpartition("/")[2] for row in rows})
    for at in range(0, len(rows), AT_ONCE):
        some = [row.id for row in rows[at : at + AT_ONCE]]
        connection.execute(delete(resource_file).where(resource_file.c.id.in_(some)))
    if any(row.kind == Kind.CLINICAL for row in rows):
        forget_unnamed(connection, int(said["project_id"]))
    return len(rows)


def _forget_findings(connection: Connection, project_id: int | str, names: set[str]) -> None:
    """What checks found in files of these names goes with them: of a file's place a finding tells no more."""
    here = check_finding.c.project_id == project_id, check_finding.c.file != ""
    about = connection.scalars(select(check_finding.c.file).where(*here).distinct()).all()
    gone = [file for file in about if file.rpartition("/")[2] in names]
    connection.execute(delete(check_finding).where(*here, check_finding.c.file.in_(gone)))


def _bury(connection: Connection, level: str, things: Sequence[tuple[str, Address]], said: Said) -> None:
    stones = [{"level": str(level), "name": name, "digest": at.digest, **said} for name, at in things]
    if stones:
        connection.execute(insert(tombstone), stones)
        discard(connection, (at for _, at in things))


def _is_empty(connection: Connection, scan_id: int) -> bool:
    within = exists().where(instance.c.scan_id == scan_id) | exists().where(resource.c.scan_id == scan_id)
    return not connection.scalar(select(within))


def _delete_scans(connection: Connection, scans: Sequence[int]) -> None:
    for row in connection.execute(select(scan).where(scan.c.id.in_(scans))).all():
        of_scan = finding.c.project_id == row.project_id, finding.c.SeriesInstanceUID == row.SeriesInstanceUID
        connection.execute(delete(finding).where(*of_scan))
    connection.execute(delete(pack).where(pack.c.scan_id.in_(scans)))
    connection.execute(delete(scan).where(scan.c.id.in_(scans)))


def _delete_sessions(connection: Connection, level: Removable, key: int, touched: set[int]) -> None:
    if level is Removable.SUBJECT:
        connection.execute(delete(session).where(session.c.subject_id == key))
    elif level is Removable.SESSION:
        connection.execute(delete(session).where(session.c.id == key))
    else:
        empty = [~exists().where(table.c.session_id == session.c.id) for table in (scan, resource)]
        connection.execute(delete(session).where(session.c.id.in_(touched), *empty))
