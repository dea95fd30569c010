"""The audit, taken out and checked: here, or wherever a copy of it lies."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from cohortium import config
from cohortium.cli.options import DEFAULT, ConfigFile

__all__ = ["export", "verify"]


def export(file: ConfigFile = DEFAULT) -> None:
    """Sign the heads and print the whole audit, one JSON object a line."""
    settings = config.load(file)

    from cohortium import keys
    from cohortium.prove import audit
    from cohortium.store import open_store

    signer = keys.load(settings.site.key, settings.site.data).signer()
    engine = open_store(settings)
    with engine.begin() as connection:
        audit.sign(connection, signer)
    with engine.execution_options(reading=True).begin() as connection:
        for record in audit.records(connection):
            sys.stdout.write(json.dumps(record, sort_keys=True) + "\n")


def verify(
    exported: Annotated[
        Path | None, typer.Argument(metavar="[EXPORTED]", help="An export to check; else the audit of this site.")
    ] = None,
    key: Annotated[str, typer.Option(metavar="HEX", help="The site's public key, where its own is not here.")] = "",
    file: ConfigFile = DEFAULT,
) -> None:
    """Recompute every row and signature; what was changed or removed ends with exit code 6."""
    from cohortium.prove import audit

    if exported is not None:
        number = audit.verify(_lines(exported), key or _public_key(config.load(file)))
    else:
        from cohortium.store import open_store

        settings = config.load(file)
        with open_store(settings).execution_options(reading=True).begin() as connection:
            number = audit.verify(audit.records(connection), key or _public_key(settings))
    typer.echo(f"{number} rows, each as it was written")


def _public_key(settings: config.Config) -> str:
    from cohortium import keys

    return keys.load(settings.site.key, settings.site.data).signer().public_key().public_bytes_raw().hex()


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    from cohortium.errors import Malformed

    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield json.loads(line)
            except ValueError:
                raise Malformed(f"line {number} of the export is not JSON") from None
