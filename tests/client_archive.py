"""An archive on a real port behind something that can be told to misbehave as networks and servers do."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.types import Message

import portal_site
from cohortium.client import Client
from cohortium.govern import grants, tokens, users
from cohortium.govern.roles import Role, Scope
from portal_site import Served

FILES = 12


@dataclass
class Road:
    """What stands before the application: notes requests for files, and disturbs them as it is told.

    `before` holds answers (status, headers) that are given in place of the next ones; the next `cuts` answers break off
    in the middle, and after the first `open_for` requests none is answered.
    """

    app: Any = None
    before: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    cuts: int = 0
    open_for: int = sys.maxsize
    spoil: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)

    def around(self, app: Any) -> Any:
        self.app = app
        return self

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not ("/files/" in path or path.endswith("/file")):
            await self.app(scope, receive, send)
            return
        self.asked.append((path.rsplit("/")[-1], dict(scope["headers"]).get(b"range", b"").decode()))
        if self.before:
            status, headers = self.before.pop(0)
            named = [(name.encode(), value.encode()) for name, value in headers.items()]
            await send({"type": "http.response.start", "status": status, "headers": named})
            await send({"type": "http.response.body", "body": b""})
            return
        while len(self.asked) > self.open_for:
            await asyncio.sleep(0.02)
        cut, self.cuts = self.cuts > 0, max(0, self.cuts - 1)

        async def disturbed(message: Message) -> None:
            if message["type"] == "http.response.body" and message["body"]:
                if self.spoil:
                    message["body"] = bytes(len(message["body"]))
                if cut:
                    await send({**message, "body": message["body"][:100], "more_body": True})
                    raise ConnectionError("cut")
            await send(message)

        await self.app(scope, receive, disturbed)


@dataclass(frozen=True)
class Archive:
    served: Served
    road: Road
    token: str

    @property
    def client(self) -> Client:
        return Client(self.served.url, self.token)


@contextmanager
def archived(folder: Path) -> Iterator[Archive]:
    """An archive with twelve images of two subjects in its project `lung`, and a member's token."""
    road = Road()
    settings = portal_site.configuration(folder)
    with portal_site.served(settings, road.around) as served:
        contents = [*portal_site.slices(FILES - 2), *portal_site.slices(2, subject="S-0002")]
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", contents)
        with served.engine.begin() as connection:
            users.create(connection, "ada")
            who = users.named(connection, "ada")
            users.choose_password(connection, who, portal_site.PASSWORD)
            grants.give(connection, users.named(connection, "ada").id, 1, Role.MEMBER)
            token = tokens.make(connection, users.named(connection, "ada"), "test", Scope.WRITE, 1)
        yield Archive(served, road, token)
