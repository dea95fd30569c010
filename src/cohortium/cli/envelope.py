"""Copies of the site's key and of the table of correspondence for two safes, each encrypted to who keeps it."""

from __future__ import annotations

from getpass import getuser
from pathlib import Path
from typing import Annotated

import typer

from cohortium import config
from cohortium.cli.options import DEFAULT, ConfigFile

__all__ = ["export_key", "export_table", "identity", "import_key", "import_table"]

Output = Annotated[Path, typer.Argument(metavar="OUTPUT", help="The envelope: a new file, of the age format.")]
Envelope = Annotated[Path, typer.Argument(metavar="ENVELOPE", help="What was exported.", exists=True, dir_okay=False)]
Recipients = Annotated[
    Path, typer.Option("--recipient", metavar="FILE", help="Who can open it: a file of lines that begin with age1.")
]
Mine = Annotated[
    Path, typer.Option("--identity", metavar="FILE", help="File, mode 0600, of one of its recipients' private keys.")
]


def identity(
    output: Annotated[Path, typer.Argument(metavar="FILE", help="A new file for the private key; keep it in a safe.")],
) -> None:
    """Make a key pair for who keeps a copy: the private key goes to FILE, what others encrypt to is printed."""
    from cohortium.backup import envelopes

    typer.echo(envelopes.make_identity(output))


def export_key(output: Output, recipient: Recipients, file: ConfigFile = DEFAULT) -> None:
    """Write the site's key and its projects' secrets into an envelope for a safe."""
    from cohortium.backup import envelopes

    settings = config.load(file)
    people = envelopes.read_recipients(recipient)
    fingerprint = envelopes.export_key(settings.site, people, output)
    _note(settings, "site key exported", f"to {', '.join(map(str, people))}")
    typer.echo(f"{output} holds the key {fingerprint}. Keep it apart from the table and from every backup.")


def import_key(envelope: Envelope, identity: Mine, file: ConfigFile = DEFAULT) -> None:
    """Put the key of an envelope in its place, on a machine that has none."""
    from cohortium.backup import envelopes

    path = config.load(file).site.key if file.exists() else file.parent / "keys" / "site.key"
    typer.echo(f"{path} is there: the key {envelopes.import_key(envelope, identity, path)}.")


def export_table(output: Output, recipient: Recipients, file: ConfigFile = DEFAULT) -> None:
    """Write the table of correspondence, still sealed under the site's key, into an envelope for another safe."""
    from cohortium import keys
    from cohortium.backup import envelopes
    from cohortium.deidentify.rows import path_of

    settings = config.load(file)
    people = envelopes.read_recipients(recipient)
    key = keys.load(settings.site.key, settings.site.data)
    envelopes.export_table(path_of(settings.site.data), key, people, output)
    _note(settings, "table of correspondence exported", f"to {', '.join(map(str, people))}")
    typer.echo(f"{output} holds the table. It opens with the key {key.fingerprint()} alone; keep the two apart.")


def import_table(envelope: Envelope, identity: Mine, file: ConfigFile = DEFAULT) -> None:
    """Put the table of an envelope in its place, at a site that has its key and no table."""
    from cohortium import keys
    from cohortium.backup import envelopes
    from cohortium.deidentify.rows import path_of

    settings = config.load(file)
    key = keys.load(settings.site.key, settings.site.data)
    path = path_of(settings.site.data)
    envelopes.import_table(path, key, envelope, identity)
    _note(settings, "table of correspondence imported", f"under the key {key.fingerprint()}")
    typer.echo(f"{path} is there: who comes again gets the pseudonym of before.")


def _note(settings: config.Config, what: str, about: str) -> None:
    from cohortium.prove import audit
    from cohortium.store import open_store

    engine = open_store(settings)
    with engine.begin() as connection:
        audit.record(connection, getuser(), what, about)
    engine.dispose()
