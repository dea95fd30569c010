"""Making a site, and looking at how it is configured. Nothing that exists is ever overwritten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cohortium import config
from cohortium.cli import hint
from cohortium.cli.options import DEFAULT, AsJson, ConfigFile
from cohortium.errors import Refused, Unavailable

__all__ = ["init", "show"]


def init(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where the new site is to live.")] = Path(),
) -> None:
    """Make a new site: its configuration, its key and its data folder."""
    from cohortium import keys

    file = folder / DEFAULT
    if file.exists():
        raise Refused(f"{file} exists; a site is made once, edit that file to change it")
    incoming = folder / config.EXAMPLE["pipeline"]["source"]
    try:
        incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.write_text(config.example(), "utf-8")
        site = config.load(file).site
        site.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Unavailable(f"{folder} cannot be prepared: {error.strerror}") from None
    key = keys.create(site.key)
    typer.echo(f"Made {file} and the site's key {site.key} (fingerprint {key.fingerprint()}).")
    typer.echo(
        "Keep a copy of the key in a safe place, apart from backups of the data: without it nothing can be read."
    )
    command = hint.command("gateway", "once", "--config", str(file))
    typer.echo(f"Next: put DICOM files into {incoming}, then run: {command}")


def show(file: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Print every setting in force and where it came from: the file, the environment or the default."""
    rows = [{"name": n, "value": v, "origin": o} for n, v, o in config.in_force(config.load(file))]
    if as_json:
        typer.echo(json.dumps({"file": str(file), "settings": rows}, indent=2))
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        typer.echo(f"{row['name']:<{width}}  {json.dumps(row['value'], ensure_ascii=False)}  ({row['origin']})")
