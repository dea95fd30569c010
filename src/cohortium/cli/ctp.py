"""Looking at the scripts of RSNA CTP that a hospital has, and turning them into protocols."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cohortium import config
from cohortium.cli.options import DEFAULT, AsJson, ConfigFile

__all__ = ["convert", "explain", "lookup"]

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"

ScriptFile = Annotated[Path, typer.Argument(metavar="SCRIPT", help="A DicomAnonymizer script, XML or properties.")]
SopClass = Annotated[str, typer.Option(metavar="UID", help="SOP class to hold it to; CT Image by default.")]


def explain(
    script: ScriptFile,
    leaks: Annotated[bool, typer.Option("--leaks", help="Show only what leaks by the standard.")] = False,
    sop_class: SopClass = CT_IMAGE,
    as_json: AsJson = False,
) -> None:
    """Show what a CTP script does to each attribute, where it leaks by the standard, and what happens instead."""
    from cohortium.deidentify import load_protocol
    from cohortium.deidentify.ctp import read
    from cohortium.deidentify.ctp.explain import explain as explained

    read_script = read(script)
    basic = load_protocol("basic")
    lines = [asdict(line) for line in explained(read_script, basic, _known(sop_class))]
    leaking = sum(bool(line["leak"]) for line in lines)
    shown = [line for line in lines if line["leak"]] if leaks else lines
    remarks = {"problems": [asdict(each) for each in read_script.problems]}
    remarks["notes"] = [asdict(each) for each in read_script.notes]
    if as_json:
        typer.echo(json.dumps({**remarks, "leaks": leaking, "attributes": shown}, indent=2))
        return

    from cohortium.cli import terminal

    for kind, problems in remarks.items():
        for each in problems:
            typer.echo(f"{kind.removesuffix('s')}, line {each['line']}: {each['text']}")
    title = f"{len(read_script.rules)} rules; {leaking} attributes leak by {basic.title}"
    rows = [{key: str(value or "") for key, value in line.items()} for line in shown]
    terminal.show(terminal.rows(title, rows) if rows else title)


def convert(
    script: ScriptFile,
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the protocol.")] = "from-ctp",
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write it; shown if left out.")] = None,
    sop_class: SopClass = CT_IMAGE,
    as_json: AsJson = False,
) -> None:
    """Write a CTP script as a protocol, as far as its [elements] can say it, and list what they cannot."""
    from cohortium.deidentify import load_protocol
    from cohortium.deidentify.ctp import read
    from cohortium.deidentify.ctp.convert import convert as converted

    result = converted(read(script), name, load_protocol("basic"), _known(sop_class))
    if output is not None:
        _write(output, result.toml)
    if as_json:
        left: list[dict[str, Any]] = [asdict(each) for each in result.left]
        typer.echo(json.dumps({"protocol": result.toml, "left": left}, indent=2))
        return
    if output is None:
        typer.echo(result.toml)
    for each in result.left:
        typer.echo(f"not in it: {each if each.line else each.text}", err=True)


def lookup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A lookup table of CTP: lines such as ptid/1001=ABC-7.")],
    project: Annotated[str, typer.Option(metavar="NAME", help="The project whose protocol names it.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="The name that the protocol gives it in [ctp].")],
    config_file: ConfigFile = DEFAULT,
) -> None:
    """Take a lookup table of CTP, encrypted, in place of any of that name; print its fingerprint."""
    from cohortium import keys
    from cohortium.deidentify.ctp import read_lookup
    from cohortium.deidentify.ctp.store import Store
    from cohortium.deidentify.rows import path_of

    site = config.load(config_file).site
    key = keys.load(site.key, site.data)
    table = read_lookup(file)
    fingerprint = Store(path_of(site.data), key, project).take(name, table)
    typer.echo(f"{len(table)} entries; fingerprint {fingerprint}.")


def _known(sop_class: str) -> str:
    from cohortium.deidentify.standard import storage_sop_classes
    from cohortium.errors import ConfigError

    if sop_class not in storage_sop_classes():
        raise ConfigError(f"{sop_class} is not on the list of SOP classes")
    return sop_class


def _write(path: Path, text: str) -> None:
    from cohortium.errors import Unavailable

    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}") from None
