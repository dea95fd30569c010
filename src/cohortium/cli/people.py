"""People who may log in, and the tokens of their programs. What is made here is shown once."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cohortium import config
from cohortium.cli.options import DEFAULT, AsJson, ConfigFile

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = [
    "add",
    "delete",
    "disable",
    "enable",
    "list_accounts",
    "list_tokens",
    "make_token",
    "password",
    "revoke_token",
    "standing",
]

PUBLIC_KEY = re.compile(r"[0-9a-f]{64}")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The account.")]
Certificate = Annotated[
    Path | None,
    typer.Option(help="Certificate (PEM) that the site shows in place of a token.", exists=True, dir_okay=False),
]
Label = Annotated[str, typer.Argument(metavar="LABEL", help="The token, by where it is used.")]


def password(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who is to log in.")],
    file: ConfigFile = DEFAULT,
) -> None:
    """Make a one-time password for a person, who is added if new; earlier passwords, logins and tokens end."""
    settings = config.load(file)

    from cohortium.govern import users
    from cohortium.store import open_store

    typer.echo(users.renew(open_store(settings), name))


def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of a person; of a site, its site.name.")],
    site: Annotated[bool, typer.Option("--site", help="It is a site, which hands over with its receipts.")] = False,
    key: Annotated[str, typer.Option(metavar="HEX", help="The site's public key: `cohortium key public`.")] = "",
    project: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Where the site may deposit.")] = None,
    days: Annotated[int, typer.Option(help="Days until a site's token ends.", min=1, max=366)] = 366,
    certificate: Certificate = None,
    file: ConfigFile = DEFAULT,
) -> None:
    """Add a person, and print a one-time password; or a site, enrol its key, and print its token, this once.

    With a certificate, a site gets no token, and the certificate's fingerprint is printed.
    """
    settings = config.load(file)

    from cohortium.govern import users
    from cohortium.prove import audit
    from cohortium.store import open_store

    engine = open_store(settings)
    if not site:
        with engine.begin() as connection:
            typer.echo(users.create(connection, name))
            audit.record(connection, getuser(), "add person", name)
        return
    if not PUBLIC_KEY.fullmatch(key):
        raise typer.BadParameter("64 hexadecimal digits, as `cohortium key public` prints", param_hint="--key")
    with engine.begin() as connection:
        typer.echo(_site(connection, name, key, project or [], days, certificate))
        audit.record(connection, getuser(), "add site", name)


def _site(
    connection: Connection, name: str, key: str, names: Sequence[str], days: int, certificate: Path | None
) -> str:
    """The token of a new account for the site, or the fingerprint of its certificate."""
    from cohortium.archive import projects
    from cohortium.govern import grants, tokens, users
    from cohortium.govern.roles import Role, Scope

    projects.enrol(connection, name, key)
    users.create_site(connection, name)
    who = users.named(connection, name)
    for each in names:
        grants.give(connection, who.id, projects.project_named(connection, each)["id"], Role.MEMBER, getuser())
    if certificate:
        return tokens.pin(connection, who, "gateway", Scope.WRITE, certificate.read_bytes())
    return tokens.make(connection, who, "gateway", Scope.WRITE, days)


def standing(
    name: Name,
    what: Annotated[str, typer.Argument(metavar="WHAT", help="administrator, committee, maintainer, manager, person.")],
    file: ConfigFile = DEFAULT,
) -> None:
    """Say what an account is to the whole site."""
    settings = config.load(file)

    from cohortium.govern import users
    from cohortium.govern.roles import Standing
    from cohortium.prove import audit
    from cohortium.store import open_store

    if what not in set(Standing) - {Standing.GUEST, Standing.SITE}:
        raise typer.BadParameter("one of administrator, committee, maintainer, manager, person", param_hint="WHAT")
    with open_store(settings).begin() as connection:
        users.stand(connection, name, Standing(what))
        audit.record(connection, getuser(), f"make {what}", name)


def list_accounts(as_json: AsJson = False, file: ConfigFile = DEFAULT) -> None:
    """List the accounts: name, standing, state, e-mail address, who vouched."""
    settings = config.load(file)

    from cohortium.govern import users
    from cohortium.store import open_store

    with open_store(settings).begin() as connection:
        rows = [asdict(each) for each in users.accounts(connection)]
    typer.echo(json.dumps(rows) if as_json else "\n".join("\t".join(row.values()) for row in rows))


def disable(name: Name, file: ConfigFile = DEFAULT) -> None:
    """Shut an account: its logins and tokens end at once, its roles wait."""
    _make("disabled", name, file)


def enable(name: Name, file: ConfigFile = DEFAULT) -> None:
    """Open an account that was disabled."""
    _make("active", name, file)


def delete(name: Name, file: ConfigFile = DEFAULT) -> None:
    """Delete an account for ever: roles, tokens, logins and e-mail address go; its name stays, in the audit alone."""
    _make("deleted", name, file)


def _make(state: str, name: str, file: Path) -> None:
    settings = config.load(file)

    from cohortium.govern import users
    from cohortium.prove import audit
    from cohortium.store import open_store

    with open_store(settings).begin() as connection:
        users.make(connection, name, users.State(state))
        audit.record(connection, getuser(), f"account {state}", name)


def make_token(
    name: Name,
    label: Label,
    scope: Annotated[str, typer.Option(metavar="read|write", help="What it may be used for.")] = "read",
    project: Annotated[str, typer.Option(metavar="NAME", help="The one project it opens; else all.")] = "",
    days: Annotated[int, typer.Option(help="Days until it ends.", min=1, max=366)] = 90,
    certificate: Certificate = None,
    file: ConfigFile = DEFAULT,
) -> None:
    """Make an API token for an account and print it, this once; or let a site's certificate stand for one."""
    settings = config.load(file)

    from cohortium.govern import grants, tokens, users
    from cohortium.govern.roles import May, Scope
    from cohortium.prove import audit
    from cohortium.store import open_store

    if scope not in set(Scope):
        raise typer.BadParameter("read or write", param_hint="--scope")
    with open_store(settings).begin() as connection:
        who = users.named(connection, name)
        only = grants.id_of(connection, who, project, May.READ) if project else None
        if certificate:
            made = tokens.pin(connection, who, label, Scope(scope), certificate.read_bytes(), only)
        else:
            made = tokens.make(connection, who, label, Scope(scope), days, only)
        audit.record(connection, getuser(), "pin certificate" if certificate else "make token", name)
    typer.echo(made)


def list_tokens(name: Name, as_json: AsJson = False, file: ConfigFile = DEFAULT) -> None:
    """List the tokens of an account: what each may do, where, and until when."""
    settings = config.load(file)

    from cohortium.govern import tokens, users
    from cohortium.store import open_store

    with open_store(settings).begin() as connection:
        held = tokens.of(connection, users.named(connection, name))
    rows = [{"name": it.name, "scope": it.scope.value, "project": it.project, "expires": it.expires} for it in held]
    typer.echo(json.dumps(rows) if as_json else "\n".join("\t".join(row.values()) for row in rows))


def revoke_token(name: Name, label: Label, file: ConfigFile = DEFAULT) -> None:
    """End a token at once."""
    settings = config.load(file)

    from cohortium.errors import Refused
    from cohortium.govern import tokens, users
    from cohortium.prove import audit
    from cohortium.store import open_store

    with open_store(settings).begin() as connection:
        who = users.named(connection, name)
        token_id = next((each.id for each in tokens.of(connection, who) if each.name == label), None)
        if token_id is None:
            raise Refused(f"{name} has no token of that name; see `cohortium user token list {name}`")
        tokens.revoke(connection, who, token_id)
        audit.record(connection, getuser(), "revoke token", name)
