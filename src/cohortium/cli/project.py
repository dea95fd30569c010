"""Who has which role in a project, and what it shows to who has none; each change is audited."""

from __future__ import annotations

import json
from getpass import getuser
from typing import Annotated

import typer

from cohortium import config
from cohortium.cli.options import DEFAULT, AsJson, ConfigFile

__all__ = ["grant", "list_roles", "revoke", "visibility"]

Project = Annotated[str, typer.Argument(metavar="PROJECT", help="The project, by its short name.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The account.")]


def grant(
    project: Project,
    name: Name,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="owner, member or collaborator.")],
    file: ConfigFile = DEFAULT,
) -> None:
    """Give a person a role in a project, in place of any other there."""
    settings = config.load(file)

    from cohortium.archive.projects import project_named
    from cohortium.govern import grants, users
    from cohortium.govern.roles import Role
    from cohortium.prove import audit
    from cohortium.store import open_store

    if role not in set(Role):
        raise typer.BadParameter("owner, member or collaborator", param_hint="ROLE")
    with open_store(settings).begin() as connection:
        project_id = project_named(connection, project)["id"]
        grants.give(connection, users.named(connection, name).id, project_id, Role(role), getuser())
        audit.record(connection, getuser(), f"grant {role}", f"{project}/{name}")


def revoke(project: Project, name: Name, file: ConfigFile = DEFAULT) -> None:
    """Take away whatever role a person has in a project."""
    settings = config.load(file)

    from cohortium.archive.projects import project_named
    from cohortium.govern import grants, users
    from cohortium.prove import audit
    from cohortium.store import open_store

    with open_store(settings).begin() as connection:
        project_id = project_named(connection, project)["id"]
        grants.withdraw(connection, users.named(connection, name).id, project_id)
        audit.record(connection, getuser(), "revoke role", f"{project}/{name}")


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
    settings = config.load(file)

    from cohortium.archive.projects import project_named
    from cohortium.govern import grants
    from cohortium.govern.roles import Visibility
    from cohortium.prove import audit
    from cohortium.store import open_store

    if which not in set(Visibility):
        raise typer.BadParameter("public, protected or private", param_hint="WHICH")
    with open_store(settings).begin() as connection:
        grants.make_visible(connection, project_named(connection, project)["id"], Visibility(which))
        audit.record(connection, getuser(), f"make {which}", project)
