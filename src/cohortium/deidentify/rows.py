"""One SQLite file of this package's own, for what a site must remember of its subjects.

What always holds: the file alone says nothing. Rows are found by keyed digests, their values are sealed under keys that
follow from the site's key, which lies elsewhere, and every change is one transaction that holds the write lock.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cohortium.errors import Corrupt, Unavailable

__all__ = ["open_", "path_of", "seal", "transaction"]

NONCE = 12


def path_of(data: Path) -> Path:
    """Where the file lies."""
    return data / "subjects.sqlite"


@contextmanager
def transaction(path: Path, schema: str) -> Iterator[sqlite3.Connection]:
    """The file at `path` with the tables of `schema`, locked until everything or nothing is written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as connection:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            for statement in schema.strip().split(";\n"):
                connection.execute(statement)
            yield connection
            connection.execute("COMMIT")
    except (OSError, sqlite3.OperationalError) as error:
        raise Unavailable(f"the table of correspondence cannot be used ({type(error).__name__})") from None
    except sqlite3.DatabaseError:
        raise Corrupt("the table of correspondence is no SQLite file, or damaged; restore it from a backup") from None


def seal(cipher: AESGCM, text: str, name: bytes) -> bytes:
    """The text, encrypted; it opens under the same cipher and name alone."""
    nonce = os.urandom(NONCE)
    return nonce + cipher.encrypt(nonce, text.encode(), name)


def open_(cipher: AESGCM, sealed: bytes, name: bytes) -> str:
    """What was sealed under this name; `Corrupt` where it was changed, or sealed under another key."""
    try:
        return cipher.decrypt(sealed[:NONCE], sealed[NONCE:], name).decode()
    except InvalidTag:
        raise Corrupt("a row of the table of correspondence is damaged, or sealed under another key") from None
