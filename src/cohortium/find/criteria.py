"""Projects, subjects, sessions or scans for which conditions hold: on themselves, or on what is around or in them.

A condition names a field of `FIELDS` or one that people added; its value is a parameter of the query, which carries
what the person may read like every other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Engine,
    Select,
    String,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    true,
)

from cohortium.archive.resources import Level
from cohortium.errors import Malformed
from cohortium.find.observations import Observation, Operator, observed
from cohortium.find.places import ACCESSION, LEVELS, TABLES
from cohortium.govern.grants import permitted
from cohortium.govern.roles import May
from cohortium.govern.users import User
from cohortium.store.schema import field, project, scan, session, subject

__all__ = ["FIELDS", "OWN", "Criterion", "Field", "Group", "Kind", "Operator", "holds", "matching"]

AT_ONCE = 500  # rows
OWN = "own:"  # before the name of a field that people added
Text = ColumnElement[str]


@dataclass(frozen=True, slots=True)
class Kind:
    """Things of one level; sessions and scans of some modality where `modalities` names the ones that are meant.

    A session is of that one of its scans' that comes first in `order`; the last there stands for all others.
    """

    level: Level
    modalities: frozenset[str] = frozenset()
    order: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """A field of things of that level: of `FIELDS`, or `OWN` and a name."""

    level: Level
    name: str


@dataclass(frozen=True, slots=True)
class Criterion:
    """A condition on a thing of that kind."""

    of: Kind
    field: Field
    operator: Operator
    value: str


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions of which every one must hold, or any."""

    every: bool
    parts: tuple[Criterion | Observation | Group, ...]


def matching(
    engine: Engine, who: User, kind: Kind, columns: Sequence[Field], where: Group
) -> Iterator[tuple[str | None, ...]]:
    """The columns, of the thing or of what it is in, of each thing of that kind for which the conditions hold.

    `Malformed`, before anything is read, says which of them cannot be.
    """
    top, table = LEVELS[: LEVELS.index(kind.level) + 1], TABLES[kind.level]
    if not all(each.level in top for each in columns):
        raise Malformed("a column is of something below what is searched for, of which there may be many")
    query: Select[Any] = select(table.c.id, *(_text(each) for each in columns)).select_from(project)
    for upper, lower in pairwise(top):
        query = query.join(TABLES[lower], TABLES[lower].c[f"{upper}_id"] == TABLES[upper].c.id)
    query = query.where(project.c.id.in_(permitted(who, May.READ)), _is(kind), holds(where, kind.level))
    return _paged(engine, query.order_by(table.c.id).limit(AT_ONCE), table.c.id)


def _paged(engine: Engine, query: Select[Any], id: ColumnElement[int]) -> Iterator[tuple[str | None, ...]]:
    after = 0
    while True:
        with engine.connect() as connection:
            rows = connection.execute(query.where(id > after)).all()
        yield from (tuple(row[1:]) for row in rows)
        if len(rows) < AT_ONCE:
            return
        after = rows[-1][0]


def _number(level: Level) -> Text:
    """The number by which a subject or session is known on the whole site, as `places.numbered` writes it."""
    id = TABLES[level].c.id
    short = func.substr(cast(id + 100_000, String), 2)
    return literal(ACCESSION[level]) + case((id < 100_000, short), else_=cast(id, String))


def _date() -> Text:
    """As ISO 8601 has it; NULL where there is none, so that nothing is before or after it."""
    date = session.c.StudyDate
    parts = func.substr(date, 1, 4) + "-" + func.substr(date, 5, 2) + "-" + func.substr(date, 7, 2)
    return case((func.length(date) == 8, parts), else_=null())


FIELDS: Mapping[Level, Mapping[str, Text]] = {
    Level.PROJECT: {"ID": project.c.name, "name": project.c.title},
    Level.SUBJECT: {"ID": _number(Level.SUBJECT), "label": subject.c.PatientID},
    Level.SESSION: {
        "ID": _number(Level.SESSION),
        "label": session.c.label,
        "date": _date(),
        "UID": session.c.StudyInstanceUID,
    },
    Level.SCAN: {
        "ID": scan.c.label,
        "UID": scan.c.SeriesInstanceUID,
        "series_description": scan.c.SeriesDescription,
        "modality": scan.c.Modality,
    },
}
BY_ORDER: Mapping[Operator, Callable[[Text, str], ColumnElement[bool]]] = {
    Operator.BEFORE: lambda text, value: text < value,
    Operator.UNTIL: lambda text, value: text <= value,
    Operator.AFTER: lambda text, value: text > value,
    Operator.FROM: lambda text, value: text >= value,
}


def _text(wanted: Field) -> Text:
    if not wanted.name.startswith(OWN):
        return FIELDS[wanted.level][wanted.name]
    at, table = LEVELS.index(wanted.level), TABLES[wanted.level]
    here = [field.c.project_id == project.c.id] if at == 0 else [field.c[f"{wanted.level}_id"] == table.c.id]
    if at == 0:
        here += [field.c[f"{each}_id"].is_(None) for each in LEVELS[1:]]
    found = select(func.max(field.c.value)).where(func.lower(field.c.name) == wanted.name.removeprefix(OWN), *here)
    return found.correlate(table).scalar_subquery()


def holds(where: Group | Criterion | Observation, level: Level) -> ColumnElement[bool]:
    """The conditions as one on a thing of that level; those on things in it that must all hold, hold of one thing.

    An observation is of the thing's subject, or of any subject of a project.
    """
    if isinstance(where, Observation):
        about = observed(where)
        within = select(subject.c.id).where(subject.c.project_id == project.c.id, about).correlate(project)
        return within.exists() if level is Level.PROJECT else about
    if isinstance(where, Criterion):
        return _within([where], level) if _is_below(where, level) else _compared(where)
    inner: dict[Kind, list[Criterion]] = {}
    parts = []
    for each in where.parts:
        if where.every and isinstance(each, Criterion) and _is_below(each, level):
            inner.setdefault(each.of, []).append(each)
        else:
            parts.append(holds(each, level))
    parts += [_within(some, level) for some in inner.values()]
    return (and_ if where.every else or_)(*(parts or [true()]))


def _is_below(criterion: Criterion, level: Level) -> bool:
    return LEVELS.index(criterion.of.level) > LEVELS.index(level)


def _within(some: Sequence[Criterion], level: Level) -> ColumnElement[bool]:
    """That there is one thing below, of the kind of which all of them speak, for which they hold."""
    kind = some[0].of
    path = LEVELS[LEVELS.index(level) : LEVELS.index(kind.level) + 1]
    links = [TABLES[lower].c[f"{upper}_id"] == TABLES[upper].c.id for upper, lower in pairwise(path)]
    above = [TABLES[each] for each in LEVELS[: LEVELS.index(level) + 1]]
    return select(literal(1)).where(*links, *map(_compared, some)).correlate(*above).exists()


def _compared(criterion: Criterion) -> ColumnElement[bool]:
    text, operator, value = _text(criterion.field), criterion.operator, criterion.value
    if operator is Operator.IS:
        found = text == value
    elif operator is Operator.IS_NOT:
        found = text != value
    elif operator is Operator.LIKE:
        escaped = value.lower().replace("\\", "\\\\").replace("_", "\\_")
        found = func.lower(text).like(escaped, escape="\\")
    elif criterion.field == Field(Level.SESSION, "date"):
        found = BY_ORDER[operator](text, value)
    else:
        raise Malformed("dates alone are compared by order")
    return and_(_is(criterion.of), found)


def _is(kind: Kind) -> ColumnElement[bool]:
    """Whether the thing of the level is of the kind's modalities."""
    if not kind.modalities:
        return true()
    last = len(kind.order) - 1
    ranks = {each: place for place, each in enumerate(kind.order)}
    wanted = [ranks[each] for each in kind.modalities]
    if kind.level is Level.SCAN:
        return case(ranks, value=scan.c.Modality, else_=last).in_(wanted)
    other = scan.alias()  # since `scan` may stand around it
    first = select(func.min(case(ranks, value=other.c.Modality, else_=last))).where(other.c.session_id == session.c.id)
    return func.coalesce(first.correlate(session).scalar_subquery(), last).in_(wanted)
