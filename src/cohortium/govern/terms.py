"""The terms of use in force: a text file, whose digest is its version. A changed text asks everybody again."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, update

from cohortium.errors import ConfigError
from cohortium.govern.users import User
from cohortium.store.schema import user

__all__ = ["Terms", "accept", "read"]


@dataclass(frozen=True, slots=True)
class Terms:
    text: str
    digest: str

    @property
    def version(self) -> str:
        """What people read of the digest."""
        return self.digest[:12]


def read(path: Path) -> Terms:
    """The terms in this file; `ConfigError` where there are none, since a site that names terms wants them accepted."""
    try:
        text = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"serve.terms: the file cannot be read: {type(error).__name__}") from None
    if not text:
        raise ConfigError("serve.terms: the file is empty")
    return Terms(text, sha256(text.encode()).hexdigest())


def accept(connection: Connection, who: User, terms: Terms) -> None:
    """Record that the person accepted this version."""
    connection.execute(update(user).where(user.c.id == who.id).values(terms=terms.digest))
