"""The hospital's side, run once over all that lies in the pipelines' folders."""

from __future__ import annotations

import json

import typer

from cohortium import config
from cohortium.cli import hint
from cohortium.cli.options import DEFAULT, AsJson, ConfigFile

__all__ = ["run"]


def run(file: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
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
