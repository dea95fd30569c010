"""People who may log in. A password made here is shown once, and must be replaced at the first login."""

from __future__ import annotations

from typing import Annotated

import typer

from cohortium import config
from cohortium.cli.options import DEFAULT, ConfigFile

__all__ = ["password"]


def password(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who is to log in.")],
    file: ConfigFile = DEFAULT,
) -> None:
    """Make a one-time password for a person, who is added if new; earlier passwords and logins end."""
    settings = config.load(file)

    from cohortium.govern import users
    from cohortium.store import open_store

    typer.echo(users.renew(open_store(settings.site.data), name))
