"""Opening the archive to the browser; where other machines can reach it, only with TLS before it."""

from __future__ import annotations

import contextlib
import gc
import ipaddress
import os
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cohortium import config
from cohortium.cli.options import DEFAULT, ConfigFile
from cohortium.cli.worker import beside, deaf
from cohortium.config import Config, Serve
from cohortium.errors import ConfigError, Refused, Unavailable

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

__all__ = ["in_a_thread", "serve"]

PATIENCE = 5  # seconds that a request may still take when the gateway ends


def serve(
    file: ConfigFile = DEFAULT,
    host: Annotated[str | None, typer.Option(help="Listen here instead of at the configured address.")] = None,
    port: Annotated[int | None, typer.Option(help="Listen on this port; 0 takes a free one.", min=0, max=65535)] = None,
    workers: Annotated[
        int | None, typer.Option(help="Answer with this many processes instead of the configured number.", min=1)
    ] = None,
    ohif: Annotated[
        Path | None,
        typer.Option(help="Open the static build of OHIF in this folder at /ohif/.", file_okay=False, exists=True),
    ] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy in front of this address does TLS.")
    ] = False,
) -> None:
    """Open the archive to the browser; Ctrl-C ends it."""
    settings = config.load(file)
    host = settings.serve.host if host is None else host
    port = settings.serve.port if port is None else port
    demand_tls(host, settings, behind_proxy)

    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from cohortium.store import open_store

    with listen(host, port) as listener:
        port = listener.getsockname()[1]
        settings = replace(settings, serve=replace(settings.serve, host=host, port=port))
        if ohif is not None:
            settings = replace(settings, serve=replace(settings.serve, ohif=str(ohif.resolve())))
        open_store(settings).dispose()  # whatever is wrong with it is told here, once, and workers find it migrated
        typer.echo(f"Cohortium is at {_address(settings.serve)} (Ctrl-C ends it)")
        sys.stdout.flush()
        plan = planned(settings, settings.serve.workers if workers is None else workers)
        with contextlib.suppress(KeyboardInterrupt), beside(settings):
            if plan.workers > 1:
                with deaf():  # the thread of `beside` hears it for this one
                    Multiprocess(plan, sockets=[listener]).run()
            else:
                uvicorn.Server(plan).run(sockets=[listener])


@contextlib.contextmanager
def in_a_thread(settings: Config, behind_proxy: bool) -> Iterator[str]:
    """The portal, answered by a thread of this process while the block runs; its address."""
    host, port = settings.serve.host, settings.serve.port
    demand_tls(host, settings, behind_proxy)

    import uvicorn

    with listen(host, port) as listener:
        port = listener.getsockname()[1]
        settings = replace(settings, serve=replace(settings.serve, port=port))
        plan = planned(settings, workers=1)
        plan.timeout_graceful_shutdown = PATIENCE
        server = uvicorn.Server(plan)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="portal")
        thread.start()
        try:
            yield _address(settings.serve)
        finally:
            server.should_exit = True
            thread.join()


def demand_tls(host: str, settings: Config, behind_proxy: bool) -> None:
    """`Refused` where passwords would cross a network in the clear."""
    if not (behind_proxy or settings.serve.certificate or _is_loopback(host)):
        raise Refused(
            f"{host} can be reached from other machines, and there is no TLS; see serve.certificate, or --behind-proxy"
        )
    if not settings.serve.public and (behind_proxy or not _is_loopback(host)):
        raise ConfigError("serve.public must say by which address people reach the site")


def planned(settings: Config, workers: int) -> uvicorn.Config:
    """How uvicorn is to answer."""
    import uvicorn

    from cohortium.web.certificates import Connection, context

    below = settings.file.parent
    if settings.serve.certificate:
        context(settings.serve, below)  # whatever is wrong with it is told here, once
    return uvicorn.Config(
        partial(_application, settings),
        factory=True,
        http=Connection,
        ssl_context_factory=partial(_tls, settings) if settings.serve.certificate else None,
        workers=workers,
        timeout_worker_healthcheck=60,  # a busy worker is not a dead one
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,  # as `serve.proxies` says, in `web.app`
    )


def _address(listening: Serve) -> str:
    """Where it listens, and not where proxies make people come."""
    from cohortium.web.public import Public

    return Public.of(replace(listening, public="")).address + "/"


def _tls(settings: Config, *_: object) -> ssl.SSLContext:
    from cohortium.web.certificates import context

    return context(settings.serve, settings.file.parent)


def _application(settings: Config) -> FastAPI:
    """The application, and what it was made of set apart: to look through all of it for garbage stops every request."""
    from cohortium.web.app import create

    made = create(settings)
    gc.collect()
    gc.freeze()
    return made


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise Unavailable(
            f"cannot listen at {host} port {port}: {os.strerror(error.errno or 0)}; choose another with --port"
        ) from None
    # asyncio leaves it out for such a socket; without it a kept connection waits 40 ms for each answer
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
