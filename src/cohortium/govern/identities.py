"""Accounts that an OpenID provider opens, known by issuer and subject alone: names and addresses change hands."""

from __future__ import annotations

import re

from sqlalchemy import Connection, insert, select

from cohortium.govern.users import COLUMNS, IS_ACTIVE, LONGEST, User, from_row
from cohortium.store.schema import identity, user

__all__ = ["free_name", "link", "whose"]


def whose(connection: Connection, issuer: str, subject: str) -> User | None:
    """The account that is linked to this identity."""
    same = identity.c.issuer == issuer, identity.c.subject == subject, IS_ACTIVE
    row = connection.execute(select(*COLUMNS).join(identity).where(*same)).one_or_none()
    return from_row(row) if row else None


def link(connection: Connection, who: User, issuer: str, subject: str) -> None:
    """Let this identity open the account from now on."""
    connection.execute(insert(identity).values(issuer=issuer, subject=subject, user_id=who.id))


def free_name(connection: Connection, wished: str) -> str:
    """A name for a new account: as it is called at the provider, with a number where that is taken."""
    plain = re.sub(r"[^\w.@-]", "", wished)[: LONGEST - 8] or "person"
    taken = set(connection.scalars(select(user.c.name).where(user.c.name.startswith(plain, autoescape=True))))
    return next(name for n in range(1, 1 << 30) if (name := plain if n == 1 else f"{plain}-{n}") not in taken)
