"""Protocols, looked at: how two of them differ."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from cohortium.cli.options import AsJson
from cohortium.errors import ConfigError

__all__ = ["diff"]

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"

Named = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A shipped protocol, or the path of one.")]

Level = Annotated[str, typer.Option(metavar="NAME", help="Level of privacy to compare.", show_default=False)]


def diff(
    one: Named,
    other: Named,
    level: Level = "",
    other_level: Level = "",
    sop_class: Annotated[
        str, typer.Option(metavar="UID", help="SOP class to compare for; CT Image by default.")
    ] = CT_IMAGE,
    as_json: AsJson = False,
) -> None:
    """Print how two protocols differ: their rules, and what becomes of each attribute."""
    from cohortium.cli import terminal
    from cohortium.deidentify import load_protocol
    from cohortium.deidentify.difference import attributes, rules
    from cohortium.deidentify.standard import storage_sop_classes

    if sop_class not in storage_sop_classes():
        raise ConfigError(f"{sop_class} is not on the list of SOP classes")
    mine, yours = load_protocol(one, level), load_protocol(other, other_level)
    both = [
        {"protocol": each.name, "version": each.version, "level": each.level, "digest": each.digest}
        for each in (mine, yours)
    ]
    changed_rules, changed = list(rules(mine, yours)), list(attributes(mine, yours, sop_class))
    if as_json:
        parts = {"rules": changed_rules, "attributes": changed}
        listed = {name: [asdict(each) for each in part] for name, part in parts.items()}
        typer.echo(json.dumps({"one": both[0], "other": both[1], "sop_class": sop_class, **listed}, indent=2))
        return
    names = [mine.label, yours.label]
    if mine.digest == yours.digest:
        typer.echo(f"{names[0]} and {names[1]} have the same rules (sha256:{mine.digest}).")
    for title, part in (("rules", changed_rules), (storage_sop_classes()[sop_class], changed)):
        if part:
            records = [{"what": each.what, names[0]: each.one, f"{names[1]} ": each.other} for each in part]
            terminal.show(terminal.rows(title, records))
