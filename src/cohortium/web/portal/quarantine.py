"""What was set aside, in heaps by reason, each explained; and what is decided about a whole heap.

Items are named by the first digits of their keyed digests; nothing here says whose they are.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Form, Request
from starlette.background import BackgroundTask
from starlette.responses import RedirectResponse, Response

from cohortium.dicom import codecs
from cohortium.errors import Refused
from cohortium.govern.roles import May
from cohortium.spool import Decision, Spool, Verdict, asides
from cohortium.values import Reason
from cohortium.web.auth import demand_form_token, grounds, reading, user
from cohortium.web.errors import BadRequest
from cohortium.web.portal.templating import render
from cohortium.web.route import Route

__all__ = ["ROUTES", "demand_why"]

SHOWN = 50
TOGETHER = 500  # items of one transaction
LONGEST = 500  # characters of a reason
EACH = (Reason.PIXELS_NOT_REVIEWED, Reason.FACE, Reason.INSPECTION)  # released one by one: somebody must have looked


def heaps(request: Request, reason: str = "", after: int = 0, done: int = -1, skipped: int = 0) -> Response:
    """Every heap; of one reason, its items too. Who sees it will look at pictures next."""
    answer = _page(request, reason, after, done=done, skipped=skipped)
    answer.background = BackgroundTask(codecs.be_ready)
    return answer


def decide(
    request: Request,
    reason: Annotated[str, Form()] = "",
    verdict: Annotated[str, Form()] = "",
    why: Annotated[str, Form()] = "",
    upto: Annotated[int, Form()] = 0,
    form: Annotated[str, Form()] = "",
) -> Response:
    """Decide about every item of a heap that was there when its page was made."""
    demand_form_token(request, form)
    if reason not in set(Reason) or verdict not in set(Verdict):
        raise BadRequest("A decision is about one reason: release, again or reject.")
    try:
        made = Decision(Verdict(verdict), user(request).name, demand_why(why))
        if made.verdict is Verdict.RELEASE and reason in EACH:
            raise Refused("somebody must have looked at each of these: release them one by one")
    except Refused as error:
        return _page(request, reason, 0, problem=str(error), status=422)
    done, skipped = _decide_all(request, Reason(reason), made, upto)
    return RedirectResponse(f"/quarantine?{urlencode({'reason': reason, 'done': done, 'skipped': skipped})}", 303)


def demand_why(why: str) -> str:
    """What was said, in one line; `Refused` where nothing was."""
    why = why.strip()
    if not 1 <= len(why) <= LONGEST or not why.isprintable():
        raise Refused(f"say why, in 1 to {LONGEST} characters on one line")
    return why


def _decide_all(request: Request, reason: Reason, made: Decision, upto: int) -> tuple[int, int]:
    """How many were decided, and how many somebody else moved first or have no bytes to go on with."""
    spool: Spool = request.app.state.looks.spool
    done = skipped = last = 0
    while True:
        with reading(request).connect() as connection:
            batch = [each for each in asides.heap(connection, reason, last, TOGETHER) if each.number <= upto]
        if not batch:
            return done, skipped
        decided = spool.decide(batch, made, **grounds(request))
        done, skipped, last = done + decided, skipped + len(batch) - decided, batch[-1].number


def _page(
    request: Request,
    chosen: str,
    after: int,
    *,
    done: int = -1,
    skipped: int = 0,
    problem: str = "",
    status: int = 200,
) -> Response:
    reason = Reason(chosen) if chosen in set(Reason) else None
    with reading(request).connect() as connection:
        found = asides.heaps(connection)
        items = asides.heap(connection, reason, after, SHOWN + 1) if reason else []
        last = asides.last(connection, reason) if reason else 0
    values: dict[str, Any] = {
        "heaps": found,
        "explained": asides.explanations(),
        "reason": reason,
        "items": items[:SHOWN],
        "older": items[SHOWN - 1].number if len(items) > SHOWN else 0,
        "upto": last,
        "total": sum(each.count for each in found if each.reason is reason),
        "each": reason in EACH,
        "done": done,
        "skipped": skipped,
        "problem": problem,
    }
    return render(request, "quarantine.html", status, **values)


ROUTES = (
    Route("GET", "/quarantine", heaps, May.INSPECT),
    Route("POST", "/quarantine", decide, May.INSPECT),
)
