"""Checks of what an archive holds, near or far, and their findings: started, waited for, listed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cohortium.cli.options import FAULTY, AsJson
from cohortium.cli.remote import HERE, TOKEN, TokenFile, Url, connect
from cohortium.errors import Refused

if TYPE_CHECKING:
    from cohortium.client import Client
    from cohortium.wire import api

__all__ = ["Of", "about", "archive", "findings"]

PAUSE = 1.0  # seconds between two looks
STDOUT = "-"

Of = Annotated[
    str, typer.Argument(metavar="PROJECT[/VERSION]", help="A project, or a dataset version by its name or digest.")
]


def archive(
    of: Of,
    specification: Annotated[
        str, typer.Option(metavar="NAME", help="A shipped specification.", show_default="the project's own")
    ] = "",
    ocr: Annotated[bool, typer.Option(help="Read text in pictures, where the extra ocr is installed.")] = True,
    wait: Annotated[bool, typer.Option(help="Wait until it is done.")] = True,
    url: Url = HERE,
    token: TokenFile = TOKEN,
    as_json: Annotated[
        str, typer.Option("--json", metavar="FILE|-", help="Write the report as JSON; - for standard output.")
    ] = "",
) -> None:
    """Check what an archive holds of a project, or of a dataset version; exits with 9 where errors are open.

    A worker of the archive does it. Asked for twice, it is done once.
    """
    from cohortium.cli import terminal

    project, dataset = about(of)
    with connect(url, token) as client:
        check = client.check(project, dataset, specification=specification, ocr=ocr)
        if wait:
            check = _done(client, project, check)
        if as_json and wait:
            _write(as_json, client.report(project, check.id))
        elif as_json:
            _write(as_json, check.model_dump())
        if as_json != STDOUT:
            terminal.show(*_lines(client, project, dataset, check))
    raise typer.Exit(FAULTY if check.open.get("error") else 0)


def findings(
    of: Of,
    state: Annotated[str, typer.Option(metavar="STATE", help="Those that are open, waived or mended alone.")] = "",
    severity: Annotated[str, typer.Option(metavar="SEVERITY", help="Errors (error) or warnings (warning) alone.")] = "",
    rule: Annotated[str, typer.Option(metavar="RULE", help="Those of one rule alone.")] = "",
    patient: Annotated[str, typer.Option(metavar="PSEUDONYM", help="Those about one subject alone.")] = "",
    series: Annotated[str, typer.Option(metavar="UID", help="Those about one series alone.")] = "",
    url: Url = HERE,
    token: TokenFile = TOKEN,
    as_json: AsJson = False,
) -> None:
    """List the findings that checks made in an archive, of a project or a dataset version, with their states."""
    from cohortium.cli import terminal
    from cohortium.cli.findings import listed

    project, dataset = about(of)
    wanted = {"state": state, "severity": severity, "rule": rule, "patient": patient, "SeriesInstanceUID": series}
    with connect(url, token) as client:
        rows = list(client.findings(project, dataset, **wanted))
    if as_json:
        typer.echo(json.dumps([row.model_dump() for row in rows]))
    else:
        terminal.show(*listed(rows))


def about(of: str) -> tuple[str, str]:
    """Project and version of what is typed as one; the version is empty where the project is meant."""
    project, slash, version = of.partition("/")
    if not project or (slash and not version) or "/" in version:
        raise typer.BadParameter("write PROJECT or PROJECT/VERSION", param_hint="PROJECT")
    return project, version


def _done(client: Client, project: str, check: api.Check) -> api.Check:
    """The check once it is done; `Refused` where it failed."""
    from cohortium.cli import terminal

    with terminal.progress() as progress:
        while check.state in ("waiting", "running"):
            time.sleep(PAUSE)
            check = client.checked(project, check.id)
            if check.stage:
                progress(check.stage, check.done, check.total)
    if check.state == "failed":
        raise Refused(f"the check failed: {check.why}")
    return check


def _lines(client: Client, project: str, dataset: str, check: api.Check) -> list[Any]:
    from cohortium.cli.findings import listed

    if check.state != "done":
        return [f"check {check.id} is {check.state}"]
    rows = [row for row in client.findings(project, dataset) if row.last_check == check.id]
    gone = f"; {check.gone} files of the version are not held any more" if check.gone else ""
    return [*listed(rows), f"check {check.id} by {check.specification}{gone}"]


def _write(where: str, said: dict[str, Any]) -> None:
    text = json.dumps(said, indent=2, ensure_ascii=False) + "\n"
    if where == STDOUT:
        typer.echo(text, nl=False)
    else:
        Path(where).write_text(text, "utf-8")
