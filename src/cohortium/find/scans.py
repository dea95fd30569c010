"""One scan: where it belongs, its frames in the order in which they lie in the patient, its findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from cohortium.archive import Address, headers
from cohortium.archive.flags import Flag, of_scan
from cohortium.errors import Unavailable
from cohortium.govern.grants import visible_projects
from cohortium.govern.users import User
from cohortium.store.schema import finding, project, session, subject
from cohortium.store.schema import instance as instances
from cohortium.store.schema import scan as scans
from cohortium.values import Finding, Severity

__all__ = ["FrameAt", "Place", "ScanPage", "instance", "scan"]

MOST_FRAMES = 20_000  # of one instance; a header may claim any number


@dataclass(frozen=True, slots=True)
class FrameAt:
    """A frame to look at: of which instance, which of its frames (from 0), where it lies in mm along the normal."""

    instance: int
    at: Address
    frame: int
    of: int  # frames in that instance
    number: int | None  # InstanceNumber
    position: float | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where an instance is: what is needed to serve it."""

    id: int
    NumberOfFrames: int
    project_id: int
    project: str
    SeriesInstanceUID: str
    at: Address


@dataclass(frozen=True, slots=True)
class ScanPage:
    id: int
    project: str
    project_id: int
    project_title: str
    PatientID: str
    session_id: int
    StudyDate: str
    StudyDescription: str
    Modality: str
    SeriesNumber: int | None
    SeriesDescription: str
    SeriesInstanceUID: str
    instances: int
    frames: tuple[FrameAt, ...]
    findings: tuple[Finding, ...]
    flags: tuple[Flag, ...]  # all there ever were, those that stand first
    attributes: Mapping[str, Any]  # of the instance in the middle


def scan(connection: Connection, who: User, scan_id: int) -> ScanPage | None:
    """The scan; None where there is none or the person may not see it."""
    row = (
        connection.execute(
            select(
                scans,
                project.c.name.label("project"),
                project.c.title.label("project_title"),
                subject.c.PatientID,
                session.c.StudyDate,
                session.c.StudyDescription,
            )
            .join(session, session.c.id == scans.c.session_id)
            .join(subject, subject.c.id == session.c.subject_id)
            .join(project, project.c.id == scans.c.project_id)
            .where(scans.c.id == scan_id, scans.c.project_id.in_(visible_projects(who)))
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        return None
    ordered = _ordered(
        connection.execute(select(instances).where(instances.c.scan_id == scan_id).order_by(instances.c.id))
        .mappings()
        .all()
    )
    middle = ordered[len(ordered) // 2] if ordered else None
    taken = set(ScanPage.__dataclass_fields__) & set(row.keys())
    return ScanPage(
        **{key: row[key] for key in taken},
        instances=len(ordered),
        frames=tuple(frame for each in ordered for frame in _frames(each)),
        findings=tuple(_findings(connection, row["project_id"], row["SeriesInstanceUID"])),
        flags=tuple(of_scan(connection, row["project_id"], row["SeriesInstanceUID"])),
        attributes=_attributes(connection, middle) if middle else {},
    )


def instance(connection: Connection, who: User, instance_id: int) -> Place | None:
    """An instance by its row; None where there is none or the person may not see it."""
    columns = instances.c.id, instances.c.NumberOfFrames, project.c.id, project.c.name, scans.c.SeriesInstanceUID
    row = connection.execute(
        select(*columns, *Address.columns(instances))
        .join(scans, scans.c.id == instances.c.scan_id)
        .join(project, project.c.id == instances.c.project_id)
        .where(instances.c.id == instance_id, instances.c.project_id.in_(visible_projects(who)))
    ).one_or_none()
    if row is None:
        return None
    id, of, project_id, name, uid, *at = row
    return Place(id, of, project_id, name, uid, Address(*at))


def _attributes(connection: Connection, row: RowMapping) -> Mapping[str, Any]:
    """What an instance says of itself; where its header was not read yet, what the release that took it wrote down."""
    try:
        (text,) = headers.read(connection, row["scan_id"], [row["id"]])
    except Unavailable:
        return dict(row["attributes"])
    return headers.attributes(text)


def _ordered(rows: Sequence[RowMapping]) -> list[RowMapping]:
    """By position where every instance has one, planes that are not parallel (localisers) one after the other."""
    if any(row["position"] is None for row in rows):
        return sorted(rows, key=_by_number)
    first: dict[tuple[float, ...], tuple[int, int]] = {}
    for row in sorted(rows, key=_by_number):
        first.setdefault(_plane(row), _by_number(row))
    return sorted(rows, key=lambda row: (first[_plane(row)], round(row["position"], 3), _by_number(row)))


def _by_number(row: RowMapping) -> tuple[int, int]:
    number = row["InstanceNumber"]
    return (2**63 if number is None else number, row["id"])


def _plane(row: RowMapping) -> tuple[float, ...]:
    orientation = row["attributes"].get("ImageOrientationPatient")
    if not isinstance(orientation, list) or not all(isinstance(each, int | float) for each in orientation):
        return ()
    return tuple(round(each, 1) + 0.0 for each in orientation)


def _frames(row: RowMapping) -> list[FrameAt]:
    """An instance's frames as they are stored, with their own positions where the object gives them."""
    count = min(row["NumberOfFrames"], MOST_FRAMES)
    along = row["attributes"].get("SliceLocationVector")
    positions = along if isinstance(along, list) and len(along) == count else [row["position"]] * count
    at = Address.of(row)
    return [FrameAt(row["id"], at, n, count, row["InstanceNumber"], positions[n]) for n in range(count)]


def _findings(connection: Connection, project_id: int, SeriesInstanceUID: str) -> list[Finding]:
    rows = connection.execute(
        select(finding)
        .where(finding.c.project_id == project_id, finding.c.SeriesInstanceUID == SeriesInstanceUID)
        .order_by(finding.c.severity, finding.c.rule, finding.c.id)
    ).mappings()
    return [
        Finding(row["rule"], Severity(row["severity"]), row["message"], row["SeriesInstanceUID"], row["SOPInstanceUID"])
        for row in rows
    ]
