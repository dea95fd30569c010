"""What people asked a PACS for, and how far it came: counts and words in the clear, lists sealed under the spool's key.

The lists (queries, and the UIDs that the PACS named) are emptied when they are no longer needed; the counts stay. Any
process may ask, pause, resume and cancel; the gateway alone does the rest.
"""

from __future__ import annotations

import hmac
import json
import os
import zlib
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    Select,
    Table,
    and_,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from cohortium import sealed
from cohortium.errors import Refused
from cohortium.keys import SiteKey
from cohortium.prove import audit
from cohortium.spool.accounts import Account
from cohortium.spool.wanted import (
    CHANGES,
    COUNTED,
    ENDED,
    MISSING,
    TO_DO,
    Asked,
    Counts,
    Held,
    Line,
    Plan,
    Query,
    Series,
    Stage,
    Standing,
    Study,
    Wanted,
)
from cohortium.store import insert_once, now, total
from cohortium.store.room import room
from cohortium.store.schema import request, requested

__all__ = ["Requests"]

FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)  # before a try after a failure; doubles
TRIES = 8  # of a study
TRIES_OF_A_QUERY = 3  # for the others of its request wait
LOOKED_AT_TOGETHER = 50
CANCELLED = "cancelled by a person"
SHOWN = ("id", "source", "by", "created", "answered", "detail", "hours", "studies_hour")


class Requests:
    """All requests of a site."""

    def __init__(self, engine: Engine, key: SiteKey) -> None:
        self._engine = engine
        self._seal_key = key.derive("spool files")
        self._path_key = key.derive("spool paths")

    # --- what people do ---

    def ask(
        self,
        source: str,
        queries: Sequence[Query],
        by: str,
        *,
        hours: str = "",
        studies_hour: int = 0,
        address: str = "",
        basis: str = "",
    ) -> int:
        """Ask the source for what answers the queries; returns the request's number.

        In those hours of the day alone, and no more studies within any 60 minutes, where that is said. The audit says
        so in the same transaction: from which address, and by which right.
        """
        row: dict[str, Any] = {
            "source": source,
            "state": Standing.OPEN,
            "queries": self._sealed(list(map(dict, queries))),
            "hours": hours,
            "studies_hour": studies_hour,
        }
        row |= {"asked": len(queries), "by": by, "created": now(), "changed": now()}
        with room(), self._engine.begin() as connection:
            id = int(connection.execute(insert(request).values(**row).returning(request.c.id)).scalar_one())
            audit.record(connection, by, "a PACS is asked", f"{source}, request {id}", address=address, basis=basis)
        return id

    def change(self, id: int, standing: Standing, by: str, *, address: str = "", basis: str = "") -> None:
        """Pause, resume or cancel a request, or ask again for what is missing of one that is open or done.

        The audit says so in the same transaction.
        """
        with room(), self._engine.begin() as connection:
            row = connection.execute(select(request).where(request.c.id == id)).mappings().one_or_none()
            if row is None:
                raise Refused(f"there is no request {id}")
            if standing not in CHANGES[Standing(row["state"])]:
                raise Refused(f"request {id} is {row['state']}; that cannot be done with it")
            if row["state"] == Standing.DONE and not row["queries"]:
                raise Refused(f"the lists of request {id} were let go of; ask anew")
            if standing == Standing.OPEN and row["state"] != Standing.PAUSED:
                _restage(connection, id, MISSING, stage=Stage.WAITING, tries=0, due="")
            if standing == Standing.CANCELLED:
                _restage(connection, id, TO_DO, stage=Stage.INCOMPLETE, detail=CANCELLED)
            values = {"state": standing, "changed": now(), "tries": 0, "due": ""}
            connection.execute(update(request).where(request.c.id == id).values(**values))
            what = f"a request to a PACS is {standing.value}"
            audit.record(connection, by, what, f"request {id}", address=address, basis=basis)

    def asked(self, *, before: int = 0, limit: int = 1_000_000) -> list[Asked]:
        """Every request, or the next of numbers below `before`, the newest first."""
        newest = select(request).order_by(request.c.id.desc()).limit(limit)
        return self._all(newest.where(request.c.id < before) if before else newest)

    def one(self, id: int) -> Asked | None:
        """The request of that number."""
        return next(iter(self._all(select(request).where(request.c.id == id))), None)

    def lines(self, id: int, *, after: int = 0, limit: int = 1_000_000, named: bool = False) -> list[Line]:
        """What became of the next studies and queries of the request, of numbers beyond `after`.

        `named`: with whom they are about; `Refused` where the lists were let go of.
        """
        with self._reading() as connection:
            lists = connection.scalar(select(request.c.queries).where(request.c.id == id)) if named else b""
            if named and not lists:
                raise Refused(f"there is no list of request {id}, or not any more")
            queries = self._opened(lists) if lists else []
            here = requested.c.request_id == id, requested.c.id > after
            rows = connection.execute(select(requested).where(*here).order_by(requested.c.id).limit(limit)).mappings()
            return [self._line(row, queries) for row in rows]

    def held(self, id: int) -> Held:
        """How many images of the request each destination holds, by what shows that."""
        found: dict[str, dict[str, int]] = {}
        with self._reading() as connection:
            for held in connection.scalars(select(requested.c.held).where(requested.c.request_id == id)):
                for destination, ways in held.items():
                    sums = found.setdefault(destination, {})
                    for how, number in ways.items():
                        sums[how] = sums.get(how, 0) + number
        return dict(sorted(found.items()))

    def plans(self, source: str, since: datetime) -> list[Plan]:
        """The open requests to the source, in the order in which they are asked for; `asked` counts from then on."""
        recent, to_do = total(_asked_since(since)), total(_is(requested.c.stage.in_(TO_DO)))
        columns = request.c.id, request.c.hours, request.c.studies_hour, request.c.asked - request.c.answered
        here = request.c.source == source, request.c.state == Standing.OPEN
        found = select(*columns, recent, to_do).outerjoin(requested).where(*here).group_by(request.c.id)
        with self._reading() as connection:
            return [
                Plan(id, hours, most, asked, unanswered + left)
                for id, hours, most, unanswered, asked, left in connection.execute(found.order_by(request.c.id))
            ]

    def moved(self, source: str, limit: int = 50) -> list[datetime]:
        """When the source was last asked for studies, the newest first."""
        last = select(requested.c.moved).join(request).where(request.c.source == source, requested.c.moved != "")
        with self._reading() as connection:
            rows = connection.scalars(last.order_by(requested.c.moved.desc()).limit(limit))
            return [datetime.fromisoformat(each) for each in rows]

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

    def next_query(self, source: str, among: Collection[int] | None = None) -> tuple[int, int, Query] | None:
        """The request, number and words of the next query that is due at the source, of one of those requests."""
        open_ones = [*_open(source, among), request.c.answered < request.c.asked]
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

    def next_study(self, source: str, among: Collection[int] | None = None) -> Wanted | None:
        """The next study that is due at the source, of one of those requests."""
        here = [*_open(source, among), requested.c.stage == Stage.WAITING]
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
        with self._reading() as connection:
            here = select(total(_asked_since(moment))).select_from(requested).join(request)
            return connection.scalar(here.where(request.c.source == source)) or 0

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

    def count(self, wanted: Wanted, found: Account) -> None:
        """Keep where the images of the study are and, in words, what is amiss."""
        parts = [[getattr(each, name) for name in COUNTED] for each in found.series]
        with self._engine.begin() as connection:
            _set(connection, wanted.id, looked=now(), series=parts, held=found.held, **asdict(found.counts))
            arrived = requested.c.id == wanted.id, requested.c.stage == Stage.ARRIVED
            values = {"detail": found.words} | ({"stage": Stage.SETTLED} if found.is_over else {})
            connection.execute(update(requested).where(*arrived).values(**values))

    def marks(self, source: str, study: Study) -> dict[str, Series]:
        """By the mark under which the spool knows what comes by the source: each instance that the PACS named, in a
        series of itself."""
        return {
            self._mark(f"{source}:{instance[0]}"): replace(series, instances=(instance,))
            for series in study.series
            for instance in series.instances
        }

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

    def _all(self, wanted: Select[Any]) -> list[Asked]:
        with self._reading() as connection:
            return [self._asked(connection, row) for row in connection.execute(wanted).mappings().all()]

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
            **{name: row[name] for name in SHOWN},
            standing=Standing(row["state"]),
            queries=row["asked"],
            has_lists=bool(row["queries"]),
            stages={row[0]: row[1] for row in stages},
            counts=_counts(sums),
            trouble={row[0]: row[1] for row in connection.execute(words)},
        )

    def _wanted(self, row: RowMapping) -> Wanted:
        stage, study = Stage(row["stage"]), self._study(row)
        ids = row["id"], row["request_id"], row["source"]
        return Wanted(*ids, stage, row["tries"], study, _counts(row), row["detail"])

    def _line(self, row: RowMapping, queries: Sequence[Query]) -> Line:
        line = Line(
            row["id"],
            Stage(row["stage"]),
            _counts(row),
            tuple(Counts(*each) for each in row["series"]),
            row["held"],
            row["detail"],
        )
        if not queries or not row["record"]:
            return line
        study = self._study(row)
        return replace(line, query=queries[study.query], study=study if study.StudyInstanceUID else None)

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


def _open(source: str, among: Collection[int] | None) -> list[ColumnElement[bool]]:
    here = [request.c.source == source, request.c.state == Standing.OPEN]
    return here if among is None else [*here, request.c.id.in_(among)]


def _is(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)


def _asked_since(moment: datetime) -> ColumnElement[int]:
    """1 for a study that was asked for since then, and not in a future into which some clock put it."""
    return _is(and_(requested.c.moved >= _text(moment), requested.c.moved <= now()))


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
