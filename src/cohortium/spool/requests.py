"""What people asked a PACS for, and how far it came: counts and words in the clear, lists sealed under the spool's key.

The lists (queries, and the UIDs that the PACS named) are emptied when they are no longer needed; the counts stay. Any
process may ask, pause, resume and cancel; the gateway alone does the rest.
"""

from __future__ import annotations

import hmac
import json
import os
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Select, Table, delete, func, insert, or_, select, update

from cohortium import sealed
from cohortium.errors import Refused
from cohortium.keys import SiteKey
from cohortium.store import insert_once, now, total
from cohortium.store.schema import request, requested

__all__ = ["Asked", "Counts", "Named", "Query", "Requests", "Series", "Stage", "Standing", "Study", "Wanted"]

Query = Mapping[str, str]
"""Keywords of attributes at STUDY level, and what they are to be. Identifying."""

FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)  # before a try after a failure; doubles
TRIES = 8  # of a study
TRIES_OF_A_QUERY = 3  # for the others of its request wait
LOOKED_AT_TOGETHER = 50


class Standing(StrEnum):
    """Of a request."""

    OPEN = "open"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    DONE = "done"


class Stage(StrEnum):
    """Of a study in a request."""

    WAITING = "waiting"  # to be asked for
    ASKED = "asked"  # the PACS is at it
    INCOMPLETE = "incomplete"  # the PACS did not send all of it, however often it was asked
    ARRIVED = "arrived"  # all that the PACS listed is there, and on its way
    SETTLED = "settled"  # and every image has come to an end: sent and confirmed, or set aside for good
    NOT_FOUND = "not found"  # no study: a query that nothing answered


#                       from              by a person's word
CHANGES: Mapping[Standing, frozenset[Standing]] = {
    Standing.OPEN: frozenset({Standing.PAUSED, Standing.CANCELLED}),
    Standing.PAUSED: frozenset({Standing.OPEN, Standing.CANCELLED}),
    Standing.DONE: frozenset({Standing.OPEN}),  # what is incomplete or was not found is asked for again
    Standing.CANCELLED: frozenset(),
}
ENDED = (Standing.DONE, Standing.CANCELLED)
TO_DO = (Stage.WAITING, Stage.ASKED)
MISSING = (Stage.INCOMPLETE, Stage.NOT_FOUND)
CANCELLED = "cancelled by a person"


@dataclass(frozen=True, slots=True)
class Series:
    """A series as a PACS lists it: how many instances it tells, and each that it names with its SOP class."""

    SeriesInstanceUID: str
    told: int | None
    instances: tuple[tuple[str, str], ...]

    @property
    def listed(self) -> int:
        """How many there are: as many as are named; where none is, as many as are told."""
        return len(self.instances) or self.told or 0


@dataclass(frozen=True, slots=True)
class Study:
    """A study as a PACS lists it, for the query of that number; `series` are not known before it is its turn."""

    query: int
    StudyInstanceUID: str
    told: int | None = None
    series: tuple[Series, ...] = ()

    @property
    def unnamed(self) -> tuple[Series, ...]:
        """Series of which the PACS names no instance: what came of them cannot be counted."""
        return tuple(each for each in self.series if each.told != 0 and not each.instances)

    @property
    def listed(self) -> int:
        """How many instances there are."""
        return sum(each.listed for each in self.series) or self.told or 0


@dataclass(frozen=True, slots=True)
class Counts:
    """Instances of a study: listed by the PACS, arrived, made, set aside, sent, and held by every receiver."""

    listed: int = 0
    arrived: int = 0
    made: int = 0
    aside: int = 0
    sent: int = 0
    confirmed: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A study that somebody asked for at a source; without a StudyInstanceUID, a query that nothing answered yet."""

    id: int
    request: int
    source: str
    stage: Stage
    tries: int
    study: Study
    counts: Counts
    detail: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, in counts: of queries, of studies, of instances. `trouble` says in words what is amiss, how often."""

    id: int
    source: str
    standing: Standing
    by: str
    created: str
    queries: int
    answered: int
    detail: str
    stages: Mapping[str, int] = field(default_factory=dict)
    counts: Counts = Counts()
    trouble: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Named:
    """One line for who may see whom it is about; `study` is None for a query that nothing answered."""

    query: Query
    study: Study | None
    stage: Stage
    counts: Counts
    detail: str


COUNTED = tuple(each.name for each in fields(Counts))


class Requests:
    """All requests of a site."""

    def __init__(self, engine: Engine, key: SiteKey) -> None:
        self._engine = engine
        self._seal_key = key.derive("spool files")
        self._path_key = key.derive("spool paths")

    # --- what people do ---

    def ask(self, source: str, queries: Sequence[Query], by: str) -> int:
        """Ask the source for what answers the queries; returns the request's number."""
        row: dict[str, Any] = {
            "source": source,
            "state": Standing.OPEN,
            "queries": self._sealed(list(map(dict, queries))),
        }
        row |= {"asked": len(queries), "by": by, "created": now(), "changed": now()}
        with self._engine.begin() as connection:
            return int(connection.execute(insert(request).values(**row).returning(request.c.id)).scalar_one())

    def change(self, id: int, standing: Standing) -> None:
        """Pause, resume or cancel a request, or ask again for what is missing of one that is done."""
        with self._engine.begin() as connection:
            row = connection.execute(select(request).where(request.c.id == id)).mappings().one_or_none()
            if row is None:
                raise Refused(f"there is no request {id}")
            if standing not in CHANGES[Standing(row["state"])]:
                raise Refused(f"request {id} is {row['state']}; that cannot be done with it")
            if row["state"] == Standing.DONE and not row["queries"]:
                raise Refused(f"the lists of request {id} were let go of; ask anew")
            if row["state"] == Standing.DONE:
                _restage(connection, id, MISSING, stage=Stage.WAITING, tries=0, due="")
            if standing == Standing.CANCELLED:
                _restage(connection, id, TO_DO, stage=Stage.INCOMPLETE, detail=CANCELLED)
            values = {"state": standing, "changed": now(), "tries": 0, "due": ""}
            connection.execute(update(request).where(request.c.id == id).values(**values))

    def asked(self) -> list[Asked]:
        """Every request, the newest first."""
        with self._reading() as connection:
            rows = connection.execute(select(request).order_by(request.c.id.desc())).mappings().all()
            return [self._asked(connection, row) for row in rows]

    def named(self, id: int) -> Iterator[Named]:
        """What became of every study and query of the request; refused where its lists were let go of."""
        with self._reading() as connection:
            lists = connection.scalar(select(request.c.queries).where(request.c.id == id))
            if not lists:
                raise Refused(f"there is no list of request {id}, or not any more")
            queries = self._opened(lists)
            here = select(requested).where(requested.c.request_id == id).order_by(requested.c.id)
            for row in connection.execute(here).mappings():
                study = self._study(row)
                found = study if study.StudyInstanceUID else None
                yield Named(queries[study.query], found, Stage(row["stage"]), _counts(row), row["detail"])

    # --- what the gateway does ---

    def begin(self, source: str) -> None:
        """Let what a gateway was at when it ended be asked for again."""
        mine = requested.c.request_id.in_(select(request.c.id).where(request.c.source == source))
        with self._engine.begin() as connection:
            left = mine, requested.c.stage == Stage.ASKED
            connection.execute(update(requested).where(*left).values(stage=Stage.WAITING, due=""))

    def is_cancelled(self, id: int) -> bool:
        """Whether somebody cancelled the request."""
        with self._reading() as connection:
            return bool(connection.scalar(_standing(id)) == Standing.CANCELLED)

    def next_query(self, source: str) -> tuple[int, int, Query] | None:
        """The request, number and words of the next query that is due at the source."""
        open_ones = request.c.source == source, request.c.state == Standing.OPEN, request.c.answered < request.c.asked
        with self._reading() as connection:
            first = select(request).where(*open_ones, _due(request)).order_by(request.c.id).limit(1)
            row = connection.execute(first).mappings().one_or_none()
            return (row["id"], row["answered"], self._opened(row["queries"])[row["answered"]]) if row else None

    def query(self, id: int, number: int) -> Query:
        """The query of that number of a request."""
        with self._reading() as connection:
            queries: list[Query] = self._opened(connection.scalar(select(request.c.queries).where(request.c.id == id)))
        return queries[number]

    def answered(self, id: int, number: int, studies: Sequence[Study], detail: str) -> None:
        """Note what the query of that number found, at once and once."""
        found: Sequence[Study] = studies or [Study(number, "")]
        nothing = self._mark(f"query {number}")
        with self._engine.begin() as connection:
            connection.execute(delete(requested).where(requested.c.request_id == id, requested.c.mark == nothing))
            for study in found:
                mark = self._mark(study.StudyInstanceUID) if study.StudyInstanceUID else nothing
                row = {"request_id": id, "mark": mark, "record": self._sealed(asdict(study))}
                row |= {"stage": Stage.WAITING if studies else Stage.NOT_FOUND, "listed": study.listed}
                insert_once(connection, requested, row | {"detail": detail})
            mine = request.c.id == id, request.c.answered == number
            connection.execute(update(request).where(*mine).values(answered=number + 1, tries=0, due="", detail=""))
            self._end(connection, id)

    def unanswered(self, id: int, number: int, why: str) -> None:
        """Let the query be asked again later; after some times it counts as one that found nothing."""
        with self._engine.begin() as connection:
            tries = connection.scalar(select(request.c.tries).where(request.c.id == id)) or 0
            values = {"tries": tries + 1, "due": _after(tries), "detail": why}
            connection.execute(update(request).where(request.c.id == id).values(**values))
        if tries + 1 >= TRIES_OF_A_QUERY:
            self.answered(id, number, [], why)

    def next_study(self, source: str) -> Wanted | None:
        """The next study that is due at the source."""
        here = request.c.source == source, request.c.state == Standing.OPEN, requested.c.stage == Stage.WAITING
        with self._reading() as connection:
            first = (
                select(requested, request.c.source)
                .join(request)
                .where(*here, _due(requested))
                .order_by(requested.c.id)
                .limit(1)
            )
            row = connection.execute(first).mappings().one_or_none()
            return self._wanted(row) if row else None

    def asked_since(self, source: str, moment: datetime) -> int:
        """How many studies the source was asked for since then."""
        span = requested.c.moved >= _text(moment), requested.c.moved <= now()  # not what a clock put into the future
        with self._reading() as connection:
            here = select(func.count()).select_from(requested).join(request).where(request.c.source == source, *span)
            return connection.scalar(here) or 0

    def note_list(self, wanted: Wanted, study: Study) -> None:
        """Keep what the PACS listed of the study."""
        with self._engine.begin() as connection:
            _set(connection, wanted.id, record=self._sealed(asdict(study)), listed=study.listed)

    def moving(self, wanted: Wanted) -> None:
        """Note that the PACS is being asked for the study."""
        with self._engine.begin() as connection:
            _set(connection, wanted.id, stage=Stage.ASKED, moved=now(), tries=wanted.tries + 1)

    def later(self, wanted: Wanted, why: str, *, counts: bool = True) -> None:
        """Let the study be asked for again later; given up after many times, where the try counts, and if cancelled."""
        with self._engine.begin() as connection:
            is_cancelled = connection.scalar(_standing(wanted.request)) == Standing.CANCELLED
            if is_cancelled or (counts and wanted.tries + 1 >= TRIES):
                _set(connection, wanted.id, stage=Stage.INCOMPLETE, detail=CANCELLED if is_cancelled else why)
                self._end(connection, wanted.request)
            else:
                due = _after(wanted.tries) if counts else ""
                _set(connection, wanted.id, stage=Stage.WAITING, tries=wanted.tries + counts, due=due, detail=why)

    def arrived(self, wanted: Wanted) -> None:
        """Note that all that the PACS listed is there."""
        with self._engine.begin() as connection:
            _set(connection, wanted.id, stage=Stage.ARRIVED, detail="")
            self._end(connection, wanted.request)

    def to_count(self, stages: Collection[Stage], before: datetime) -> list[Wanted]:
        """Studies in those stages whose images were not counted since: the ones longest not looked at."""
        stale = requested.c.stage.in_(stages), requested.c.record != b"", requested.c.looked < _text(before)
        with self._reading() as connection:
            oldest = (
                select(requested, request.c.source)
                .join(request)
                .where(*stale)
                .order_by(requested.c.looked)
                .limit(LOOKED_AT_TOGETHER)
            )
            return [self._wanted(row) for row in connection.execute(oldest).mappings()]

    def count(self, wanted: Wanted, counts: Counts, detail: str, *, is_over: bool) -> None:
        """Keep how many images of the study are where and, in words, what is amiss; `is_over`: none moves any more."""
        with self._engine.begin() as connection:
            _set(connection, wanted.id, looked=now(), **asdict(counts))
            arrived = requested.c.id == wanted.id, requested.c.stage == Stage.ARRIVED
            values = {"detail": detail} | ({"stage": Stage.SETTLED} if is_over else {})
            connection.execute(update(requested).where(*arrived).values(**values))

    def marks(self, source: str, study: Study) -> dict[str, Series]:
        """By the mark under which the spool knows what comes by the source: each instance that the PACS named."""
        return {self._mark(f"{source}:{uid}"): series for series in study.series for uid, _ in series.instances}

    def let_go(self, before: datetime) -> int:
        """Empty the lists of requests that ended before; returns how many there were."""
        with self._engine.begin() as connection:
            over = request.c.state.in_(ENDED), request.c.changed < _text(before), request.c.queries != b""
            ids = connection.scalars(select(request.c.id).where(*over)).all()
            connection.execute(update(requested).where(requested.c.request_id.in_(ids)).values(record=b""))
            connection.execute(update(request).where(request.c.id.in_(ids)).values(queries=b""))
        return len(ids)

    # --- how ---

    def _end(self, connection: Connection, id: int) -> None:
        """Close the request where nothing of it is left to be asked."""
        left = select(requested.c.id).where(requested.c.request_id == id, requested.c.stage.in_(TO_DO)).limit(1)
        if connection.scalar(left) is None:
            mine = request.c.id == id, request.c.state == Standing.OPEN, request.c.answered == request.c.asked
            connection.execute(update(request).where(*mine).values(state=Standing.DONE, changed=now()))

    def _asked(self, connection: Connection, row: RowMapping) -> Asked:
        here = requested.c.request_id == row["id"]
        stages = connection.execute(select(requested.c.stage, func.count()).where(here).group_by(requested.c.stage))
        sums = (
            connection.execute(select(*(total(requested.c[name]).label(name) for name in COUNTED)).where(here))
            .mappings()
            .one()
        )
        words = select(requested.c.detail, func.count()).where(here, requested.c.detail != "")
        words = words.group_by(requested.c.detail).order_by(func.count().desc()).limit(LOOKED_AT_TOGETHER)
        return Asked(
            **{name: row[name] for name in ("id", "source", "by", "created", "answered", "detail")},
            standing=Standing(row["state"]),
            queries=row["asked"],
            stages={row[0]: row[1] for row in stages},
            counts=_counts(sums),
            trouble={row[0]: row[1] for row in connection.execute(words)},
        )

    def _wanted(self, row: RowMapping) -> Wanted:
        stage, study = Stage(row["stage"]), self._study(row)
        ids = row["id"], row["request_id"], row["source"]
        return Wanted(*ids, stage, row["tries"], study, _counts(row), row["detail"])

    def _study(self, row: RowMapping) -> Study:
        found = self._opened(row["record"])
        series = tuple(
            Series(each["SeriesInstanceUID"], each["told"], tuple((uid, kind) for uid, kind in each["instances"]))
            for each in found.pop("series")
        )
        return Study(**found, series=series)

    def _reading(self) -> Any:
        return self._engine.execution_options(reading=True).begin()

    def _sealed(self, content: Any) -> bytes:
        return sealed.sealed(self._seal_key, zlib.compress(json.dumps(content).encode()))

    def _opened(self, content: bytes) -> Any:
        return json.loads(zlib.decompress(sealed.opened_whole(self._seal_key, content)))

    def _mark(self, name: str) -> str:
        return hmac.digest(self._path_key, os.fsencode(name), "sha256").hex()


def _counts(row: RowMapping) -> Counts:
    return Counts(**{name: row[name] for name in COUNTED})


def _standing(id: int) -> Select[Any]:
    return select(request.c.state).where(request.c.id == id)


def _set(connection: Connection, id: int, **values: Any) -> None:
    connection.execute(update(requested).where(requested.c.id == id).values(**values))


def _restage(connection: Connection, id: int, stages: Collection[Stage], **values: Any) -> None:
    here = requested.c.request_id == id, requested.c.stage.in_(stages)
    connection.execute(update(requested).where(*here).values(**values))


def _due(table: Table) -> Any:
    moment = datetime.now(UTC)
    return or_(table.c.due <= _text(moment), table.c.due > _text(moment + LONGEST_WAIT))  # the clock was set back


def _after(tries: int) -> str:
    return _text(datetime.now(UTC) + min(FIRST_WAIT * 2 ** min(tries, 10), LONGEST_WAIT))


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")
