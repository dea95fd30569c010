"""What a caller sees when something is wrong: RFC 9457 for programs, a page for people, a traceback for nobody."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from math import ceil

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import TimeoutError as PoolTimeout  # every connection of the store is in use
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from cohortium.archive import Cold
from cohortium.archive.incoming import Unfit
from cohortium.errors import Corrupt, Later, Malformed, Refused, Unavailable
from cohortium.web.auth import LoginNeeded, PasswordNeeded, Stale, TermsNeeded
from cohortium.web.portal.templating import error_page
from cohortium.wire.multipart import TooLarge

__all__ = ["BadRequest", "answer", "install", "is_program", "problem", "too_much"]

AGAIN = 300  # seconds after which to ask again for what is fetched from cold storage
TITLES: Mapping[int, str] = {
    202: "That is being fetched from cold storage",
    400: "That request cannot be understood",
    401: "Please log in",
    403: "This is not allowed",
    404: "There is nothing here",
    405: "This address does not take that",
    406: "It is not held in, and cannot be turned into, what was asked for",
    409: "This is refused as things are",
    410: "It was removed",
    413: "That is too much",
    415: "That kind of content is not taken here",
    416: "It has no such bytes",
    421: "This is another site",
    422: "This cannot be taken or shown",
    429: "That is too much for now",
    500: "Something went wrong here",
    501: "XNAT has this, and this site does not",
    503: "Just now this is not possible",
}
ADVICE: Mapping[int, str] = {
    404: "The address may be mistyped, or it belongs to a project that you have no role in. Ask its owner for one.",
    410: "The owner removed it, or its subject was withdrawn; the version's list of what is gone says more.",
    500: "Nothing was changed. The administrator finds the time of this in the log.",
}
STALE = "This form is out of date. Go back, load the page again and send it once more."
CHALLENGE = 'Basic realm="Cohortium", charset="UTF-8", Bearer realm="Cohortium"'

PROGRAMS = ("/api/", "/dicomweb/", "/intake/", "/data/", "/xapi/")  # who calls these reads JSON

RETRY = "5"  # seconds

log = logging.getLogger(__name__)


class BadRequest(Malformed):
    """The request itself cannot be understood."""


def install(app: FastAPI) -> None:
    """Let every error of the application become an answer."""
    app.add_exception_handler(LoginNeeded, _login)
    app.add_exception_handler(PasswordNeeded, _password)
    app.add_exception_handler(TermsNeeded, _terms)
    app.add_exception_handler(Later, too_much)
    app.add_exception_handler(Stale, lambda request, _: answer(request, 409, STALE))
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Unfit, lambda request, error: answer(request, 422, str(error)))
    app.add_exception_handler(Refused, lambda request, error: answer(request, 409, str(error)))
    app.add_exception_handler(BadRequest, lambda request, error: answer(request, 400, str(error)))
    app.add_exception_handler(TooLarge, lambda request, error: answer(request, 413, str(error)))
    app.add_exception_handler(Malformed, lambda request, error: answer(request, 422, str(error)))
    app.add_exception_handler(Cold, _cold)
    app.add_exception_handler(Unavailable, lambda request, error: _later(request, str(error)))
    app.add_exception_handler(PoolTimeout, lambda request, _: _later(request, "Too many requests at once."))
    app.add_exception_handler(Corrupt, _corrupt)


def answer(request: Request, status: int, detail: str = "") -> Response:
    """The answer for `status`, as the caller reads it."""
    title, detail = _title(status), detail or ADVICE.get(status, "")
    if is_program(request):
        return problem(status, detail, _challenge(request, status))
    return error_page(request, status, title, detail)


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer as programs read it (RFC 9457)."""
    body = {"type": "about:blank", "title": _title(status), "status": status, "detail": detail}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def _title(status: int) -> str:
    return TITLES.get(status, "This did not work")


def is_program(request: Request) -> bool:
    """Whether the caller reads JSON rather than pages."""
    agent = request.headers.get("user-agent", "")
    return request.url.path.startswith(PROGRAMS) or "authorization" in request.headers or agent.startswith("xnatpy/")


def _challenge(request: Request, status: int) -> dict[str, str]:
    """How to log in (RFC 9110). A browser hears nothing of Basic, or it would ask for a password in its own window."""
    if status != 401:
        return {}
    return {"WWW-Authenticate": 'Bearer realm="Cohortium"' if "sec-fetch-site" in request.headers else CHALLENGE}


def too_much(request: Request, error: Exception) -> Response:
    """Not now: 429, and when again (RFC 6585 4)."""
    response = answer(request, 429, str(error))
    response.headers["Retry-After"] = str(ceil(error.wait)) if isinstance(error, Later) else "1"
    return response


def _later(request: Request, detail: str) -> Response:
    response = answer(request, 503, detail)
    response.headers["Retry-After"] = RETRY
    return response


def _cold(request: Request, error: Exception) -> Response:
    response = answer(request, 202, str(error))
    response.headers["Retry-After"] = str(AGAIN)
    return response


def _login(request: Request, _error: Exception) -> Response:
    return answer(request, 401) if is_program(request) else RedirectResponse("/login", 303)


def _password(request: Request, _error: Exception) -> Response:
    return answer(request, 403) if is_program(request) else RedirectResponse("/password", 303)


def _terms(request: Request, _error: Exception) -> Response:
    if is_program(request):
        return answer(request, 403, "The terms of use have changed. Log in to the portal and accept them.")
    return RedirectResponse("/terms", 303)


def _http(request: Request, error: Exception) -> Response:
    return answer(request, error.status_code if isinstance(error, HTTPException) else 500)


def _invalid(request: Request, error: Exception) -> Response:
    """A page is not there; a program hears which part is wrong, and never what it sent."""
    wrong = error.errors() if isinstance(error, RequestValidationError) else []
    if not request.url.path.startswith("/api/") or any(each["loc"][0] == "path" for each in wrong):
        return answer(request, 404)
    return problem(422, "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in wrong))


def _corrupt(request: Request, error: Exception) -> Response:
    log.error("%s", error)
    return answer(request, 500, str(error))
