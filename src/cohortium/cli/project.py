"""Who has which role in a project, and what it shows to who has none; each change is audited."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cohortium import config
from cohortium.cli.options import DEFAULT, AsJson, ConfigFile

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["grant", "list_roles", "revoke", "visibility"]

Project = Annotated[str, typer.Argument(metavar="PROJECT", help="The project, by its short name.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The account.")]


def grant(
    project: Project,
    name: Name,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="owner, member or collaborator.")],
    gigabytes_day: Annotated[
        int | None, typer.Option(help="Gigabytes they may read a day; 0: no limit.", min=0)
    ] = None,
    instances_day: Annotated[int | None, typer.Option(help="Images they may read a day; 0: no limit.", min=0)] = None,
    gigabytes_total: Annotated[int | None, typer.Option(help="Gigabytes altogether; 0: no limit.", min=0)] = None,
    instances_total: Annotated[int | None, typer.Option(help="Images altogether; 0: no limit.", min=0)] = None,
    file: ConfigFile = DEFAULT,
) -> None:
    """Give a person a role in a project, in place of any other there; limits not given are as configured."""
    from cohortium.govern import grants, users
    from cohortium.govern.quotas import GIGABYTE, Quota
    from cohortium.govern.roles import Role

    if role not in set(Role):
        raise typer.BadParameter("owner, member or collaborator", param_hint="ROLE")
    with _changing(file, project, f"grant {role}", f"{project}/{name}") as (connection, project_id):
        quota = Quota(
            gigabytes_day if gigabytes_day is None else gigabytes_day * GIGABYTE,
            instances_day,
            gigabytes_total if gigabytes_total is None else gigabytes_total * GIGABYTE,
            instances_total,
        )
        grants.give(connection, users.named(connection, name).id, project_id, Role(role), getuser(), quota)


def revoke(project: Project, name: Name, file: ConfigFile = DEFAULT) -> None:
    """Take away whatever role a person has in a project."""
    from cohortium.govern import grants, users

    with _changing(file, project, "revoke role", f"{project}/{name}") as (connection, project_id):
        grants.withdraw(connection, users.named(connection, name).id, project_id)


def list_roles(project: Project, as_json: AsJson = False, file: ConfigFile = DEFAULT) -> None:
    """List who has a role in a project: name, role, who gave it, since when."""
    settings = config.load(file)

    from cohortium.archive.projects import project_named
    from cohortium.govern import grants
    from cohortium.store import open_store

    with open_store(settings).begin() as connection:
        held = grants.granted(connection, project_named(connection, project)["id"])
    rows = [{"name": it.name, "role": it.role.value, "by": it.by, "since": it.since} for it in held]
    typer.echo(json.dumps(rows) if as_json else "\n".join("\t".join(row.values()) for row in rows))


def visibility(
    project: Project,
    which: Annotated[str, typer.Argument(metavar="WHICH", help="public, protected or private.")],
    file: ConfigFile = DEFAULT,
) -> None:
    """Say what a project shows to who has no role in it."""
    from cohortium.govern import grants
    from cohortium.govern.roles import Visibility

    if which not in set(Visibility):
        raise typer.BadParameter("public, protected or private", param_hint="WHICH")
    with _changing(file, project, f"make {which}", project) as (connection, project_id):
        grants.make_visible(connection, project_id, Visibility(which))


@contextmanager
def _changing(file: Path, project: str, what: str, thing: str) -> Iterator[tuple[Connection, int]]:
    """A transaction in which the project, by its id, is changed; the audit says so in the same one."""
    settings = config.load(file)

    from cohortium.archive.projects import project_named
    from cohortium.prove import audit
    from cohortium.store import open_store

    with open_store(settings).begin() as connection:
        yield connection, project_named(connection, project)["id"]
        audit.record(connection, getuser(), what, thing)
