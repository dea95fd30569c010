"""Writing the index: Project > Subject > Session > Scan > Instance, inside the caller's transaction.

Every function can be called again with the same values and changes nothing then. A study belongs to one subject and a
series to one study within a project; whoever says otherwise is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, insert, select

from cohortium.dicom import geometry, meta
from cohortium.errors import Refused
from cohortium.store import insert_once, schema
from cohortium.values import Finding, Instance

__all__ = ["add", "find_instance", "replace_findings"]


def find_instance(connection: Connection, project_id: int, SOPInstanceUID: str) -> str | None:
    """Digest of the project's instance of that UID, if it has one."""
    table = schema.instance.c
    return connection.scalar(
        select(table.digest).where(table.project_id == project_id, table.SOPInstanceUID == SOPInstanceUID)
    )


def add(connection: Connection, project_id: int, instance: Instance) -> None:
    """The instance's row, and those of the scan, session and subject it belongs to, where they are missing."""
    project = {"project_id": project_id}
    subject = _id(connection, schema.subject, {**project, "PatientID": instance.PatientID}, {})
    session = _id(
        connection,
        schema.session,
        {**project, "StudyInstanceUID": instance.StudyInstanceUID},
        {"subject_id": subject},
        {
            "StudyDate": instance.text("StudyDate")[:8],
            "StudyDescription": instance.text("StudyDescription")[:64],
        },
    )
    scan = _id(
        connection,
        schema.scan,
        {**project, "SeriesInstanceUID": instance.SeriesInstanceUID},
        {"session_id": session},
        {
            "Modality": instance.Modality[:16],
            "SeriesNumber": _whole(instance, "SeriesNumber"),
            "SeriesDescription": instance.text("SeriesDescription")[:64],
        },
    )
    row = {
        **project,
        "scan_id": scan,
        "SOPInstanceUID": instance.SOPInstanceUID,
        "SOPClassUID": instance.SOPClassUID,
        "TransferSyntaxUID": instance.TransferSyntaxUID,
        "digest": instance.digest,
        "size": instance.size,
        "InstanceNumber": _whole(instance, "InstanceNumber"),
        "NumberOfFrames": meta.frames(instance),
        "position": geometry.position(instance),
        "attributes": dict(instance.attributes),
    }
    insert_once(connection, schema.instance, row)


def replace_findings(
    connection: Connection, project_id: int, SeriesInstanceUID: str, findings: Iterable[Finding]
) -> None:
    """Let these be the findings of the series, in place of whatever an earlier check found."""
    table = schema.finding
    connection.execute(
        delete(table).where(table.c.project_id == project_id, table.c.SeriesInstanceUID == SeriesInstanceUID)
    )
    for finding in findings:
        row = {
            "project_id": project_id,
            "SeriesInstanceUID": SeriesInstanceUID,
            "SOPInstanceUID": finding.SOPInstanceUID,
            "rule": finding.rule,
            "severity": finding.severity.value,
            "message": finding.message,
        }
        insert_once(connection, table, row)


def _id(
    connection: Connection,
    table: Table,
    name: Mapping[str, Any],
    parent: Mapping[str, int],
    rest: Mapping[str, Any] | None = None,
) -> int:
    """The row of that name, made with `rest` where there is none; `Refused` where it has another parent."""
    row: Row[Any] | None = connection.execute(
        select(table).where(*(table.c[key] == value for key, value in name.items()))
    ).one_or_none()
    if row is None:
        made = insert(table).values(**name, **parent, **(rest or {})).returning(table.c.id)
        return int(connection.execute(made).scalar_one())
    if any(row._mapping[key] != value for key, value in parent.items()):
        above = "subject" if table is schema.session else "study"
        raise Refused(f"its {table.name} is in this project already, under another {above}")
    return int(row._mapping["id"])


def _whole(instance: Instance, keyword: str) -> int | None:
    number = instance.number(keyword)
    return None if number is None or abs(number) >= 2**63 else int(number)
