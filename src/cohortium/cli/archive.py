"""The archive as its keeper sees it."""

from __future__ import annotations

import typer

from cohortium import config
from cohortium.cli.options import DEFAULT, ConfigFile

__all__ = ["reindex"]


def reindex(file: ConfigFile = DEFAULT) -> None:
    """Read the headers that an earlier release did not keep, so that DICOMweb can search and show them."""
    settings = config.load(file)

    from cohortium import keys
    from cohortium.archive import Archive
    from cohortium.store import open_store

    key = keys.load(settings.site.key, settings.site.data)
    number = Archive(open_store(settings), settings.site.data, key).reindex()
    typer.echo(f"{number} headers read")
