"""What surrounds every answer: the site's own name, strict headers, bounds on what is sent, and never a traceback."""

from __future__ import annotations

import logging
import re

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cohortium.web.credentials import address
from cohortium.web.errors import answer, is_program, problem, too_much
from cohortium.web.public import Public
from cohortium.web.rates import Buckets, TooFast

__all__ = ["Protect"]

POLICY = "Content-Security-Policy"  # the one of these that an endpoint may set itself: `ohif`, whose code is not ours
HEADERS = {
    POLICY: (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
BROKEN = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Cohortium</title>
<link rel="stylesheet" href="/static/portal.css"><body class="door"><main><div class="door-card">
<h1>Something went wrong here</h1><p class="lead">Nothing was changed. The server's log names the place.</p>
</div></main></body></html>"""  # of no template: that may be what is broken
LARGEST_BODY = 1 << 16  # bytes of a form
LARGEST_LIST = 1 << 22  # bytes of what a program says
WATCHED = ("/health/",)
# what is sent there is read piece by piece, under limits of its own
STREAMED = re.compile(
    r"/dicomweb/.*|/intake/.*|/pacs|(/api/v1)?/projects/[^/]+/files|/data/services/import|/data/.+/resources/[^/]+/files/.+"
)

log = logging.getLogger(__name__)


class Protect:
    """ASGI middleware, outermost."""

    def __init__(self, app: ASGIApp, public: Public, rates: Buckets) -> None:
        self._app, self._public, self._rates = app, public, rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._set_headers(scope, MutableHeaders(scope=message))
            await send(message)

        request = Request(scope)
        if refusal := self._refusal(request):
            await refusal(scope, receive, guarded)
            return
        try:
            await self._app(scope, receive, guarded)
        except Exception as error:  # noqa: BLE001  the last line: the message may quote data, so only its type is kept
            log.error("%s in %s", type(error).__name__, _where(error))
            if not started:
                sorry = problem(500, "") if is_program(request) else HTMLResponse(BROKEN, 500)
                await sorry(scope, receive, guarded)

    def _refusal(self, request: Request) -> Response | None:
        """Why the application does not even hear of it; what watches over the machine may ask often, by any name."""
        if request.url.path.startswith(WATCHED):
            return None
        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or not self._public.names(hosts[0]):
            return problem(421, "This server answers under its own name only; see serve.public.")
        try:
            self._rates.take(address(request))
        except TooFast as error:
            return too_much(request, error)
        return None if _is_small(request) else answer(request, 413)

    def _set_headers(self, scope: Scope, headers: MutableHeaders) -> None:
        headers.update({key: text for key, text in HEADERS.items() if key != POLICY or key not in headers})
        if self._public.is_secure:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        static = scope["path"].startswith(("/static/", "/ohif/"))
        headers["Cache-Control"] = "no-cache" if static else "no-store"


def _is_small(request: Request) -> bool:
    """Whether the body is bounded by its own word; one of unknown length is not taken."""
    if request.method in ("GET", "HEAD") or STREAMED.fullmatch(request.url.path):
        return True
    if "content-length" not in request.headers and "transfer-encoding" not in request.headers:
        return True  # it has no body (RFC 9112 6.3)
    length = request.headers.get("content-length", "")
    largest = LARGEST_LIST if request.url.path.startswith("/api/") else LARGEST_BODY
    return length.isascii() and length.isdigit() and int(length) <= largest


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "?" if trace is None else f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}"
