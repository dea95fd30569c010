"""What a PACS is asked for: by whom, how far it is, when about it is done; and asking for more.

The page shows counts alone. Who asks names patients, so data managers alone ask; what was asked for is shown elsewhere,
to them. Nothing that was uploaded is written anywhere but, sealed, into the request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from fastapi import Form, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from cohortium.acquire.asking import LARGEST, days, listed
from cohortium.config import Config, Pacs, Receiver
from cohortium.errors import Malformed, Refused
from cohortium.gateway.pace import HOUR, demand_schedule, is_hour, when_done
from cohortium.gateway.state import GatewayState, looked
from cohortium.govern.roles import May
from cohortium.spool.requests import Requests
from cohortium.spool.wanted import MISSING, TO_DO, Asked, Plan, Stage, Standing
from cohortium.spool.wanted import Query as Asking
from cohortium.web import uploads
from cohortium.web.auth import RowId, demand_form_token, grounds, user
from cohortium.web.errors import BadRequest
from cohortium.web.portal.charts import Part, progress
from cohortium.web.portal.templating import count, render
from cohortium.web.route import Route
from cohortium.wire.multipart import TooLarge

__all__ = ["ROUTES", "Number", "missing", "requests_of"]

Number = Annotated[int, Query(ge=0, lt=1 << 63)]
SHOWN = 20
FIELDS = ("source", "hours", "studies_hour", "pasted", "first", "last", "modality", "description", "patient")
NONE = dict.fromkeys(FIELDS, "")
STEPS = {"pause": Standing.PAUSED, "go on": Standing.OPEN, "again": Standing.OPEN, "cancel": Standing.CANCELLED}


@dataclass(frozen=True, slots=True)
class Place:
    """A PACS that can be asked; `waits` says in words why nothing is asked of it now."""

    settings: Pacs
    how: str
    waits: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A request as the page tells it: `badge` and `state` in a word, `why` in more, what can be done with it."""

    asked: Asked
    badge: str
    state: str
    why: str
    left: int
    missing: int
    done: datetime | None
    span: str
    bar: Sequence[Part]
    steps: tuple[str, ...]


def overview(request: Request, before: Number = 0, asked: Number = 0, twice: Number = 0) -> Response:
    """Every PACS and every request, and the form to ask."""
    said = f"Request {asked} is made" if asked and requests_of(request).one(asked) else ""
    if said and twice > 0:
        said += f"; {count(twice, 'row')} of the list only said again what another said"
    return _page(request, before=before, said=said)


async def ask(request: Request) -> Response:
    """Ask for a list, uploaded or pasted, or for what answers a query."""
    try:
        sent = await uploads.form(request, LARGEST)
    except TooLarge:
        problem = f"the list has more than {LARGEST // 1024:,} kB; divide it"
        return await run_in_threadpool(_page, request, problem=problem, status=413)
    demand_form_token(request, sent.get("form", b"").decode("utf-8", "replace"))
    return await run_in_threadpool(_ask, request, sent)


def steer(
    request: Request, number: RowId, step: Annotated[str, Form()] = "", form: Annotated[str, Form()] = ""
) -> Response:
    """Pause a request, let it go on, cancel it, or ask again for what is missing."""
    demand_form_token(request, form)
    if step not in STEPS:
        raise BadRequest("A request is paused, goes on, is asked again, or is cancelled.")
    if requests_of(request).one(number) is None:
        raise HTTPException(404)
    try:
        requests_of(request).change(number, STEPS[step], user(request).name, **grounds(request))
    except Refused as error:
        return _page(request, problem=str(error), status=422)
    return RedirectResponse(f"/pacs#request-{number}", 303)


def requests_of(request: Request) -> Requests:
    """All requests of the site."""
    found: Requests = request.app.state.requests
    return found


def missing(asked: Asked) -> int:
    """How many studies and queries of a request did not bring all that is there."""
    return sum(asked.stages.get(stage, 0) for stage in MISSING)


def _ask(request: Request, sent: Mapping[str, bytes]) -> Response:
    values = {name: sent.get(name, b"").decode("utf-8", "replace").strip() for name in FIELDS}
    settings: Config = request.app.state.config
    source = next((each for each in _sources(settings) if each.name == values["source"]), None)
    if source is None:
        raise BadRequest("The configuration names no such PACS.")
    try:
        queries, twice = _queries(sent, values)
        quota = _whole(values["studies_hour"])
        demand_schedule(source, values["hours"], quota)
    except Malformed as error:
        return _page(request, problem=str(error), values=values, status=422)
    who, hours = user(request).name, values["hours"]
    id = requests_of(request).ask(source.name, queries, who, hours=hours, studies_hour=quota, **grounds(request))
    return RedirectResponse(f"/pacs?asked={id}" + (f"&twice={twice}" if twice else ""), 303)


def _queries(sent: Mapping[str, bytes], values: Mapping[str, str]) -> tuple[list[Asking], int]:
    """What is asked for, and how many rows of a list said it twice."""
    query = {name: values[name] for name in ("modality", "description", "patient")}
    ways = [bool(sent.get("list")), bool(values["pasted"]), any((*query.values(), values["first"], values["last"]))]
    if sum(ways) != 1:
        raise Malformed("give one of these: a file with a list, a pasted list, or a query")
    if ways[2]:
        return days(_day(values["first"]), _day(values["last"]), **query), 0
    return listed(sent["list"] if ways[0] else sent["pasted"])


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Malformed("a day is written as 2024-03-01") from None


def _whole(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and len(text) < 9):
        raise Malformed("studies within 60 minutes are a whole number")
    return int(text or 0)


def _sources(settings: Config) -> list[Pacs]:
    return [each for each in settings.sources if isinstance(each, Pacs)]


def _page(
    request: Request,
    *,
    before: int = 0,
    said: str = "",
    problem: str = "",
    values: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    settings: Config = request.app.state.config
    found = looked(settings, request.app.state.engine)
    asked = requests_of(request).asked(before=before, limit=SHOWN + 1)
    places = [_place(settings, each, found) for each in _sources(settings)]
    context: dict[str, Any] = {
        "ways": places,
        "requests": _shown(request, places, asked[:SHOWN]),
        "older": asked[SHOWN - 1].id if len(asked) > SHOWN else 0,
        "first_page": not before,
        "now": datetime.now(),
        "values": NONE | dict(values or {}),
        "said": said,
        "problem": problem,
    }
    return render(request, "pacs.html", status, **context)


def _place(settings: Config, source: Pacs, found: GatewayState) -> Place:
    titles = {each.name: each.ae_title for each in settings.sources if isinstance(each, Receiver)}
    how = f"C-MOVE to {titles[source.receiver]}" if source.receiver else "C-GET"
    waits = found.trouble.get(f"source {source.name}", "") if found.is_at_work else "the gateway is not at work"
    if not waits and not is_hour(source.hours, datetime.now()):
        waits = f"it is asked from {source.hours.replace('-', ' to ')} only"
    return Place(source, how, waits)


def _shown(request: Request, places: Sequence[Place], asked: Sequence[Asked]) -> list[Shown]:
    """Each request with what keeps it, and when about it is done."""
    moment = datetime.now()
    plans: dict[int, Plan] = {}
    ends: dict[int, datetime] = {}
    for place in places:
        name = place.settings.name
        of_source = requests_of(request).plans(name, datetime.now(UTC) - HOUR)
        plans |= {each.id: each for each in of_source}
        ends |= when_done(place.settings, of_source, requests_of(request).moved(name), moment)
    by_name = {each.settings.name: each for each in places}
    return [_one(each, by_name.get(each.source), plans.get(each.id), ends.get(each.id), moment) for each in asked]


def _one(asked: Asked, place: Place | None, plan: Plan | None, done: datetime | None, moment: datetime) -> Shown:
    badge, state, why = _state(asked, place, plan, moment)
    lacking = missing(asked)
    left = plan.left if plan else sum(asked.stages.get(each, 0) for each in TO_DO) + asked.queries - asked.answered
    steps = {
        Standing.OPEN: ("pause", "cancel", *(("again",) if lacking else ())),
        Standing.PAUSED: ("go on", "cancel"),
        Standing.DONE: ("again",) if lacking and asked.has_lists else (),
        Standing.CANCELLED: (),
    }[asked.standing]
    done = done if asked.standing is Standing.OPEN and left and badge != "warning" else None
    span = _span(done - moment) if done else ""
    return Shown(asked, badge, state, why, left, lacking, done, span, progress(asked.counts), steps)


def _state(asked: Asked, place: Place | None, plan: Plan | None, moment: datetime) -> tuple[str, str, str]:
    """Badge, a word, and why."""
    if asked.standing is Standing.DONE:
        if lacking := missing(asked):
            return "warning", "not complete", f"{lacking:,} of its studies or queries brought not all, or nothing"
        if asked.stages.keys() - {Stage.SETTLED}:
            return "info", "fetched", "its images are on their way through here"
        if open_ones := asked.counts.listed - asked.counts.confirmed:
            return "warning", "finished", f"{open_ones:,} of its images are set aside, or were not compared when sent"
        return "ok", "complete", ""
    if asked.standing is not Standing.OPEN:
        return "info", asked.standing.value, ""
    if place is None:
        return "warning", "waits", "the configuration names this PACS no more"
    if place.waits:
        return "warning", "waits", place.waits
    if not is_hour(asked.hours, moment):
        return "info", "waits", f"it is asked for from {asked.hours.replace('-', ' to ')} only"
    if plan and asked.studies_hour and plan.asked >= asked.studies_hour:
        return "info", "waits", f"{plan.asked:,} studies were asked for within the last 60 minutes"
    return "ok", "is asked for", asked.detail


def _span(left: timedelta) -> str:
    """About how long, as a person says it."""
    minutes = max(1, round(left.total_seconds() / 60))
    for size, unit in ((1440, "day"), (60, "hour"), (1, "minute")):
        if minutes >= 2 * size or size == 1:
            number = round(minutes / size)
            return f"{number} {unit}{'' if number == 1 else 's'}"
    raise AssertionError


ROUTES = (
    Route("GET", "/pacs", overview, May.OPERATE),
    Route("POST", "/pacs", ask, May.IDENTIFY),
    Route("POST", "/pacs/{number}", steer, May.INSPECT),
)
