"""One item that was set aside, looked at and decided about.

Who may not identify sees what would leave, and of what came in only which attributes there are. Every look at what
identifies is a row of the audit. Addresses name an item by the first digits of its keyed digest.
"""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Form, Path, Request
from pydicom import Dataset
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from cohortium.dicom import reading as ocr
from cohortium.errors import Malformed, Refused
from cohortium.govern.roles import ALLOWED, May
from cohortium.spool import Area, Decision, Item, Verdict, asides
from cohortium.values import Reason, State
from cohortium.web.auth import demand_form_token, grounds, reading, record, user
from cohortium.web.errors import BadRequest
from cohortium.web.looks import MOST_ITEMS, Looks, Shape, compared, drawn, shape
from cohortium.web.portal.quarantine import demand_why
from cohortium.web.portal.templating import render
from cohortium.web.route import Route
from cohortium.web.sheets import sheets

__all__ = ["ROUTES"]

Name = Annotated[str, Path(pattern="^[0-9a-f]{12}$")]
AREA = re.compile(r"(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})")  # x, y, width, height
MOST = 50  # areas
TABLE = "It is a table."
EVERY = 1 << 20  # items of a sequence
FACE = Reason.FACE
SAID = {Verdict.RELEASE: "Looked at it; nothing in it identifies anybody.", Verdict.REJECT: "Looked at it."}


def show(request: Request, item: Name, whole: bool = False) -> Response:
    """The item: picture and header, before and after; the `whole` header where a sequence is long."""
    return _page(request, _found(request, item), whole=whole)


def picture_before(request: Request, item: Name, frame: int = 0) -> Response:
    """A frame as it came."""
    found = _found(request, item)
    _note(request, "look at identifying picture", found)
    return _picture(_looks(request).before(found), frame)


def picture_after(request: Request, item: Name, frame: int = 0) -> Response:
    """A frame as it would leave."""
    found = _found(request, item)
    _note(request, "look at picture", found)
    return _picture(_looks(request).after(found), frame)


def boxes(request: Request, item: Name, frame: int = 0) -> Response:
    """Where a reader takes something for text in a frame as it came."""
    looks = _looks(request)
    dataset = looks.before(_found(request, item))
    if dataset is None or not ocr.available():
        raise HTTPException(404)
    try:
        found = looks.boxes(dataset, frame)
    except Malformed:
        raise HTTPException(404) from None
    return JSONResponse([[each.left, each.top, each.width, each.height] for each in found])


def decide(
    request: Request,
    item: Name,
    verdict: Annotated[str, Form()] = "",
    why: Annotated[str, Form()] = "",
    areas: Annotated[str, Form()] = "",
    series: Annotated[str, Form()] = "",
    form: Annotated[str, Form()] = "",
) -> Response:
    """Decide about it; then the next that waits for the same reason."""
    demand_form_token(request, form)
    if verdict not in set(Verdict):
        raise BadRequest("A decision is release, again or reject.")
    found = _found(request, item)
    reason = found.set_aside.reason if found.set_aside else None
    try:
        blank = _areas(areas)
        if blank and series:
            raise Refused("rectangles are for the picture that was looked at; decide about it alone")
        if verdict == Verdict.RELEASE and reason in (Reason.PIXELS_NOT_REVIEWED, FACE) and not _identifies(request):
            raise Refused("only a data manager sees this picture, and so can release it")
        words = demand_why(why or SAID.get(Verdict(verdict), ""))
        made = Decision(Verdict(verdict), user(request).name, words, blank)
        spool = _looks(request).spool
        if objection := spool.objection(found, made):
            raise Refused(objection)
        together = [found, *(_others(request, found) if series else ())]
        decided = spool.decide(together, made, **grounds(request))
        if not decided:
            raise Refused("somebody else decided about it, or it went on, a moment ago")
    except Refused as error:
        return _page(request, _found(request, item), str(error), 422)
    with reading(request).connect() as connection:
        following = asides.next_after(connection, reason, found.number) if reason else None
    query = urlencode({"reason": reason or "", "done": 1})
    return RedirectResponse(f"/inspect/{following.name}" if following else f"/quarantine?{query}", 303)


def _page(request: Request, found: Item, problem: str = "", status: int = 200, *, whole: bool = False) -> Response:
    looks, identifies = _looks(request), _identifies(request)
    table = sheets(looks.spool, found)
    before, why_before = (None, TABLE) if table else _read(looks.before, found)
    after, why_after = (None, TABLE) if table else _read(looks.after, found)
    if table:
        _note(request, "look at identifying table" if identifies else "look at table", found)
    elif before is not None:
        _note(request, "look at identifying header" if identifies else "look at header", found)
    reason = found.set_aside.reason if found.set_aside else None
    with reading(request).connect() as connection:
        beside = [
            asides.next_after(connection, reason, found.number, back=way) if reason else None for way in (True, False)
        ]
    values: dict[str, Any] = {
        "item": found,
        "reason": reason,
        "explained": asides.explanations().get(reason) if reason else None,
        "identifies": identifies,
        "before": shape(before) if before is not None else Shape(why=why_before or "It has no bytes any more."),
        "after": shape(after) if after is not None else Shape(why=why_after or "It was not made yet."),
        "table": table,
        "rows": list(compared(before, after, EVERY if whole else MOST_ITEMS)),
        "previous": beside[0],
        "following": beside[1],
        "reads": ocr.available() and identifies,
        "others": len(_others(request, found)),
        "decided": looks.spool.decided(found),
        "problem": problem,
    }
    return render(request, "inspect.html", status, **values)


def _read(read: Any, found: Item) -> tuple[Dataset | None, str]:
    try:
        return read(found), ""
    except Malformed as error:
        return None, f"It cannot be read: {error}."


def _picture(dataset: Dataset | None, frame: int) -> Response:
    if dataset is None:
        raise HTTPException(404)
    try:
        return Response(drawn(dataset, frame), media_type="image/png")
    except Malformed:
        raise HTTPException(404) from None


def _areas(text: str) -> tuple[Area, ...]:
    """Rectangles as the page's form tells them."""
    parts = [each for each in text.split(";") if each]
    found = [AREA.fullmatch(each) for each in parts]
    if len(parts) > MOST or not all(found):
        raise Refused(f"a rectangle is four whole numbers, and there are at most {MOST}")
    made = [tuple(map(int, each.groups())) for each in found if each]
    return tuple((x, y, width, height) for x, y, width, height in made if width and height)


def _found(request: Request, name: str) -> Item:
    with reading(request).connect() as connection:
        found = asides.named(connection, name)
    if found is None:
        raise HTTPException(404)
    return found


def _identifies(request: Request) -> bool:
    who = user(request)
    return May.IDENTIFY in ALLOWED[who.standing] & who.scope


def _looks(request: Request) -> Looks:
    looks: Looks = request.app.state.looks
    return looks


def _others(request: Request, found: Item) -> list[Item]:
    """The rest of its series, as far as it is held for the same reason, or a face may be in it."""
    if not found.series or not found.set_aside or not (found.state is State.HELD or found.set_aside.reason is FACE):
        return []
    about = {"reason": found.set_aside.reason, "pipeline": found.pipeline}
    with reading(request).connect() as connection:
        whole = asides.choose(connection, series=found.series, **about)
    return [each for each in whole if each.id != found.id and each.state is found.state]


def _note(request: Request, what: str, found: Item) -> None:
    with request.app.state.engine.begin() as connection:
        record(request, connection, what, f"item {found.name}")


ROUTES = (
    Route("GET", "/inspect/{item}", show, May.INSPECT),
    Route("POST", "/inspect/{item}", decide, May.INSPECT),
    Route("GET", "/inspect/{item}/before.png", picture_before, May.IDENTIFY),
    Route("GET", "/inspect/{item}/after.png", picture_after, May.INSPECT),
    Route("GET", "/inspect/{item}/boxes", boxes, May.IDENTIFY),
)
