"""Studies, series and instances as DICOMweb searches and retrieves them: by UID and attribute, as far as one may see.

A search goes through one project after the other, in each by the rows' own order from the topmost level that is
matched, so that an index has each page as it stands and nothing is sorted. The next page starts behind the last row of
the one before (`after`), not by counting.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    RowMapping,
    Select,
    and_,
    exists,
    func,
    or_,
    select,
    tuple_,
)

from cohortium.archive import Address, Removable, headers
from cohortium.errors import Malformed
from cohortium.find.attributes import ATTRIBUTES, MODALITIES, SERIES, Level, level_of
from cohortium.find.matching import condition, is_range
from cohortium.govern.grants import visible_projects
from cohortium.govern.users import User
from cohortium.store.schema import instance, project, scan, session, subject, tombstone

__all__ = ["Found", "Held", "Search", "further", "header_of", "header_texts", "held", "search", "was_removed"]

Key = tuple[Any, ...]
IDS = (session.c.id, scan.c.id, instance.c.id)
NUMBERS = ("NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances")
UIDS = (session.c.StudyInstanceUID, scan.c.SeriesInstanceUID, instance.c.SOPInstanceUID)


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for: in one project or in all that may be seen, below these UIDs, with these values by key."""

    level: Level
    project: str | None
    uids: tuple[str, ...]
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Found:
    """One page: a row for each, with `ModalitiesInStudy` and numbers of related things; `last` ends it."""

    rows: Sequence[Mapping[str, Any]]
    last: Key | None
    more: bool


@dataclass(frozen=True, slots=True)
class Held:
    """An instance that may be retrieved."""

    at: Address
    id: int
    scan_id: int
    project_id: int
    project: str
    StudyInstanceUID: str
    SeriesInstanceUID: str
    SOPInstanceUID: str
    SOPClassUID: str
    TransferSyntaxUID: str
    NumberOfFrames: int

    @property
    def digest(self) -> str:
        return self.at.digest

    @property
    def size(self) -> int:
        return self.at.size

    @property
    def uids(self) -> tuple[str, str, str]:
        return self.StudyInstanceUID, self.SeriesInstanceUID, self.SOPInstanceUID


def search(
    connection: Connection, who: User, wanted: Search, *, limit: int, offset: int = 0, after: Key | None = None
) -> Found:
    """`limit` rows behind `offset` others, or behind the key `after`."""
    if after is not None:
        _demand_key(after, [project.c.id, *_query(connection, wanted, 0)[1]])
    page: list[Key] = []  # of each row its own id, then where it stands: its project, and its place in that
    projects = _projects(connection, who, wanted.project)
    for project_id in projects:
        if after is not None and project_id < after[0]:
            continue
        query, order = _query(connection, wanted, project_id)
        if after is not None and project_id == after[0]:
            query = query.where(tuple_(*order) > tuple_(*after[1:]))
        query = query.order_by(*order)
        rows = connection.execute(query.limit(limit + 1 - len(page)).offset(offset)).all()
        if not rows and offset and project_id != projects[-1]:
            offset -= connection.scalar(select(func.count()).select_from(query.limit(offset).subquery())) or 0
        elif rows:
            offset = 0
            page += [(row[0], project_id, *row[1:]) for row in rows]
        if len(page) > limit:
            break
    found = _described(connection, wanted.level, [row[0] for row in page[:limit]])
    return Found(found, page[:limit][-1][1:] if page[:limit] else None, len(page) > limit)


def held(connection: Connection, who: User, name: str | None, uids: Sequence[str]) -> list[Held]:
    """The instances below these UIDs, in the order of series and instance numbers; none that may not be seen."""
    columns = (
        *(*Address.columns(instance), instance.c.id, instance.c.scan_id, project.c.id, project.c.name, *UIDS),
        *(instance.c.SOPClassUID, instance.c.TransferSyntaxUID, instance.c.NumberOfFrames),
    )
    query = (
        _joined(select(*columns), Level.STUDY, Level.INSTANCE)
        .join(project, project.c.id == session.c.project_id)
        .where(*_scope(who, name, session.c.project_id), *_below(uids))
        .order_by(project.c.id, scan.c.SeriesNumber, scan.c.id, instance.c.InstanceNumber, instance.c.id)
    )
    return [Held(Address(*row[:5]), *row[5:]) for row in connection.execute(query)]


def was_removed(connection: Connection, who: User, name: str | None, uids: Sequence[str]) -> bool:
    """Whether a tombstone says that these UIDs, or what held them, were removed from where one may read."""
    levels = (Removable.SESSION, Removable.SCAN, Removable.INSTANCE)
    named = or_(
        *(
            and_(tombstone.c.level == level.value, tombstone.c.name == uid)
            for level, uid in zip(levels, uids, strict=False)
        )
    )
    return bool(connection.scalar(select(exists().where(named, *_scope(who, name, tombstone.c.project_id)))))


def header_texts(connection: Connection, instances: Sequence[Held]) -> Iterator[tuple[Held, bytes]]:
    """The DICOM JSON of each instance, in the order given."""
    for scan_id, some in groupby(instances, key=lambda each: each.scan_id):
        group = list(some)
        yield from zip(group, headers.read(connection, scan_id, [each.id for each in group]), strict=True)


def header_of(connection: Connection, instance_id: int) -> bytes:
    """The DICOM JSON of an instance that may be read."""
    of = connection.execute(select(instance.c.scan_id).where(instance.c.id == instance_id)).scalar_one()
    return next(headers.read(connection, of, [instance_id]))


def further(connection: Connection, found: Found, level: Level, fields: frozenset[str]) -> list[dict[str, Any]]:
    """For each row what else is wanted of its header (`all` of its level), without what stands there by reference.

    A study or a series is described by its first instance.
    """
    if level is Level.INSTANCE:
        places = [(row["scan_id"], row["instance_id"]) for row in found.rows]
    else:
        key = IDS[level]
        first = _joined(select(key, func.min(instance.c.id)), level, Level.INSTANCE).group_by(key)
        ids = [row[f"{key.table.name}_id"] for row in found.rows]
        of = {row[0]: row[1] for row in connection.execute(first.where(key.in_(ids)))}
        scans = select(instance.c.id, instance.c.scan_id).where(instance.c.id.in_(of.values()))
        scan_of = {row[0]: row[1] for row in connection.execute(scans)}
        places = [(scan_of[of[each]], of[each]) for each in ids]
    texts = _texts(connection, places)
    return [_taken(json.loads(texts[at]), level, fields) for _, at in places]


def _texts(connection: Connection, places: Sequence[tuple[int, int]]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for scan_id, group in groupby(sorted(places), key=lambda place: place[0]):
        ids = [each for _, each in group]
        found |= zip(ids, headers.read(connection, scan_id, ids), strict=True)
    return found


def _taken(document: dict[str, Any], level: Level, fields: frozenset[str]) -> dict[str, Any]:
    tops = {field.split(".")[0] for field in fields}
    return {
        tag: element
        for tag, element in document.items()
        if ("all" in fields or tag in tops)
        and (level is Level.INSTANCE or level_of(tag) <= level)
        and "BulkDataURI" not in element
    }


def _projects(connection: Connection, who: User, name: str | None) -> Sequence[int]:
    """Those to look through, in the order in which their rows come."""
    query = select(project.c.id).where(*_scope(who, name, project.c.id)).order_by(project.c.id)
    return connection.scalars(query).all()


def _query(connection: Connection, wanted: Search, project_id: int) -> tuple[Select[Any], list[Column[Any]]]:
    """What to look for in one project, in an order that an index has: ids, and by what they are ordered."""
    dialect = connection.dialect.name
    if wanted.level is Level.STUDY and (modality := _one_modality(wanted)):
        order = [scan.c.session_id]
        where = scan.c.project_id == project_id, scan.c.Modality == modality
        return select(scan.c.session_id, *order).distinct().where(*where), order
    top, tables, conditions = _conditions(wanted, dialect)
    order = _order(wanted, top)
    query = _joined(select(IDS[wanted.level], *order), top, wanted.level, with_subject=subject in tables)
    if subject not in tables:  # from whom the way to their sessions is short, and from all of a project's is not
        tables.add(session if top is Level.STUDY else scan)
    pinned = (table.c.project_id == project_id for table in tables)
    return query.where(*pinned, *conditions), order


def _one_modality(wanted: Search) -> str | None:
    """The modality, where studies are looked for by one and by nothing else: the index of series has them in order."""
    if wanted.uids or len(wanted.values) != 1:
        return None
    ((key, text),) = wanted.values
    return text.strip() if key == MODALITIES.tag and not set(text) & set("*?,\\") else None


def _conditions(wanted: Search, dialect: str) -> tuple[Level, set[FromClause], list[ColumnElement[bool]]]:
    """What the rows must be, of which tables this speaks, and the topmost level."""
    top = Level.STUDY if wanted.uids else min(wanted.level, Level.SERIES)
    tables: set[FromClause] = {column.table for column in UIDS[: len(wanted.uids)]}
    conditions = _below(wanted.uids)
    for key, text in wanted.values:
        attribute = MODALITIES if key == MODALITIES.tag else ATTRIBUTES[key]
        found = condition(attribute.column, attribute.vr, text, dialect)
        if found is None:
            continue
        top = min(top, attribute.level)
        if attribute is MODALITIES:
            found = exists().where(SERIES.c.session_id == session.c.id, found)
        else:
            tables.add(attribute.column.table)
        conditions.append(found)
    return top, tables, conditions


def _scope(who: User, name: str | None, column: Column[Any]) -> list[ColumnElement[bool]]:
    seen: list[ColumnElement[bool]] = [column.in_(visible_projects(who))]
    if name is not None:
        seen.append(column == select(project.c.id).where(project.c.name == name).scalar_subquery())
    return seen


def _below(uids: Sequence[str]) -> list[ColumnElement[bool]]:
    return [column == uid for column, uid in zip(UIDS, uids, strict=False)]


def _order(wanted: Search, top: Level) -> list[Column[Any]]:
    spans = [ATTRIBUTES[key] for key, text in wanted.values if key in ATTRIBUTES and is_range(ATTRIBUTES[key].vr, text)]
    return [*(each.column for each in spans if each.level is top), *IDS[top : wanted.level + 1]]


def _demand_key(after: Key, order: Sequence[Column[Any]]) -> None:
    """Raise `Malformed` where a key, which may come from outside, cannot be one of this search."""
    kinds = [column.type.python_type for column in order]
    if [type(each) for each in after] != kinds or any(isinstance(each, int) and abs(each) >> 63 for each in after):
        raise Malformed("the key of a page is of another search")


def _joined(query: Select[Any], top: Level, bottom: Level, *, with_subject: bool = True) -> Select[Any]:
    tables = (session, scan, instance)
    query = query.select_from(tables[top])
    if top is Level.STUDY and with_subject:
        query = query.join(subject, subject.c.id == session.c.subject_id)
    for upper, lower in ((session, scan), (scan, instance)):
        if tables.index(upper) >= top and tables.index(lower) <= bottom:
            query = query.join(lower, lower.c[f"{upper.name}_id"] == upper.c.id)
    return query


def _described(connection: Connection, level: Level, ids: Sequence[int]) -> list[dict[str, Any]]:
    columns = [each.column for each in ATTRIBUTES.values() if each.level <= level]
    if level is Level.INSTANCE:
        columns += [instance.c.TransferSyntaxUID, instance.c.digest, instance.c.size]
    keys = (each.label(f"{each.table.name}_id") for each in IDS[: level + 1])
    query = _joined(select(project.c.name.label("project"), *keys, *columns), Level.STUDY, level)
    query = query.join(project, project.c.id == session.c.project_id).where(IDS[level].in_(ids))
    rows = {row[f"{IDS[level].table.name}_id"]: row for row in connection.execute(query).mappings()}
    studies, series = _related(connection, {row["session_id"] for row in rows.values()})
    return [_completed(rows[each], studies, series) for each in ids]


def _completed(row: RowMapping, studies: Mapping[int, Mapping[str, Any]], series: Mapping[int, int]) -> dict[str, Any]:
    number = {"NumberOfSeriesRelatedInstances": series[row["scan_id"]]} if "scan_id" in row else {}
    return {**row, **studies[row["session_id"]], **number}


def _related(connection: Connection, ids: set[int]) -> tuple[dict[int, dict[str, Any]], dict[int, int]]:
    """Of studies their modalities and numbers, and of each of their series how many instances it has.

    Each series is counted by itself, along an index: counted together, all their instances would be sorted.
    """
    instances = select(func.count()).where(instance.c.scan_id == scan.c.id).scalar_subquery()
    query = select(scan.c.id, scan.c.session_id, scan.c.Modality, instances).where(scan.c.session_id.in_(ids))
    studies: dict[int, dict[str, Any]] = {each: {**dict.fromkeys(NUMBERS, 0), "ModalitiesInStudy": []} for each in ids}
    series: dict[int, int] = {}
    for scan_id, session_id, modality, number in connection.execute(query.order_by(scan.c.session_id, scan.c.Modality)):
        study, series[scan_id] = studies[session_id], number
        study["NumberOfStudyRelatedSeries"] += 1
        study["NumberOfStudyRelatedInstances"] += number
        if modality not in study["ModalitiesInStudy"]:
            study["ModalitiesInStudy"].append(modality)
    return studies, series
