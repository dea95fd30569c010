"""Projects, subjects, sessions and scans by their labels or their numbers, and what is directly below one of them.

Labels and numbers are interchangeable, as XNAT's clients take them to be. Whatever is found carries, inside its query,
what is to be done with it: who may not, finds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, Table, func, literal, or_, select

from cohortium.archive.resources import Level
from cohortium.govern.grants import permitted
from cohortium.govern.roles import May
from cohortium.govern.users import User
from cohortium.store import total
from cohortium.store.schema import instance, project, scan, session, subject

__all__ = ["ACCESSION", "LEVELS", "Node", "below", "node", "numbered"]

AT_ONCE = 500  # rows
LEVELS = (Level.PROJECT, Level.SUBJECT, Level.SESSION, Level.SCAN)
TABLES: Mapping[Level, Table] = {
    Level.PROJECT: project,
    Level.SUBJECT: subject,
    Level.SESSION: session,
    Level.SCAN: scan,
}
LABELS = {
    Level.PROJECT: project.c.name,
    Level.SUBJECT: subject.c.PatientID,
    Level.SESSION: session.c.label,
    Level.SCAN: scan.c.label,
}
ACCESSION = {Level.SUBJECT: "COHORTIUM_S", Level.SESSION: "COHORTIUM_E"}
More = Callable[[Connection, Sequence[int]], dict[int, dict[str, Any]]]
NUMBER = re.compile(r"COHORTIUM_[SE]([0-9]{5,18})")


@dataclass(frozen=True, slots=True)
class Node:
    """One project, subject, session or scan, with the rows and labels of all that is above it."""

    level: Level
    ids: tuple[int, ...]  # from the project down
    labels: tuple[str, ...]

    @property
    def project_id(self) -> int:
        return self.ids[0]

    @property
    def project(self) -> str:
        return self.labels[0]

    @property
    def of(self) -> int | None:
        """Its row as `Destination.of` has it."""
        return None if self.level is Level.PROJECT else self.ids[-1]

    def column(self, table: Table) -> ColumnElement[bool]:
        """The condition that a row of `table`, one level of the tree or `resource`, is at or below this."""
        name = "id" if TABLES[self.level] is table else f"{self.level}_id"
        return table.c[name] == self.ids[-1]


def numbered(level: Level, id: int) -> str:
    """The number of a subject or a session by which it is known on the whole site."""
    return f"{ACCESSION[level]}{id:05}"


def node(connection: Connection, who: User, path: Sequence[tuple[Level, str]], may: May) -> Node | None:
    """What the path of labels or numbers leads to, if the person may do this there.

    It may begin at any level, and leave levels out; below a project labels do, elsewhere a subject or session needs
    its number.
    """
    level = path[-1][0]
    depth = LEVELS.index(level)
    tops = LEVELS[: depth + 1]
    columns = [TABLES[each].c.id for each in tops] + [LABELS[each] for each in tops]
    query = _joined(select(*columns), Level.PROJECT, level).where(project.c.id.in_(permitted(who, may)))
    below_project = path[0][0] is Level.PROJECT
    for place, text in path:
        query = query.where(_called(place, text, by_label=below_project or place is Level.SCAN))
    rows = connection.execute(query.limit(2)).all()
    exact = [row for row in rows if row[-1] == path[-1][1]] or rows
    if not exact:
        return None
    found = tuple(exact[0])
    return Node(level, found[: depth + 1], found[depth + 1 :])


def below(engine: Engine, who: User, level: Level, top: Node | None) -> Iterator[Mapping[str, Any]]:
    """Rows of that level at or below `top` (None: of all that may be read), each with what stands above it.

    Each page is a query of its own, so that as many rows as there are cost no more memory, and none is held open.
    """
    query, after = _below(who, level, top).limit(AT_ONCE), 0
    while True:
        with engine.connect() as connection:
            rows: Sequence[Any] = connection.execute(query.where(TABLES[level].c.id > after)).mappings().all()
            if level in MORE:
                rows = _with(connection, rows, TABLES[level], MORE[level])
        yield from rows
        if len(rows) < AT_ONCE:
            return
        after = rows[-1][f"{level}_id"]


def _below(who: User, level: Level, top: Node | None) -> Select[Any]:
    tops = LEVELS[: LEVELS.index(level) + 1]
    columns: list[ColumnElement[Any]] = [
        column.label(f"{each}_{column.name}")
        for each in tops
        for column in TABLES[each].c
        if each is level or column in (TABLES[each].c.id, LABELS[each], project.c.title, session.c.label)
    ]
    query = _joined(select(*columns), Level.PROJECT, level).where(project.c.id.in_(permitted(who, May.READ)))
    if top is not None:
        query = query.where(TABLES[top.level].c.id == top.ids[-1])
    return query.order_by(TABLES[level].c.id)


def _called(level: Level, text: str, *, by_label: bool) -> ColumnElement[bool]:
    number = NUMBER.fullmatch(text) if level in ACCESSION and text.startswith(ACCESSION[level]) else None
    ways = [LABELS[level] == text] if by_label or level is Level.PROJECT else []
    if number:
        ways.append(TABLES[level].c.id == int(number[1]))
    return or_(*ways) if ways else literal(False)


def _joined(query: Select[Any], top: Level, bottom: Level) -> Select[Any]:
    tables = [TABLES[each] for each in LEVELS[LEVELS.index(top) : LEVELS.index(bottom) + 1]]
    query = query.select_from(tables[0])
    for upper, lower in pairwise(tables):
        query = query.join(lower, lower.c[f"{upper.name}_id"] == upper.c.id)
    return query


def _with(connection: Connection, rows: Sequence[Any], table: Table, more: More) -> list[Mapping[str, Any]]:
    extra = more(connection, [row[f"{table.name}_id"] for row in rows])
    return [{**row, **extra[row[f"{table.name}_id"]]} for row in rows]


def _modalities(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    rows = connection.execute(select(scan.c.session_id, scan.c.Modality).where(scan.c.session_id.in_(ids)).distinct())
    found: dict[int, dict[str, Any]] = {each: {"modalities": []} for each in ids}
    for key, modality in rows:
        found[key]["modalities"].append(modality)
    return found


def _sizes(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    sums = func.count(instance.c.id), total(instance.c.NumberOfFrames), total(instance.c.size)
    rows = connection.execute(
        select(instance.c.scan_id, *sums).where(instance.c.scan_id.in_(ids)).group_by(instance.c.scan_id)
    )
    found: dict[int, dict[str, Any]] = {each: {"instances": 0, "frames": 0, "size": 0} for each in ids}
    return found | {row[0]: {"instances": row[1], "frames": row[2], "size": row[3]} for row in rows}


MORE: Mapping[Level, More] = {Level.SESSION: _modalities, Level.SCAN: _sizes}
