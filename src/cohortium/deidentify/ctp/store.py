"""What a site keeps for its scripts: lookup tables, and the running numbers that `@integer` gave.

What always holds: both lie in the file of the table of correspondence, and the file alone says nothing. A number that
was given once is given again, in every run and by every process, and no two texts of a kind get the same.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cohortium.deidentify.ctp.tables import Tables
from cohortium.deidentify.rows import open_, path_of, seal, transaction
from cohortium.errors import ConfigError
from cohortium.keys import SiteKey
from cohortium.values import Protocol

__all__ = ["Store", "tables_for"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS ctp_lookup (name BLOB PRIMARY KEY, sealed BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS ctp_integer (
    kind BLOB NOT NULL, text BLOB NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (kind, text), UNIQUE (kind, number));
"""


class Store:
    """The tables of one project's scripts."""

    def __init__(self, path: Path, key: SiteKey, project: str) -> None:
        self._path = path
        self._digests = key.derive("ctp tables", project)
        self._cipher = AESGCM(key.derive("sealing of ctp tables", project))
        self._given: dict[tuple[bytes, bytes], int] = {}

    def take(self, name: str, table: Mapping[str, str]) -> str:
        """Keep a lookup table under a name, in place of any before it; its fingerprint tells two apart."""
        text, who = json.dumps(table, sort_keys=True), self._digest("lookup", name)
        with transaction(self._path, SCHEMA) as connection:
            connection.execute("INSERT OR REPLACE INTO ctp_lookup VALUES (?, ?)", (who, seal(self._cipher, text, who)))
        return self._digest("fingerprint", text).hex()[:16]

    def lookup(self, name: str) -> Mapping[str, str]:
        """The table of that name; `ConfigError` where there is none."""
        who = self._digest("lookup", name)
        with transaction(self._path, SCHEMA) as connection:
            row = connection.execute("SELECT sealed FROM ctp_lookup WHERE name = ?", (who,)).fetchone()
        if row is None:
            raise ConfigError(f"the project has no lookup table {name!r}; run `cohortium ctp lookup` first")
        table: Mapping[str, str] = json.loads(open_(self._cipher, row[0], who))
        return table

    def integer(self, kind: str, text: str) -> int:
        """The running number of a text among those of its kind, from 1."""
        which = self._digest("kind", kind), self._digest("text", kind, text)
        if which not in self._given:
            with transaction(self._path, SCHEMA) as connection:
                query = "SELECT number FROM ctp_integer WHERE kind = ? AND text = ?"
                row = connection.execute(query, which).fetchone()
                if row is None:
                    query = "SELECT coalesce(max(number), 0) + 1 FROM ctp_integer WHERE kind = ?"
                    row = connection.execute(query, which[:1]).fetchone()
                    connection.execute("INSERT INTO ctp_integer VALUES (?, ?, ?)", (*which, row[0]))
            self._given[which] = row[0]
        return self._given[which]

    def _digest(self, *words: str) -> bytes:
        return hmac.digest(self._digests, json.dumps(words).encode(), "sha256")


def tables_for(protocol: Protocol, key: SiteKey, project: str, data: Path) -> Tables | None:
    """What the protocol's scripts need of the site whose data root is `data`; None where it has none."""
    if protocol.ctp is None:
        return None
    store = Store(path_of(data), key, project)
    return Tables(store.lookup(protocol.ctp.lookup) if protocol.ctp.lookup else {}, store.integer)
