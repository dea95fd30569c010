"""What a dataset version holds when it is frozen: images, and the files beside them, as rows of `dataset_file`.

Of each file it is the newest version. Videos are identifiable, and no version holds one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Select, and_, func, or_, select

from cohortium.archive import flags, lists
from cohortium.archive.resources import Kind
from cohortium.store.schema import instance, resource, resource_file, scan, session, subject
from cohortium.wire.names import instance_path, resource_path

__all__ = ["entries"]

AT_ONCE = 5000  # rows a statement
Entry = dict[str, str | int]
PLACE = subject.c.PatientID, session.c.StudyInstanceUID, scan.c.SeriesInstanceUID


def entries(
    connection: Connection, project_id: int, source: lists.ScanList | None, with_unusable: bool
) -> Iterator[list[Entry]]:
    """Path, digest, size and place of each, many at once: of the whole project, or of what a list's scans belong to."""
    images, files = _images(project_id), _files(project_id)
    if source is not None:
        images = images.where(scan.c.id.in_(lists.scans_of(source.id)))
        files = files.where(_around(lists.scans_of(source.id)))
    if not with_unusable:
        images, files = images.where(~flags.unusable()), files.where(~flags.unusable_scan())
    for query, path in ((images, instance_path), (files, resource_path)):
        for some in connection.execute(query.execution_options(yield_per=AT_ONCE)).partitions():
            yield [_entry(path(*names), names[0], names[2], digest, size) for *names, digest, size in some]


def _images(project_id: int) -> Select[Any]:
    return (
        select(*PLACE, instance.c.SOPInstanceUID, instance.c.digest, instance.c.size)
        .join(scan, scan.c.id == instance.c.scan_id)
        .join(session, session.c.id == scan.c.session_id)
        .join(subject, subject.c.id == session.c.subject_id)
        .where(instance.c.project_id == project_id)
    )


def _files(project_id: int) -> Select[Any]:
    newest = select(func.max(resource_file.c.id)).where(resource_file.c.project_id == project_id)
    newest = newest.group_by(resource_file.c.resource_id, resource_file.c.name)
    return (
        select(*PLACE, resource.c.label, resource_file.c.name, resource_file.c.digest, resource_file.c.size)
        .select_from(resource_file)
        .join(resource, resource.c.id == resource_file.c.resource_id)
        .outerjoin(subject, subject.c.id == resource.c.subject_id)
        .outerjoin(session, session.c.id == resource.c.session_id)
        .outerjoin(scan, scan.c.id == resource.c.scan_id)
        .where(resource_file.c.id.in_(newest), resource.c.kind != Kind.VIDEO.value)
    )


def _around(scans: Select[tuple[int]]) -> Any:
    """Whether a resource is one of those scans, or of a session or subject that one of them belongs to."""
    sessions = select(scan.c.session_id).where(scan.c.id.in_(scans))
    subjects = select(session.c.subject_id).where(session.c.id.in_(sessions))
    return or_(
        resource.c.scan_id.in_(scans),
        and_(resource.c.scan_id.is_(None), resource.c.session_id.in_(sessions)),
        and_(resource.c.session_id.is_(None), resource.c.subject_id.in_(subjects)),
    )


def _entry(path: str, PatientID: str | None, SeriesInstanceUID: str | None, digest: str, size: int) -> Entry:
    place = {"PatientID": PatientID or "", "SeriesInstanceUID": SeriesInstanceUID or ""}
    return {"path": path, "digest": digest, "size": size, **place}
