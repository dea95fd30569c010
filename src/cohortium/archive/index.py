"""Writing the index: Project > Subject > Session > Scan > Instance, inside the caller's transaction.

Every function can be called again with the same values and changes nothing then. A study belongs to one subject and a
series to one study within a project; whoever says otherwise is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, Row, RowMapping, String, Table, delete, exists, insert, select, update

from cohortium.archive import headers, labels
from cohortium.archive.objects import Address
from cohortium.dicom import geometry, meta
from cohortium.errors import Refused
from cohortium.store import insert_once, now, schema
from cohortium.values import Finding, Instance
from cohortium.wire import dicomjson
from cohortium.wire.dicomjson import Document

__all__ = [
    "NUMBERED",
    "Arrival",
    "Called",
    "add",
    "digests",
    "has_version",
    "refresh",
    "replace",
    "replace_findings",
    "scan_of",
    "touch",
    "without_header",
]

FROM_HEADER = {  # columns, and where in the header their values stand
    "session": {
        "StudyTime": ["00080030"],
        "AccessionNumber": ["00080050"],
        "ReferringPhysicianName": ["00080090"],
        "StudyID": ["00200010"],
        "PatientName": ["00100010"],
        "PatientBirthDate": ["00100030"],
        "PatientSex": ["00100040"],
    },
    "scan": {
        "BodyPartExamined": ["00180015"],
        "PerformedProcedureStepStartDate": ["00400244"],
        "PerformedProcedureStepStartTime": ["00400245"],
        "ScheduledProcedureStepID": ["00400275", "00400009"],
        "RequestedProcedureID": ["00400275", "00401001"],
    },
}

GEOMETRY = ("ImageOrientationPatient", "SliceLocationVector")  # all else an instance says stands in its header
MOST_FRAMES = 2**31 - 1  # what the column holds on PostgreSQL; a header may claim any number


def digests(connection: Connection, project_id: int, uids: Collection[str]) -> dict[str, str]:
    """By SOPInstanceUID the digests of those instances that the project has."""
    table = schema.instance.c
    query = select(table.SOPInstanceUID, table.digest).where(table.project_id == project_id)
    return {row[0]: row[1] for row in connection.execute(query.where(table.SOPInstanceUID.in_(uids)))}


@dataclass(frozen=True, slots=True)
class Called:
    """What a session is to be called: by which rule where it is new, and its label where its sender has said one."""

    naming: labels.Naming
    label: str = ""

    @classmethod
    def by_sender(cls, label: str) -> Called:
        """As XNAT does: what the sender says, else the pseudonym."""
        return cls(labels.wished(label), label) if label else cls(labels.of_patient)


NUMBERED = Called(labels.numbered)


class Arrival(NamedTuple):
    """An instance that comes in: what it says, and where its bytes are."""

    instance: Instance
    header: Document
    at: Address


def add(connection: Connection, project_id: int, arrivals: Sequence[tuple[int, Arrival]]) -> None:
    """The rows of instances that the project has not, each in the scan of that id."""
    if not arrivals:
        return
    rows = [
        {
            "project_id": project_id,
            "scan_id": scan,
            "SOPInstanceUID": instance.SOPInstanceUID,
            **_described(instance, at),
        }
        for scan, (instance, _, at) in arrivals
    ]
    connection.execute(insert(schema.instance), rows)
    headers.keep(connection, project_id, {each.instance.SOPInstanceUID: each.header for _, each in arrivals})


def scan_of(
    connection: Connection, project_id: int, instance: Instance, header: Document, called: Called = NUMBERED
) -> int:
    """The row of the scan it belongs to, and with it those of session and subject, made where they are missing."""
    project = {"project_id": project_id}
    subject = _id(connection, schema.subject, {**project, "PatientID": instance.PatientID}, {})
    study = {**project, "StudyInstanceUID": instance.StudyInstanceUID}
    about = {
        "StudyDate": instance.text("StudyDate")[:8],
        "StudyDescription": instance.text("StudyDescription")[:64],
        **_columns(schema.session, header),
    }
    if called.label:
        _adopt(connection, subject, called.label, study, about)
    naming = partial(called.naming, connection, project_id, instance.PatientID)
    session = _id(connection, schema.session, study, {"subject_id": subject}, about, naming)
    return _id(
        connection,
        schema.scan,
        {**project, "SeriesInstanceUID": instance.SeriesInstanceUID},
        {"session_id": session},
        {
            "Modality": instance.Modality[:16],
            "SeriesNumber": _whole(instance, "SeriesNumber"),
            "SeriesDescription": instance.text("SeriesDescription")[:64],
            **_columns(schema.scan, header),
        },
        lambda: labels.of_scan(connection, session, _whole(instance, "SeriesNumber"), instance.Modality),
    )


def _adopt(
    connection: Connection, subject: int, label: str, study: Mapping[str, Any], about: Mapping[str, str]
) -> None:
    """Let the study be the subject's session of that label which holds no image yet; `Refused` where it has another."""
    table = schema.session
    held = select(table.c.label).where(*(table.c[key] == value for key, value in study.items()))
    if (known := connection.scalar(held)) is not None:
        if known != label:
            raise Refused("its session is in this project already, under another label")
        return
    images = exists().where(schema.instance.c.scan_id == schema.scan.c.id, schema.scan.c.session_id == table.c.id)
    of = table.c.project_id == study["project_id"], table.c.subject_id == subject, table.c.label == label
    connection.execute(update(table).where(*of, ~images).values(**study, **about))


def replace(connection: Connection, project_id: int, instance: Instance, header: Document, at: Address) -> None:
    """Let these be the bytes of an instance that is there; the earlier ones stay known by their digest."""
    table, earlier = schema.instance, schema.earlier_version
    where = table.c.project_id == project_id, table.c.SOPInstanceUID == instance.SOPInstanceUID
    names = schema.subject.c.PatientID, schema.session.c.StudyInstanceUID, schema.scan.c.SeriesInstanceUID
    query = select(table, *names).join(schema.scan, schema.scan.c.id == table.c.scan_id)
    query = query.join(schema.session, schema.session.c.id == schema.scan.c.session_id)
    query = query.join(schema.subject, schema.subject.c.id == schema.session.c.subject_id)
    row = connection.execute(query.where(*where)).mappings().one()
    if [row[name.name] for name in names] != [getattr(instance, name.name) for name in names]:
        raise Refused("not admitted: the project holds this instance under another series, study or subject")
    was = dict(zip(("key_id", "digest", "size", "pack_id", "pack_offset"), Address.of(row), strict=True))
    insert_once(connection, earlier, {"project_id": project_id, "instance_id": row["id"], "replaced": now(), **was})
    values = {**_described(instance, at), "pack_id": None, "pack_offset": None}
    connection.execute(update(table).where(table.c.id == row["id"]).values(**values))
    connection.execute(delete(schema.header).where(schema.header.c.instance_id == row["id"]))
    headers.keep(connection, project_id, {instance.SOPInstanceUID: header})


def has_version(connection: Connection, project_id: int, instance: Instance) -> bool:
    """Whether these bytes were the instance's before others came."""
    table, earlier = schema.instance.c, schema.earlier_version.c
    same = table.id == earlier.instance_id, table.SOPInstanceUID == instance.SOPInstanceUID
    where = earlier.digest == instance.digest, earlier.project_id == project_id
    return bool(connection.scalar(select(exists().where(*same, *where))))


def touch(connection: Connection, project_id: int, series: Collection[str]) -> None:
    """Note that something came into these scans just now: they are not quiet."""
    where = schema.scan.c.project_id == project_id, schema.scan.c.SeriesInstanceUID.in_(series)
    connection.execute(update(schema.scan).where(*where).values(loose_since=now()))


def _described(instance: Instance, at: Address) -> dict[str, Any]:
    """The columns that the instance's own bytes fill."""
    return {
        "SOPClassUID": instance.SOPClassUID,
        "TransferSyntaxUID": instance.TransferSyntaxUID,
        "digest": instance.digest,
        "size": instance.size,
        "InstanceNumber": _whole(instance, "InstanceNumber"),
        "NumberOfFrames": min(meta.frames(instance), MOST_FRAMES),
        **{keyword: _whole(instance, keyword, 31) for keyword in ("Rows", "Columns", "BitsAllocated")},
        "position": geometry.position(instance),
        "attributes": {key: instance.attributes[key] for key in GEOMETRY if key in instance.attributes},
        "key_id": at.key,
    }


def without_header(connection: Connection, most: int) -> Sequence[RowMapping]:
    """Instances, each with its session_id, whose headers are not kept."""
    query = (
        select(schema.instance, schema.scan.c.session_id)
        .join(schema.scan, schema.scan.c.id == schema.instance.c.scan_id)
        .where(schema.instance.c.pack_id.is_(None))
        .where(~exists().where(schema.header.c.instance_id == schema.instance.c.id))
    )
    return connection.execute(query.order_by(schema.instance.c.id).limit(most)).mappings().all()


def refresh(connection: Connection, row: RowMapping, header: Document) -> None:
    """Give an instance that an earlier release indexed (`row`, with its session_id) what its header fills."""
    sizes = {
        keyword: next((int(text) for text in dicomjson.texts(header, tag) if text.isdigit()), None)
        for keyword, tag in (("Rows", "00280010"), ("Columns", "00280011"), ("BitsAllocated", "00280100"))
    }
    for table, key, values in (
        (schema.session, row["session_id"], _columns(schema.session, header)),
        (schema.scan, row["scan_id"], _columns(schema.scan, header)),
        (schema.instance, row["id"], sizes),
    ):
        connection.execute(update(table).where(table.c.id == key).values(**values))
    headers.keep(connection, row["project_id"], {row["SOPInstanceUID"]: header})


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
    label: Callable[[], str] | None = None,
) -> int:
    """The row of that name, made with `rest` where there is none; `Refused` where it has another parent."""
    row: Row[Any] | None = connection.execute(
        select(table).where(*(table.c[key] == value for key, value in name.items()))
    ).one_or_none()
    if row is None:
        called = {"label": label()} if label else {}
        made = insert(table).values(**name, **parent, **(rest or {}), **called).returning(table.c.id)
        return int(connection.execute(made).scalar_one())
    if any(row._mapping[key] != value for key, value in parent.items()):
        above = "subject" if table is schema.session else "study"
        raise Refused(f"its {table.name} is in this project already, under another {above}")
    return int(row._mapping["id"])


def _columns(table: Table, header: Document) -> dict[str, str]:
    """The columns that the header alone fills, cut to their width."""
    places = FROM_HEADER[table.name].items()
    return {keyword: _text(header, place)[: cast(String, table.c[keyword].type).length] for keyword, place in places}


def _text(header: Document, place: Sequence[str]) -> str:
    *sequences, tag = place
    for sequence in sequences:
        header = next(iter((header.get(sequence) or {}).get("Value") or ()), {})
    return "\\".join(dicomjson.texts(header, tag))


def _whole(instance: Instance, keyword: str, bits: int = 63) -> int | None:
    number = instance.number(keyword)
    return None if number is None or abs(number) >= 2**bits else int(number)
