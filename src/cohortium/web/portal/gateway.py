"""The gateway for those who operate it: where everything is, what is wrong, how it went lately. Counts alone.

No patient's value is on these pages: what is known of an item is where it stands.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from time import monotonic
from typing import Annotated, Any

from fastapi import Form, Request
from sqlalchemy import Connection
from starlette.responses import Response

from cohortium import config, keys
from cohortium.config import Config, Source
from cohortium.errors import CohortiumError
from cohortium.gateway import ring, trial
from cohortium.gateway.lines import sources_of
from cohortium.gateway.state import GatewayState, looked
from cohortium.govern.roles import May
from cohortium.spool import asides, course
from cohortium.values import State
from cohortium.web.auth import demand_form_token, reading, record
from cohortium.web.errors import BadRequest
from cohortium.web.portal.charts import pairs
from cohortium.web.portal.inspections import alarms
from cohortium.web.portal.templating import render
from cohortium.web.route import Route

__all__ = ["ROUTES", "Lately"]

SHOWN = (State.RECEIVED, State.DEIDENTIFIED, State.HELD, State.QUARANTINED, State.OUTBOX, State.SENT)
GOOD_FOR = 20.0  # seconds that a count over the last days answers for: pages that refresh themselves ask often


@dataclass(frozen=True, slots=True)
class Course:
    """How it went lately: by day, in the last hour, and when each source brought something last."""

    days: tuple[course.Day, ...]
    received_hour: int
    sent_hour: int
    newest: Mapping[str, str]


class Lately:
    """The course of one site's gateway, counted at most every few seconds."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counted = float("-inf")
        self._course: Course | None = None

    def course(self, connection: Connection) -> Course:
        """As it was counted a moment ago, or is now."""
        with self._lock:
            if self._course is None or monotonic() - self._counted > GOOD_FOR:
                self._course, self._counted = _count(connection), monotonic()
            return self._course


@dataclass(frozen=True, slots=True)
class Way:
    """A way in: `trouble` is empty where it is well."""

    name: str
    kind: str
    where: str
    newest: str
    trouble: str


@dataclass(frozen=True, slots=True)
class Setting:
    """`origin` is where its value comes from."""

    name: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class Section:
    """Of the configuration: what somebody chose, and what is as it is shipped."""

    kind: str
    chosen: list[Setting]
    defaults: list[Setting]

    @property
    def name(self) -> str:
        """What its entry is called; empty where there is but one of its kind."""
        return next((each.value for each in self.chosen if each.name == "name"), "")


def state(request: Request, said: str = "", problem: str = "") -> Response:
    """Everything at a glance."""
    settings: Config = request.app.state.config
    lately: Lately = request.app.state.lately
    found = looked(settings, request.app.state.engine)
    with reading(request).connect() as connection:
        went, heaps = lately.course(connection), asides.heaps(connection)
        identifying = alarms(request, connection)
    values: dict[str, Any] = {
        "state": found,
        "course": went,
        "chart": pairs([(each.day.isoformat(), each.received, each.sent) for each in went.days]),
        "waiting": sum(heap.count for heap in heaps),
        "identifying": identifying,
        "disk": shutil.disk_usage(settings.site.data),
        "reserve": settings.limits.free_megabytes * 1_000_000,
        "pipelines": {each.name: each for each in settings.pipelines},
        "shown": SHOWN,
        "sources": _sources(settings, found, went.newest),
        "destinations": _destinations(settings, found),
        "tried": {each.name for each in settings.destinations},
        "said": said,
        "problem": problem,
    }
    return render(request, "gateway.html", **values)


def try_way(
    request: Request,
    way: Annotated[str, Form()] = "",
    what: Annotated[str, Form()] = "",
    form: Annotated[str, Form()] = "",
) -> Response:
    """Ask a way in or out whether it is there, or send a made-up object to a destination."""
    demand_form_token(request, form)
    settings: Config = request.app.state.config
    known = sources_of(settings) if what == "probe" else {each.name for each in settings.destinations}
    if way not in known or what not in ("probe", "echo", "send"):
        raise BadRequest("A test is an echo or a made-up object, to what the configuration names.")
    with request.app.state.engine.begin() as connection:
        record(request, connection, f"test by {what}", way)
    try:
        said = _tried(request, settings, way, what)
    except CohortiumError as error:
        return state(request, problem=f"{way}: {error}.")
    return state(request, said=f"{said}.")


def _tried(request: Request, settings: Config, way: str, what: str) -> str:
    if what == "probe":
        return trial.probe(settings, request.app.state.engine, way)
    if what == "echo":
        return trial.answers(settings, way)
    return trial.send(settings, keys.load(settings.site.key, settings.site.data), way)


def log(request: Request) -> Response:
    """The last lines of the gateway's log."""
    return render(request, "gateway-log.html", lines=ring.lines())


def settings(request: Request) -> Response:
    """The configuration as it is in force. Secrets stand in files of their own, and are never in it."""
    sections: dict[str, Section] = {}
    for name, value, origin in config.in_force(request.app.state.config):
        section, _, key = name.rpartition(".")
        of = sections.setdefault(section, Section(section.partition("[")[0], [], []))
        if key != "title":  # which a project shows to those who may see it
            (of.defaults if origin == "default" else of.chosen).append(Setting(key, _as_text(value), origin))
    chosen_first = sorted(sections.values(), key=lambda each: not each.chosen)
    return render(request, "gateway-settings.html", sections=chosen_first)


def _as_text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _count(connection: Connection) -> Course:
    moment = datetime.now(UTC)
    hour = (moment - timedelta(hours=1)).isoformat(timespec="microseconds")
    days = course.days(connection, moment.date())
    return Course(tuple(days), *course.since(connection, hour), course.newest(connection))


def _sources(settings: Config, found: GatewayState, newest: Mapping[str, str]) -> list[Way]:
    kinds = {kind: name.removeprefix("source.") for name, kind in config.LISTS.items()}
    return [
        Way(
            name,
            kinds[type(each)],
            _where(each),
            newest.get(name, ""),
            found.trouble.get(f"source {name}", "") if found.is_at_work else "the gateway is not at work",
        )
        for name, each in sources_of(settings).items()
    ]


def _destinations(settings: Config, found: GatewayState) -> list[tuple[str, str, str, Any]]:
    """(name, kind, where, backlog or None) of each that the configuration names, or that something waits for."""
    kinds = {kind: name.removeprefix("destination.") for name, kind in config.LISTS.items()}
    named = {each.name: each for each in settings.destinations}
    backlogs = {each.destination: each for each in found.destinations}
    used = {config.ARCHIVE: None, **named, **dict.fromkeys(backlogs)}
    return [
        (
            name,
            kinds[type(named[name])] if name in named else "this site",
            _where(named[name]) if name in named else "",
            backlogs.get(name),
        )
        for name in used
    ]


def _where(way: Source | config.Destination) -> str:
    """The address as a person would say it."""
    if host := getattr(way, "host", ""):
        title = getattr(way, "ae_title", "")
        return f"{title}@{host}:{way.port}" if title else f"{host}:{way.port}"  # type: ignore[union-attr]
    return str(getattr(way, "url", "") or getattr(way, "path", "") or getattr(way, "version", ""))


ROUTES = (
    Route("GET", "/gateway", state, May.OPERATE),
    Route("POST", "/gateway", try_way, May.OPERATE),
    Route("GET", "/gateway/log", log, May.OPERATE),
    Route("GET", "/gateway/settings", settings, May.INSPECT),
)
