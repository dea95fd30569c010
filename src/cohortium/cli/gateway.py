"""The hospital's side: as a service beside a PACS, or once over all that lies in the pipelines' folders."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict
from typing import Annotated

import typer

from cohortium import config
from cohortium.cli import hint
from cohortium.cli.options import DEFAULT, AsJson, ConfigFile
from cohortium.errors import Unavailable

__all__ = ["drain", "once", "run", "status"]

LOOK = 1.0  # seconds


def run(
    file: ConfigFile = DEFAULT,
    portal: Annotated[bool, typer.Option(help="Open the site's portal, too, at serve.host and serve.port.")] = True,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy in front of the portal's address does TLS.")
    ] = False,
) -> None:
    """Receive, de-identify, check and hand on, until SIGTERM or Ctrl-C ends it after the step at hand."""
    settings = config.load(file)

    from cohortium.cli.serve import in_a_thread
    from cohortium.cli.worker import beside
    from cohortium.gateway.service import serve
    from cohortium.store import open_store

    open_store(settings).dispose()  # whatever is wrong with it is told here, once
    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stop.set())
    with ExitStack() as beside_it:
        if portal:
            address = beside_it.enter_context(in_a_thread(settings, behind_proxy))
            beside_it.enter_context(beside(settings))
            typer.echo(f"The site's portal is at {address}")
        typer.echo("The gateway is at work (Ctrl-C ends it).")
        sys.stdout.flush()
        serve(settings, stop)


def once(file: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Take what lies in the pipelines' folders through the chain, and account for every file."""
    settings = config.load(file)

    from cohortium import gateway
    from cohortium.cli import terminal

    with terminal.progress() as progress:
        summary = gateway.run(settings, progress)
    if as_json:
        typer.echo(json.dumps(summary.as_dict(), indent=2))
        return
    terminal.show(terminal.account(summary))
    typer.echo(f"Next: {hint.command('serve', '--config', str(file))}")


def status(file: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """How the gateway is: whether it is at work, what waits where, and what it cannot do now."""
    settings = config.load(file)

    from cohortium.cli import terminal
    from cohortium.gateway.state import state_of

    state = state_of(settings)
    if as_json:
        typer.echo(json.dumps(asdict(state), indent=2))
    else:
        terminal.show(*terminal.gateway(state))
    raise typer.Exit(0 if state.is_at_work and not state.trouble else 1)


def drain(file: ConfigFile = DEFAULT) -> None:
    """Let the gateway take nothing more in, send on all that can go, and end; wait until it has."""
    settings = config.load(file)

    from cohortium.cli import terminal
    from cohortium.gateway.pulse import ask_to_drain
    from cohortium.gateway.state import state_of

    state = state_of(settings)
    if not state.is_at_work:
        raise Unavailable("no gateway is at work on this data root")
    ask_to_drain(settings.site.data)
    total = state.on_their_way
    with terminal.progress() as progress:
        while state.is_at_work:
            progress("drain", total - state.on_their_way, total)
            time.sleep(LOOK)
            state = state_of(settings)
