"""A whole dataset version on this machine; run again, it goes on where it was broken off."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cohortium.cli.options import AsJson
from cohortium.cli.remote import HERE, TOKEN, Dataset, TokenFile, Url, connect, named

__all__ = ["pull"]


def pull(
    dataset: Dataset,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where it goes.")],
    url: Url = HERE,
    token: TokenFile = TOKEN,
    jobs: Annotated[int, typer.Option(help="Files at once.", min=1, max=64)] = 8,
    as_json: AsJson = False,
) -> None:
    """Fetch a dataset version: every file verified, none twice, what is missing on the next run."""
    project, called = named(dataset)

    from cohortium.cli import terminal

    with connect(url, token) as client, terminal.progress() as advance:
        version = client.dataset(project, called)
        done = client.pull(
            project,
            version.digest,
            folder,
            jobs=jobs,
            advance=lambda files, _bytes: advance("files", files, version.files),
        )
    if as_json:
        typer.echo(json.dumps({"dataset": version.digest, "name": version.name, **asdict(done)}))
        return
    typer.echo(f"{done.files} of {version.files} files in {folder}, {done.fetched} of them fetched now")
    typer.echo(f"sha256:{version.digest}")
    if done.gone:
        typer.echo(f"{len(done.gone)} files were removed or withdrawn since; see `cohortium dataset show`", err=True)
