"""API tokens: what a program shows instead of a password. The store holds SHA-256 of 256 random bits, never the token.

A token can do no more than its owner, less where its scope or its project says so, and nothing once it has expired.
It manages no people and makes no tokens. A site may show a client certificate in place of one: that is a token whose
digest is the certificate's fingerprint, so that all of this holds of it too. What is shown as text is never looked up
as a certificate, nor the other way round: a token begins with `MARK`, which no certificate does.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import ColumnElement, Connection, delete, insert, select

from cohortium.errors import Malformed, Refused
from cohortium.govern.roles import SCOPES, Scope, Standing
from cohortium.govern.users import COLUMNS, IS_ACTIVE, User, from_row
from cohortium.store import now
from cohortium.store.schema import project, token, user

__all__ = ["LONGEST", "MARK", "Token", "end", "make", "of", "of_certificate", "pin", "revoke", "whose"]

MARK = "cohortium_"  # by which scanners for leaked secrets can find one
LONGEST = 366  # days
MOST = 50  # tokens of one account


@dataclass(frozen=True, slots=True)
class Token:
    """A token as its owner sees it in a list; `project` is empty where it reaches all of the owner's."""

    id: int
    name: str
    scope: Scope
    project: str
    created: str
    expires: str

    @property
    def ended(self) -> bool:
        return self.expires <= now()


def make(connection: Connection, who: User, name: str, scope: Scope, days: int, project_id: int | None = None) -> str:
    """A new token, returned once and kept nowhere."""
    if not 1 <= days <= LONGEST:
        raise Refused(f"a token lives 1 to {LONGEST} days")
    made = MARK + secrets.token_urlsafe(32)
    _keep(connection, who, name, scope, _digest(made.encode()), datetime.now(UTC) + timedelta(days=days), project_id)
    return made


def pin(connection: Connection, who: User, name: str, scope: Scope, pem: bytes, project_id: int | None = None) -> str:
    """Let this certificate stand for a token of a site until it ends by itself; returns its fingerprint (SHA-256)."""
    if who.standing is not Standing.SITE:
        raise Refused("a certificate stands for a site alone; a person logs in, or shows a token")
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise Malformed("no certificate (PEM) is in the file") from None
    ends = certificate.not_valid_after_utc
    if ends <= datetime.now(UTC):
        raise Refused("the certificate has ended; make a new one")
    fingerprint = _digest(certificate.public_bytes(Encoding.DER))
    if connection.scalar(select(token.c.id).where(token.c.digest == fingerprint)) is not None:
        raise Refused("the certificate stands for a site already")
    _keep(connection, who, name, scope, fingerprint, ends, project_id)
    return fingerprint


def _keep(
    connection: Connection, who: User, name: str, scope: Scope, digest: str, ends: datetime, project_id: int | None
) -> None:
    if not 1 <= len(name) <= 64 or not name.isprintable() or name != name.strip():
        raise Refused("a token's name has 1 to 64 characters that can be seen; name it by where it will be used")
    held = {each.name for each in of(connection, who)}
    if name in held:
        raise Refused("you have a token of that name; revoke it first, or choose another name")
    if len(held) >= MOST:
        raise Refused(f"an account has at most {MOST} tokens; revoke one first")
    values = {"name": name, "scope": scope.value, "project_id": project_id, "created": now()}
    values["expires"] = ends.isoformat(timespec="microseconds")
    connection.execute(insert(token).values(user_id=who.id, digest=digest, **values))


def of(connection: Connection, who: User) -> list[Token]:
    """The person's tokens, newest first, ended ones too."""
    rows = connection.execute(
        select(token, project.c.name.label("project"))
        .outerjoin(project, project.c.id == token.c.project_id)
        .where(token.c.user_id == who.id)
        .order_by(token.c.id.desc())
    )
    return [Token(row.id, row.name, Scope(row.scope), row.project or "", row.created, row.expires) for row in rows]


def revoke(connection: Connection, who: User, token_id: int) -> str | None:
    """End a token of this person; its name, or None where there is no such token."""
    ended = delete(token).where(token.c.id == token_id, token.c.user_id == who.id).returning(token.c.name)
    return connection.execute(ended).scalar_one_or_none()


def end(connection: Connection, shown: str) -> str | None:
    """End this token, whosever it is; its name, or None where there is no such token."""
    ended = delete(token).where(token.c.digest == _digest(shown.encode())).returning(token.c.name)
    return connection.execute(ended).scalar_one_or_none()


def whose(connection: Connection, shown: str) -> User | None:
    """The account behind a token that is still good, with no more rights than the token."""
    return _behind(connection, shown.encode(), "token") if shown.startswith(MARK) else None


def of_certificate(connection: Connection, der: bytes) -> User | None:
    """The site behind a certificate, whose holder proved to have its key; likewise."""
    is_site = user.c.standing == Standing.SITE.value
    return None if der.startswith(MARK.encode()) else _behind(connection, der, "certificate", is_site)


def _behind(connection: Connection, shown: bytes, by: str, *more: ColumnElement[bool]) -> User | None:
    row = connection.execute(
        select(*COLUMNS, token.c.scope, token.c.project_id)
        .join(token, token.c.user_id == user.c.id)
        .where(token.c.digest == _digest(shown), token.c.expires > now(), IS_ACTIVE, *more)
    ).one_or_none()
    return replace(from_row(row, scope=SCOPES[Scope(row.scope)], only=row.project_id), by=by) if row else None


def _digest(shown: bytes) -> str:
    return sha256(shown).hexdigest()
