"""This site's signed word for a file, for an archive that believes the site and cannot judge the file's texts."""

from __future__ import annotations

import json
from dataclasses import asdict
from getpass import getuser
from hashlib import file_digest
from pathlib import Path
from typing import Annotated

import typer

from cohortium import config
from cohortium.cli.options import DEFAULT, ConfigFile
from cohortium.errors import ConfigError, Refused

__all__ = ["public", "receipt"]


def public(file: ConfigFile = DEFAULT) -> None:
    """Print the public key by which a hub knows this site's receipts; it is no secret."""
    from cohortium import keys

    settings = config.load(file)
    key = keys.load(settings.site.key, settings.site.data)
    typer.echo(key.signer().public_key().public_bytes_raw().hex())


def receipt(
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="The project it is for, by its short name.")],
    path: Annotated[Path, typer.Argument(metavar="FILE", help="What was de-identified and looked at.")],
    file: ConfigFile = DEFAULT,
) -> None:
    """Sign that a file is de-identified as the project's protocol asks; print the receipt, which goes with the file."""
    from cohortium import keys
    from cohortium.deidentify import load_protocol
    from cohortium.prove import audit, receipts
    from cohortium.store import open_store

    settings = config.load(file)
    led = {(each.protocol, each.level) for each in settings.pipelines if each.project == project}
    if len(led) != 1:
        raise ConfigError("a receipt names one protocol: that of the pipelines that lead into the project")
    ((name, level),) = led
    protocol = load_protocol(file.parent / name if name.endswith(".toml") else name, level)
    try:
        with path.open("rb") as content:
            digest = file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise Refused(f"the file cannot be read: {error.strerror}") from None
    signer = keys.load(settings.site.key, settings.site.data).signer()
    made = receipts.sign(signer, site=settings.site.name, project=project, digest=digest, protocol=protocol.digest)
    with open_store(settings).begin() as connection:
        audit.record(connection, getuser(), "sign receipt", f"{project}/{digest}")
    typer.echo(json.dumps(asdict(made)))
