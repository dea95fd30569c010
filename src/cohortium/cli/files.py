"""Files beside the images, brought and removed by who keeps the archive; places go by pseudonym or UID."""

from __future__ import annotations

import json
from dataclasses import asdict
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cohortium import config
from cohortium.cli.archive import Project, opened
from cohortium.cli.options import DEFAULT, AsJson, ConfigFile
from cohortium.errors import Refused

if TYPE_CHECKING:  # help is instant without them
    from cohortium.archive import Archive, Level

__all__ = ["attach", "detach"]

Label = Annotated[str, typer.Option(help="What the resource is called: letters, digits and ._-")]
Subject = Annotated[str, typer.Option(metavar="PSEUDONYM", help="The subject it belongs to; else the project.")]
Session = Annotated[str, typer.Option(metavar="UID", help="The session it belongs to, by its StudyInstanceUID.")]
Scan = Annotated[str, typer.Option(metavar="UID", help="The scan it belongs to, by its SeriesInstanceUID.")]


def attach(
    project: Project,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="What to bring.")],
    kind: Annotated[str, typer.Option(help="reconstruction, assessment, mask, features, document, clinical or video.")],
    label: Label,
    subject: Subject = "",
    session: Session = "",
    scan: Scan = "",
    name: Annotated[str, typer.Option(help="What the file is called there; else as it is here.")] = "",
    consent: Annotated[str, typer.Option(metavar="REFERENCE", help="The consent record, of a video.")] = "",
    receipt: Annotated[Path | None, typer.Option(metavar="FILE", help="A site's word for it, as JSON.")] = None,
    file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Bring a file to a project, subject, session or scan, through the archive's door; other bytes: a new version."""
    from cohortium.archive import Destination, Kind
    from cohortium.prove import receipts

    if kind not in set(Kind):
        raise typer.BadParameter(", ".join(Kind), param_hint="--kind")
    try:
        word = receipts.parse(receipt.read_text("utf-8")) if receipt else None
    except (OSError, UnicodeDecodeError):
        raise Refused("the receipt cannot be read") from None
    archive, settings = opened(file), config.load(file)
    level, of = _place(archive, project, subject, session, scan)
    to = Destination(level, of, Kind(kind), label, name or path.name, consent)
    made = archive.attach(path, to, project, getuser(), word, settings.limits.file_megabytes * 1_000_000)
    text = f"version {made.version} of {made.name}, by {made.admitted}, sha256:{made.digest}"
    typer.echo(json.dumps(asdict(made)) if as_json else text)


def detach(
    project: Project,
    label: Label,
    reason: Annotated[str, typer.Option(help="Why; it is kept for ever, so name nobody in it.")],
    name: Annotated[str | None, typer.Option(help="Remove the file of that name alone.")] = None,
    subject: Subject = "",
    session: Session = "",
    scan: Scan = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    file: ConfigFile = DEFAULT,
) -> None:
    """Remove a resource, or one file of it, in all versions; a tombstone stays."""
    from cohortium.archive import resources
    from cohortium.archive.projects import project_named

    archive = opened(file)
    level, of = _place(archive, project, subject, session, scan)
    with archive.engine.begin() as connection:
        project_id = project_named(connection, project)["id"]
        resource_id = resources.labelled(connection, project_id, level, of, label)
    if not yes:
        typer.confirm("Every version of it goes. Go on?", abort=True, err=True)
    count = archive.detach(resource_id, name, who=getuser(), reason=reason)
    if not count and name is not None:
        raise Refused("the resource has no file of that name")
    typer.echo(f"{count} versions of files removed")


def _place(archive: Archive, project: str, subject: str, session: str, scan: str) -> tuple[Level, int | None]:
    """Level and row of what is named; the project where nothing is."""
    from cohortium.archive import Level, resources
    from cohortium.archive.projects import project_named

    named = {Level.SUBJECT: subject, Level.SESSION: session, Level.SCAN: scan}
    chosen = [(level, called) for level, called in named.items() if called]
    if len(chosen) > 1:
        raise typer.BadParameter("name one of subject, session and scan", param_hint="--scan")
    with archive.engine.begin() as connection:
        project_id = project_named(connection, project)["id"]
        for level, called in chosen:
            return level, resources.place_named(connection, project_id, level, called)
    return Level.PROJECT, None
