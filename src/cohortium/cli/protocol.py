"""Protocols: how two of them differ, who may work under which, and what another would change in what waits here."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from getpass import getpass, getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cohortium import config
from cohortium.cli.options import DEFAULT, AsJson, ConfigFile
from cohortium.errors import ConfigError, Refused

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from cohortium.govern.approvals import Approval
    from cohortium.govern.users import User

__all__ = ["approve", "compare", "diff", "list_", "retire", "submit"]

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"

Named = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A shipped protocol, or the path of one.")]

Level = Annotated[str, typer.Option(metavar="NAME", help="Level of privacy to compare.", show_default=False)]

Digest = Annotated[str, typer.Argument(metavar="DIGEST", help="Of the protocol's rules, or its first characters.")]
Who = Annotated[str, typer.Option("--user", metavar="NAME", help="Your account; its password is asked for.")]


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


def compare(
    one: Named,
    other: Named,
    held: Annotated[str, typer.Option(metavar="PIPELINE", help="The pipeline on whose data here both are tried.")],
    level: Level = "",
    other_level: Level = "",
    items: Annotated[int, typer.Option(help="How many items to try, spread over all that are here.", min=1)] = 50,
    file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Try two protocols on data that waits here, and print what would differ: attributes and counts, never a value."""
    settings = config.load(file)

    from cohortium import keys
    from cohortium.cli import terminal
    from cohortium.deidentify import load_protocol
    from cohortium.gateway import rehearsal
    from cohortium.prove import audit
    from cohortium.spool import Spool
    from cohortium.store import open_store

    both = load_protocol(one, level), load_protocol(other, other_level)
    key, engine = keys.load(settings.site.key, settings.site.data), open_store(settings)
    with engine.begin() as connection:
        audit.record(connection, getuser(), "try protocol", f"{held} {both[1].digest}")
    found = rehearsal.compare(settings, key, Spool(engine, settings.site.data / "spool", key), held, both, items)
    names = [both[0].label, f"{both[1].label} "]  # two versions may bear one label
    changed = [
        {"attribute": name, names[0]: mine, names[1]: yours, "items": str(count)}
        for (name, mine, yours), count in found.attributes.most_common()
    ]
    ends = [{names[0]: mine, names[1]: yours, "items": str(count)} for (mine, yours), count in found.ends.most_common()]
    if as_json:
        parts = {
            "attributes": [[*what, count] for what, count in found.attributes.most_common()],
            "ends": [[*what, count] for what, count in found.ends.most_common()],
        }
        typer.echo(json.dumps({"items": found.items, **parts}, indent=2))
        return
    typer.echo(f"{found.items} items were tried.")
    for title, part in (("What becomes of them", ends), ("Attributes that differ", changed)):
        if part:
            terminal.show(terminal.rows(title, part))


def submit(protocol: Named, who: Who, level: Level = "", file: ConfigFile = DEFAULT) -> None:
    """Offer a protocol for approval, as its author; prints its digest."""
    settings = config.load(file)

    from cohortium.deidentify import load_protocol
    from cohortium.govern import approvals
    from cohortium.store import open_store

    loaded = load_protocol(Path(protocol) if protocol.endswith(".toml") else protocol, level)
    engine = open_store(settings)
    author = _in_person(engine, who)
    with engine.begin() as connection:
        approvals.submit(connection, loaded.digest, loaded.label, author)
    typer.echo(loaded.digest)


def approve(digest: Digest, who: Who, file: ConfigFile = DEFAULT) -> None:
    """Approve a protocol that somebody else submitted; what waited for it goes on."""
    _conclude("approve", digest, who, file)


def retire(digest: Digest, who: Who, file: ConfigFile = DEFAULT) -> None:
    """Let nothing more go on under a protocol, for ever."""
    _conclude("retire", digest, who, file)


def list_(as_json: AsJson = False, file: ConfigFile = DEFAULT) -> None:
    """List the protocols that were submitted: draft, approved or retired, by whom and when."""
    settings = config.load(file)

    from cohortium.cli import terminal
    from cohortium.govern import approvals
    from cohortium.store import open_store

    with open_store(settings).begin() as connection:
        found = approvals.listed(connection)
    if as_json:
        typer.echo(json.dumps([asdict(each) | {"phase": each.phase} for each in found], indent=2))
    elif found:
        terminal.show(terminal.rows("Protocols", [_row(each) for each in found]))
    else:
        typer.echo("No protocol was submitted.")


def _conclude(what: str, digest: str, who: str, file: Path) -> None:
    settings = config.load(file)

    from cohortium import keys
    from cohortium.govern import approvals
    from cohortium.store import open_store

    engine, signer = open_store(settings), keys.load(settings.site.key, settings.site.data).signer()
    person = _in_person(engine, who)
    with engine.begin() as connection:
        act = approvals.approve if what == "approve" else approvals.retire
        made = act(connection, signer, digest, person)
    typer.echo(f"{made.name}: {made.phase}")


def _in_person(engine: Engine, name: str) -> User:
    """The account, once its password was typed again."""
    from cohortium.govern import users

    password = getpass(f"Password of {name}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    found = users.authenticate(engine, name, password, first=False)
    if found is None:
        raise Refused("name and password do not open an account; a one-time password must have been replaced first")
    return found


def _row(made: Approval) -> dict[str, str]:
    row = {"digest": made.digest[:12], "protocol": made.name, "phase": str(made.phase), "author": made.author}
    return row | {"approver": made.approver, "approved": made.approved[:16], "retired": made.retired[:16]}
