"""What a PACS is asked for, and what came of it: in counts, or for one person, in a file of its own."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from datetime import datetime
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cohortium import config
from cohortium.cli import hint
from cohortium.cli.options import DEFAULT, AsJson, ConfigFile
from cohortium.errors import ConfigError, Refused

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from cohortium.spool.requests import Requests

__all__ = ["ask", "asked"]


def ask(
    source: Annotated[
        str, typer.Option(metavar="NAME", help="The [[source.pacs]] to ask; needed if there are several.")
    ] = "",
    accessions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="A list: accession numbers, or columns AccessionNumber, StudyInstanceUID, or PatientID and StudyDate.",
        ),
    ] = None,
    from_: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], metavar="DAY", help="All studies from this day on."),
    ] = None,
    to: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], metavar="DAY", help="Up to this one; empty: of that day alone."),
    ] = None,
    modality: Annotated[str, typer.Option(metavar="CODE", help="Of these, those with this modality.")] = "",
    description: Annotated[
        str, typer.Option(metavar="TEXT", help="Of these, those with this StudyDescription; * and ? stand for others.")
    ] = "",
    hours: Annotated[
        str, typer.Option(metavar="FROM-TO", help="Only in these hours of those of the source, as 19-6; local time.")
    ] = "",
    studies_hour: Annotated[
        int, typer.Option(metavar="N", help="No more studies than these within any 60 minutes; 0: as the source says.")
    ] = 0,
    file: ConfigFile = DEFAULT,
) -> None:
    """Ask a PACS for studies; the gateway fetches them in its hours, and `gateway asked` tells how far it came."""
    settings = config.load(file)
    pacs = _pacs(settings, source)

    from cohortium.acquire.asking import days, listed
    from cohortium.gateway.pace import demand_schedule

    repeated = 0
    if accessions and not (from_ or to or modality or description):
        queries, repeated = listed(_content(accessions))
    elif from_ and not accessions:
        queries = days(from_.date(), to.date() if to else None, modality=modality, description=description)
    else:
        raise ConfigError("give a list (--accessions), or days (--from, --to) with --modality and --description")
    demand_schedule(pacs, hours, studies_hour)
    _, requests = _requests(settings)
    name = pacs.name
    id = requests.ask(name, queries, getuser(), hours=hours, studies_hour=studies_hour)
    twice = f", {repeated} of them more than once in the list" if repeated else ""
    typer.echo(f"Request {id}: {len(queries)} queries to {name}{twice}.")
    typer.echo(f"Next: {hint.command('gateway', 'asked', '--config', str(file))}")


def asked(
    number: Annotated[int | None, typer.Argument(metavar="REQUEST", help="Number of a request.")] = None,
    pause: Annotated[bool, typer.Option("--pause", help="Ask for nothing more of it for now.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on; of one that is not paused, ask again for what is missing.")
    ] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Ask for nothing more of it, and stop what is coming.")
    ] = False,
    identified: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="At a terminal: write which study each line is, to a new file that only you can read.",
        ),
    ] = None,
    file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """What PACS were asked for, and where it is by now, in counts; or pause, resume or cancel one request."""
    settings = config.load(file)

    from cohortium.cli import terminal
    from cohortium.spool.wanted import Standing

    engine, requests = _requests(settings)
    wishes = {Standing.PAUSED: pause, Standing.OPEN: resume, Standing.CANCELLED: cancel}
    wanted = [standing for standing, is_wanted in wishes.items() if is_wanted]
    if len(wanted) + bool(identified) > 1 or ((wanted or identified) and number is None):
        raise ConfigError("name one request, and one thing to do with it")
    if number is not None and wanted:
        requests.change(number, wanted[0], getuser())
    if number is not None and identified:
        _write(engine, requests, number, identified)
        return
    found = [each for each in requests.asked() if number in (None, each.id)]
    if number is not None and not found:
        raise Refused(f"there is no request {number}")
    if as_json:
        told = [asdict(each) for each in found]
        if number is not None:
            told[0] |= {"held": requests.held(number), "studies": [asdict(each) for each in requests.lines(number)]}
        typer.echo(json.dumps(told, indent=2))
    else:
        terminal.show(*terminal.requests(found))


def _pacs(settings: config.Config, source: str) -> config.Pacs:
    found = {each.name: each for each in settings.sources if isinstance(each, config.Pacs)}
    if not source and len(found) == 1:
        return next(iter(found.values()))
    if source not in found:
        raise ConfigError(f"--source: one of {', '.join(found)}" if found else "no [[source.pacs]] is configured")
    return found[source]


def _content(path: Path) -> bytes:
    from cohortium.acquire.asking import LARGEST

    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"the list cannot be read: {error.strerror}") from None


def _requests(settings: config.Config) -> tuple[Engine, Requests]:
    from cohortium import keys
    from cohortium.spool.requests import Requests
    from cohortium.store import open_store

    engine = open_store(settings)
    return engine, Requests(engine, keys.load(settings.site.key, settings.site.data))


def _write(engine: Engine, requests: Requests, number: int, path: Path) -> None:
    """The lines that say whom they are about: for a person, never for a pipe or a schedule."""
    from cohortium.gateway.completeness import written
    from cohortium.prove import audit

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Refused("what identifies patients is written for a person at a terminal alone")
    lines = requests.lines(number, named=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Refused("that file is there; name a new one") from None
    with engine.begin() as connection:
        audit.record(connection, getuser(), "who was asked for is written to a file", f"request {number}")
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(written(lines, named=True))
    typer.echo(f"{len(lines)} studies; delete the file when you need it no longer.")
