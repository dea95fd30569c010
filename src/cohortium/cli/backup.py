"""Backups of the whole site, and the way back from them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cohortium import config
from cohortium.cli import hint
from cohortium.cli.options import DEFAULT, AsJson, ConfigFile
from cohortium.errors import Corrupt, Unavailable

if TYPE_CHECKING:
    from cohortium.backup import Restored

__all__ = ["backup", "restore"]

MEGABYTE = 1_000_000

TARGET = "The folder, or `s3://BUCKET/PREFIX`, that holds the site's backups"
Named = Annotated[str, typer.Option("--backup", metavar="NAME", help="This backup instead of the newest.")]


def backup(
    target: Annotated[str, typer.Argument(metavar="[TARGET]", help=f"{TARGET}; else `[backup] target`.")] = "",
    file: ConfigFile = DEFAULT,
    keep: Annotated[
        int | None, typer.Option(help="Let only the newest N backups stay; 0: all.", min=0, metavar="N")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Make none; read those that are there whole.")] = False,
    name: Named = "",
    as_json: AsJson = False,
) -> None:
    """Back up the whole site while it works: what the target holds already is not copied again."""
    settings = config.load(file)
    if verify:
        _verify(settings, target, name, as_json)
    else:
        _back_up(settings, target, settings.backup.keep if keep is None else keep, as_json)


def _back_up(settings: config.Config, target: str, keep: int, as_json: bool) -> None:
    from cohortium import backup as verbs
    from cohortium import keys
    from cohortium.cli import terminal
    from cohortium.store import open_store

    key = keys.load(settings.site.key, settings.site.data)
    with terminal.progress() as progress:
        place = verbs.target_of(settings, target)
        taken = verbs.back_up(settings, open_store(settings), key, place, progress, keep)
    if as_json:
        typer.echo(json.dumps(asdict(taken), indent=2))
    else:
        typer.echo(
            f"Backup {taken.backup}: {taken.rows} rows, {taken.files} files, {taken.objects} objects; "
            f"new at the target {taken.new_objects} objects, {taken.new_bytes / MEGABYTE:.1f} MB; {taken.seconds:.1f} s"
        )
    if taken.missing:
        raise Corrupt(
            f"{taken.missing} objects that rows name are not in the archive; backup {taken.backup} holds all the rest. "
            "Look for them in an older backup"
        )
    if taken.cold:
        raise Unavailable(
            f"{taken.cold} packs are in cold storage and not at the target; they were asked for. Run this again later"
        )


def _verify(settings: config.Config, target: str, name: str, as_json: bool) -> None:
    from cohortium import backup as verbs
    from cohortium import keys
    from cohortium.cli import terminal

    key = keys.load(settings.site.key, settings.site.data)
    with terminal.progress() as progress:
        checked = verbs.check(verbs.target_of(settings, target), key, progress, name)
    if as_json:
        typer.echo(json.dumps(asdict(checked), indent=2))
    else:
        typer.echo(f"{len(checked.backups)} backups read: {checked.parts} parts, {checked.objects} objects")
        for problem in checked.problems:
            typer.echo(problem)
    if checked.problems:
        raise Corrupt(f"{len(checked.problems)} things at the target are not what was put there")


def restore(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help=f"{TARGET}.")],
    file: ConfigFile = DEFAULT,
    key_file: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="The site's key, where no configuration names it yet.")
    ] = None,
    name: Named = "",
    withdrawals: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A newer journal than the one beside the backups."),
    ] = None,
    without_withdrawals: Annotated[
        bool, typer.Option("--without-withdrawals", help="There is no such journal: who was withdrawn may come back.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a site back into an empty place; what was interrupted goes on where it stood."""
    from cohortium import backup as verbs
    from cohortium import keys
    from cohortium.cli import terminal

    access = config.load(file).backup if file.exists() else config.backup_of_environment(file.parent)
    place = verbs.place_at(source, access, file.parent, "the backup")
    path = key_file or file.parent / "keys" / "site.key"
    if not file.exists():
        verbs.configure(place, keys.load(path, file.parent / "data"), file, name)
    settings = config.load(file)
    key = keys.load(settings.site.key, settings.site.data)
    with terminal.progress() as progress:
        journal = verbs.journal(place, key, withdrawals, none=without_withdrawals)
        restored = verbs.restore(settings, key, place, journal, progress, name)
    _tell(restored, file, as_json)
    if restored.broken:
        raise Corrupt(f"everything is back, but the audit was not whole when the backup was made: {restored.broken}")


def _tell(restored: Restored, file: Path, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(restored), indent=2))
        return
    typer.echo(
        f"Restored backup {restored.backup}: {restored.rows} rows, {restored.files} files, {restored.objects} objects, "
        f"{restored.bytes / MEGABYTE:.1f} MB; {restored.withdrawn} subjects withdrawn; {restored.seconds:.1f} s"
    )
    for each in restored.left:
        typer.echo(f"Left as it is: {each}, which differs from the backup's")
    typer.echo(f"Next: {hint.command('serve', '--config', str(file))}")
