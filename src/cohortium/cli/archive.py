"""The archive as its keeper sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cohortium import config
from cohortium.cli.options import DEFAULT, AsJson, ConfigFile

if TYPE_CHECKING:  # help is instant without it
    from cohortium.archive import Archive

__all__ = ["Project", "fsck", "opened", "pack", "reindex", "withdraw", "withdraw_consent"]

Project = Annotated[str, typer.Argument(metavar="PROJECT", help="The project, by its short name.")]
Why = Annotated[str, typer.Option("--reason", help="Why; it is kept for ever, so name nobody in it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask again.")]


def reindex(file: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Bring what an earlier release wrote up to date: read headers that it did not keep, seal objects in the clear."""
    from cohortium.archive.renewal import renew
    from cohortium.cli import terminal
    from cohortium.errors import Corrupt

    archive = opened(file)
    with terminal.progress() as progress:
        done = renew(archive.engine, archive.objects, progress)
    text = f"{done.headers} headers read, {done.sealed} objects sealed"
    typer.echo(json.dumps(asdict(done)) if as_json else text)
    if done.damaged:
        raise Corrupt(f"{done.damaged} objects are damaged or missing and stay as they are; see `archive fsck`")


def pack(file: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Put series into which nothing came for as long as their projects say into packs, one object each."""
    from cohortium.archive import packs
    from cohortium.cli import terminal

    archive = opened(file)
    with terminal.progress() as progress:
        made = packs.pack_quiet(archive.engine, archive.objects, progress)
    typer.echo(json.dumps({"packs": made}) if as_json else f"{made} packs made")


def fsck(
    repair: Annotated[bool, typer.Option("--repair", help="Remove what no row names and is older than a day.")] = False,
    file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Read every object and verify it; list what is damaged or missing, and what nobody names."""
    from cohortium.archive import fsck as checking
    from cohortium.cli import terminal
    from cohortium.errors import Corrupt

    archive = opened(file)
    archive.collect()
    with terminal.progress() as progress:
        report = checking.check(archive.engine, archive.objects, progress)
    removed = checking.sweep(archive.objects, report) if repair else 0
    if as_json:
        typer.echo(json.dumps({**asdict(report), "removed": removed}, indent=2))
    else:
        for fault in report.faults:
            typer.echo(f"{fault.what}\t{fault.project}\t{fault.name}")
        size = f"{report.bytes / 1e9:.1f} GB"
        typer.echo(f"{report.objects} objects ({size}, {report.packs} packs): {len(report.faults)} damaged or missing")
        if report.orphans:
            typer.echo(f"{len(report.orphans)} that no row names, {removed} of them removed")
    if report.faults:
        raise Corrupt("restore what is damaged or missing from a backup")


def withdraw(
    project: Project,
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="The subject's pseudonym in that project.")],
    reason: Why,
    yes: Yes = False,
    file: ConfigFile = DEFAULT,
) -> None:
    """Destroy a subject's key, and so all that the archive, its backups and cold copies hold of it; for ever."""
    with _for_ever(file, yes) as archive:
        archive.withdraw(project, subject, who=getuser(), reason=reason)


def withdraw_consent(
    project: Project,
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help="The reference number of the consent record.")],
    reason: Why,
    yes: Yes = False,
    file: ConfigFile = DEFAULT,
) -> None:
    """End a consent record and destroy the key of its videos, here, in backups and on cold copies; for ever."""
    with _for_ever(file, yes) as archive:
        archive.withdraw_consent(project, reference, who=getuser(), reason=reason)


@contextmanager
def _for_ever(file: Path, yes: bool) -> Iterator[Archive]:
    """The archive, from which something is withdrawn in the block, once that was confirmed."""
    archive = opened(file)
    if not yes:
        typer.confirm("This cannot be undone by anybody. Go on?", abort=True, err=True)
    yield archive
    typer.echo("Withdrawn. Run `cohortium backup` now: older copies of the keys go with it.")


def opened(file: Path) -> Archive:
    """The archive of the configuration in that file."""
    settings = config.load(file)

    from cohortium import keys
    from cohortium.archive import Archive, storage_of
    from cohortium.store import open_store

    return Archive(open_store(settings), storage_of(settings), keys.load(settings.site.key, settings.site.data))
