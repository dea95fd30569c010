"""The main job on made-up or own data, in one command."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from cohortium.cli.options import FOUND, AsJson
from cohortium.errors import ConfigError

__all__ = ["demo"]


def demo(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DICOM]", help="Your own folder of DICOM; never changed.", readable=False)
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where the demo lives; cohortium-demo, or cohortium-demo-own for yours."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the main job: acquire, de-identify, check, deposit, find, and search all that left for names."""
    if folder is not None and not os.path.isdir(folder):  # noqa: PTH112  pathlib raises where a parent is shut
        raise ConfigError("DICOM is not a folder; give one with DICOM files, or nothing for the made-up hospital")

    from cohortium.cli import terminal
    from cohortium.demo.run import run

    root = root or Path("cohortium-demo" if folder is None else "cohortium-demo-own")
    with terminal.progress() as progress:
        result = run(root, folder, progress)
    if as_json:
        typer.echo(json.dumps(result.as_dict(), indent=2))
    else:
        terminal.show(terminal.account(result.summary), *terminal.proof(result))
    # What is found in a made-up hospital is a defect; in people's own data it may be chance, and is for them to judge.
    raise typer.Exit(FOUND if result.search.hits and folder is None else 0)
