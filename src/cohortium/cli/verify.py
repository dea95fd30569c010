"""Proving that nothing identifying is left in a folder, from the inputs and outputs alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cohortium.cli.options import FOUND, AsJson
from cohortium.errors import ConfigError

__all__ = ["verify"]


def verify(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="Folder with the identifiable files.")],
    destination: Annotated[Path, typer.Argument(metavar="DST", help="Folder with what was made of them.")],
    as_json: AsJson = False,
) -> None:
    """Search every byte of DST for each name, ID, address and UID that SRC holds. Exits with 7 if one is found."""
    for argument, folder in (("SRC", source), ("DST", destination)):
        if not folder.is_dir():
            raise ConfigError(f"{argument} is not a folder")

    from cohortium.acquire.folder import walk
    from cohortium.cli import terminal
    from cohortium.verify import search

    inputs, outputs = ([path for path, problem in walk(folder) if not problem] for folder in (source, destination))
    if not outputs:
        raise ConfigError("DST holds no file; there is nothing to verify")
    with terminal.progress() as progress:

        def contents() -> Iterator[tuple[str, bytes]]:
            for done, path in enumerate(outputs, start=1):
                yield str(path.relative_to(destination.resolve())), path.read_bytes()
                progress("search", done, len(outputs))

        report = search(inputs, contents())
    if as_json:
        typer.echo(json.dumps(asdict(report), indent=2))
    else:
        terminal.show(*terminal.searched(report))
    raise typer.Exit(FOUND if report.hits else 0)
