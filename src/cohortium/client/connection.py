"""Requests that survive a server that is busy, restarts, or has to fetch from cold storage; errors as ours.

Only what can be asked for twice is: every change of the API can, for it says how things are to be.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import httpx

from cohortium.errors import CohortiumError, Malformed, Refused, Unavailable

__all__ = ["BrokenOff", "Connection", "Form", "Gone", "whole"]

Form = tuple[dict[str, str], dict[str, tuple[str, BinaryIO]]]
BUSY = frozenset({202, 408, 425, 429, 500, 502, 503, 504})
COLD = 202  # being restored: that takes as long as it takes
TRIES = 8
LONGEST = 60.0  # seconds between two tries, unless the server says
PATIENCE = 48 * 3600.0  # seconds to wait for cold storage
TIMEOUT = httpx.Timeout(60.0, connect=10.0)


class Gone(Refused):
    """It was removed, or its subject was withdrawn."""


class BrokenOff(Unavailable):
    """An answer ended before its end."""


class Connection:
    """An API token at a server; threads may share it."""

    def __init__(self, url: str, token: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        there = urlsplit(url)
        if there.scheme != "https" and there.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise Refused("a token goes out over https alone; give the address as https://...")
        self._http = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/v1",
            headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"},
            timeout=TIMEOUT,
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=64),
        )
        self._sleep = sleep

    def close(self) -> None:
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        form: Callable[[], Form] | None = None,
    ) -> httpx.Response:
        """The whole answer; `form` makes fields and opens files, anew for each try."""
        with self.stream(method, path, query=query, body=body, form=form) as answer:
            answer.read()
            return answer

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        form: Callable[[], Form] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[httpx.Response]:
        """The answer, its content still to be read; asked for again for as long as that may help."""
        tries, waited = 0, 0.0
        while True:
            fields, files = form() if form else (None, None)
            request = self._http.build_request(
                method, path, params=query or None, json=body, data=fields, files=files, headers=headers
            )
            answer = self._try(request)
            if answer.status_code not in BUSY:
                break
            answer.close()
            pause = _pause(answer, tries)
            tries, waited = tries + (answer.status_code != COLD), waited + pause
            if tries >= TRIES or waited > PATIENCE:
                raise Unavailable(f"the server does not answer as it should ({answer.status_code}); try again later")
            self._sleep(pause)
        try:
            if answer.status_code >= 400:
                raise _error(answer)
            yield answer
        finally:
            answer.close()

    def _try(self, request: httpx.Request) -> httpx.Response:
        """The answer; one of our own where none comes."""
        try:
            return self._http.send(request, stream=True)
        except httpx.TransportError:
            return httpx.Response(503, request=request, stream=httpx.ByteStream(b""))


def whole(answer: httpx.Response) -> Iterator[bytes]:
    """The content in pieces; `BrokenOff` where it ends too soon."""
    try:
        yield from answer.iter_bytes()
    except httpx.TransportError:
        raise BrokenOff("the connection broke off; what came is kept, so run it again") from None


def _pause(answer: httpx.Response, tries: int) -> float:
    said = answer.headers.get("retry-after", "")
    if said.isascii() and said.isdigit():
        return min(float(said), 3600.0)
    return min(LONGEST, 0.25 * 2.0**tries) * random.uniform(0.5, 1.0)  # noqa: S311  of many clients not all at once


def _error(answer: httpx.Response) -> CohortiumError:
    """What the server's problem is to us; its text names no value."""
    answer.read()
    try:
        problem = answer.json()
        if isinstance(problem, list):  # one for each file of an upload
            text = problem[0]["problem"]
        else:
            text = f"{problem['title']}. {problem['detail']}".strip()
    except (ValueError, LookupError, TypeError):
        text = "The server refused without saying why."
    kinds: dict[int, type[CohortiumError]] = {400: Malformed, 410: Gone, 413: Malformed, 415: Malformed, 422: Malformed}
    return kinds.get(answer.status_code, Refused)(f"{text} ({answer.status_code})")
