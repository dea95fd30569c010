"""The hospital's side: as a service beside a PACS, or once over all that lies in the pipelines' folders."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from getpass import getuser
from typing import TYPE_CHECKING, Annotated

import typer

from cohortium import config
from cohortium.cli import hint
from cohortium.cli.options import DEFAULT, AsJson, ConfigFile
from cohortium.errors import Unavailable

if TYPE_CHECKING:
    from cohortium.gateway.logs import LogFile

__all__ = ["compare", "drain", "once", "run", "status"]

LOOK = 1.0  # seconds


def run(
    file: ConfigFile = DEFAULT,
    portal: Annotated[bool, typer.Option(help="Open the site's portal, too, at serve.host and serve.port.")] = True,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy in front of the portal's address does TLS.")
    ] = False,
) -> None:
    """Receive, de-identify, check and hand on, until SIGTERM or Ctrl-C ends it; a second one ends it at once."""
    settings = config.load(file)

    from cohortium.cli.serve import in_a_thread
    from cohortium.cli.worker import beside
    from cohortium.gateway.logs import logged
    from cohortium.gateway.notices import Notices
    from cohortium.gateway.service import serve
    from cohortium.store import open_store

    open_store(settings).dispose()  # whatever is wrong with it is told here, once
    stop = threading.Event()
    with logged(settings.gateway, file.parent) as log, ExitStack() as beside_it:
        _listen_to_signals(stop, log)
        if portal:
            address = beside_it.enter_context(in_a_thread(settings, behind_proxy))
            beside_it.enter_context(beside(settings))
            typer.echo(f"The site's portal is at {address}")
        typer.echo("The gateway is at work (Ctrl-C ends it).")
        sys.stdout.flush()
        serve(settings, stop, Notices(config.notify_socket()))


def _listen_to_signals(stop: threading.Event, log: LogFile | None) -> None:
    """The first that asks for the end is heard; the second ends the process, as `kill -9` would."""

    def end(*_: object) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        stop.set()

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, end)
    signal.signal(signal.SIGHUP, lambda *_: log.reopen() if log else None)


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
    if not state.is_at_work:
        raise Unavailable("no gateway is at work on this data root")
    raise typer.Exit(1 if state.trouble else 0)


def compare(
    pipeline: Annotated[str, typer.Argument(metavar="PIPELINE", help="By its name.")],
    file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """What lies in a pipeline's folders beside all that came by them before: known, new, changed, absent.

    For `transfer = "cumulative"`. What is absent is told, by pseudonym and UID, and deleted nowhere.
    """
    settings = config.load(file)

    from cohortium.gateway.comparing import compare

    found = compare(settings, pipeline, getuser())
    if as_json:
        typer.echo(json.dumps({name: asdict(each) for name, each in found.items()}, indent=2))
        return
    for name, each in found.items():
        typer.echo(f"{name}: {each.known} known, {each.new} new, {each.changed} changed, {len(each.absent)} absent")
        for gone in each.absent:
            names = dict.fromkeys(filter(None, (gone.PatientID, gone.SeriesInstanceUID, gone.SOPInstanceUID)))
            typer.echo(f"  absent: {' '.join(names)} ({gone.state})")


def drain(file: ConfigFile = DEFAULT) -> None:
    """Let the gateway take nothing more in, send on all that can go, and end; Ctrl-C lets it go on as before."""
    settings = config.load(file)

    from cohortium.gateway.pulse import ask_to_drain, take_back
    from cohortium.gateway.state import state_of

    if not state_of(settings).is_at_work:
        raise Unavailable("no gateway is at work on this data root")
    ask_to_drain(settings.site.data)
    try:
        left = _until_ended(settings)
    except KeyboardInterrupt:
        take_back(settings.site.data)
        raise
    if left:
        raise Unavailable(f"the gateway ended before it was drained; {left} items are on their way")


def _until_ended(settings: config.Config) -> int:
    """Wait until the gateway has ended, and tell what keeps it from that; returns how many items it leaves."""
    from cohortium.cli import terminal
    from cohortium.gateway.pulse import is_asked_to_drain
    from cohortium.gateway.state import state_of

    told: Mapping[str, str] = {}
    total = 0
    with terminal.progress() as progress:
        while True:
            is_asked = is_asked_to_drain(settings.site.data)  # before the look, for the wish goes last
            state = state_of(settings)
            if not state.is_at_work:
                return state.on_their_way
            if not is_asked:
                raise Unavailable("the gateway was started anew, or somebody took the wish back; it is not drained")
            for what, why in state.trouble.items() - told.items():
                typer.echo(f"{what}: {why}", err=True)
            told, total = state.trouble, max(total, state.on_their_way)
            progress("drain", total - state.on_their_way, total)
            time.sleep(LOOK)
