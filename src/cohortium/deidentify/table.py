"""The table of correspondence: who bears which pseudonym, in one SQLite file of this package's own.

What always holds: the file alone says nothing. Rows are found by keyed digests and their values are sealed under keys
that follow from the site's key, which lies elsewhere. Assigning is one transaction that holds the write lock, so
however many processes meet a new patient, one pseudonym is given, and no two patients get the same.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cohortium.config import Site
from cohortium.deidentify import secret as secrets_
from cohortium.deidentify.identifiers import Pseudonyms
from cohortium.deidentify.names import name_keys
from cohortium.deidentify.secret import Secret
from cohortium.deidentify.subjectrule import TABLED
from cohortium.deidentify.subjects import Known, Patient, foreign
from cohortium.errors import ConfigError, Corrupt, Refused, Unavailable
from cohortium.keys import SiteKey
from cohortium.values import Protocol, SubjectRule

__all__ = ["Table", "means", "open_", "path_of", "seal", "transaction"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS subject (
    scope TEXT NOT NULL, mark TEXT NOT NULL, given BLOB NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (scope, mark));
CREATE INDEX IF NOT EXISTS subject_given ON subject (scope, given);
CREATE TABLE IF NOT EXISTS person (who BLOB PRIMARY KEY, sealed BLOB NOT NULL);
"""
NONCE = 12
LONGEST = 64  # characters of a PatientID (LO)


class Table:
    """The table of one project, as `rule` fills it; `site` is for naming conventions.

    Where dates are `anchored`, nobody is known before an examination is.
    """

    def __init__(
        self,
        path: Path,
        key: SiteKey,
        project: str,
        rule: SubjectRule,
        site: str,
        own_issuer: str = "",
        *,
        anchored: bool = False,
    ) -> None:
        self._path = path
        self._project = project
        self._scope = f"{project} {rule.kind}"  # so that a list holds nobody whom another kind assigned
        self._rule = rule
        self._anchored = anchored
        self._site = site
        self._own_issuer = own_issuer
        self._marks = Pseudonyms(key, project, self._rule.length)
        context = self._rule.context or project
        self._contexts = Pseudonyms(key, context, self._rule.length, label="context pseudonyms")
        self._cipher = AESGCM(key.derive("table of correspondence", project))
        self._given = key.derive("given pseudonyms", project)
        self._people, self._person_cipher = key.derive("people"), AESGCM(key.derive("sealing of people"))
        self._cache: dict[str, Known] = {}

    def admit(self, patient: Patient) -> Mapping[str, Known]:
        """What is known of the patient, by mark; assigned now if the kind assigns and this is the first time."""
        mark = self._mark(patient)
        if mark not in self._cache:
            with transaction(self._path, SCHEMA) as connection:
                known = self._find(connection, mark)
                if self._anchored and not patient.examined and not (known and known.first):
                    return {}
                if known is None and self._rule.kind != "lookup":
                    known = self._assign(connection, mark, patient)
                elif known and not known.first:
                    known = replace(known, first=_first(patient))
                    self._put(connection, mark, patient, known)
            if known is None:
                return {}
            self._cache[mark] = known
        return {mark: self._cache[mark]}

    def look(self, patient: Patient) -> Mapping[str, Known]:
        """What is known of the patient, by mark; assigns nothing."""
        mark = self._mark(patient)
        with transaction(self._path, SCHEMA) as connection:
            known = self._find(connection, mark)
        return {mark: known} if known else {}

    def take(self, rows: Iterable[tuple[Patient, str]]) -> int:
        """Put in pseudonyms that were given elsewhere; all of them or, where one contradicts the table, none."""
        count = 0
        with transaction(self._path, SCHEMA) as connection:
            for patient, pseudonym in rows:
                mark = self._mark(patient)
                known = self._find(connection, mark)
                if known is not None and known.pseudonym != pseudonym:
                    raise Refused("a patient of the list has another pseudonym already; nothing was taken over")
                if known is None:
                    if self._is_given(connection, pseudonym):
                        raise Refused("the list gives one pseudonym to two patients; nothing was taken over")
                    self._put(connection, mark, patient, Known(pseudonym))
                    count += 1
        return count

    def link(self, pseudonym: str, other: Table) -> str | None:
        """The pseudonym in the context of `other` of who bears this one here; a walk that needs the site's key."""
        with transaction(self._path, SCHEMA) as connection:
            for who, sealed in connection.execute("SELECT who, sealed FROM person"):
                person = open_(self._person_cipher, sealed, who)
                if self._contexts.pseudonym(person) == pseudonym:
                    return other._contexts.pseudonym(person)
        return None

    def _assign(self, connection: sqlite3.Connection, mark: str, patient: Patient) -> Known:
        first = _first(patient)
        match self._rule.kind:
            case "context":
                person, merged = self._person(connection, patient)
                pseudonym = self._contexts.pseudonym(person)
                known = Known(pseudonym, self._first_of(connection, pseudonym) or first, merged)
            case "convention":
                known = Known(self._numbered(connection), first)
            case _:
                known = Known(self._random(connection), first)
        self._put(connection, mark, patient, known)
        return known

    def _random(self, connection: sqlite3.Connection) -> str:
        while True:
            text = base64.b32encode(secrets.token_bytes(LONGEST)).decode("ascii")[: self._rule.length]
            if not self._is_given(connection, text):
                return text

    def _numbered(self, connection: sqlite3.Connection) -> str:
        query = "SELECT count(*) FROM subject WHERE scope = ?"
        (number,) = connection.execute(query, (self._scope,)).fetchone()
        while True:
            number += 1
            digits = f"{number:0{self._rule.digits}}"
            text = self._rule.pattern.format(project=self._project, site=self._site, number=digits)
            if len(text) > LONGEST:
                raise ConfigError(f"the naming convention makes more than {LONGEST} characters; shorten its pattern")
            if not self._is_given(connection, text):
                return text

    def _person(self, connection: sqlite3.Connection, patient: Patient) -> tuple[str, str]:
        """Who the patient is in every context, and by what they were recognised under another identifier."""
        keys = [
            ("id", self._who("id", self._marks.identity(patient.patient_id, foreign(patient.issuer, self._own_issuer))))
        ]
        keys += [
            (kind, self._who(kind, text)) for kind, text in name_keys(patient.name, patient.birth_date, patient.sex)
        ]
        person, merged = secrets.token_hex(16), ""
        for kind, who in keys:
            row = connection.execute("SELECT sealed FROM person WHERE who = ?", (who,)).fetchone()
            if row:
                person, merged = open_(self._person_cipher, row[0], who), "" if kind == "id" else kind
                break
        for _, who in keys:
            sealed = seal(self._person_cipher, person, who)
            connection.execute("INSERT OR IGNORE INTO person VALUES (?, ?)", (who, sealed))
        return person, merged

    def _mark(self, patient: Patient) -> str:
        return self._marks.mark(patient.patient_id, foreign(patient.issuer, self._own_issuer))

    def _who(self, kind: str, text: str) -> bytes:
        return hmac.digest(self._people, json.dumps([kind, text]).encode(), "sha256")

    def _find(self, connection: sqlite3.Connection, mark: str) -> Known | None:
        query = "SELECT sealed FROM subject WHERE scope = ? AND mark = ?"
        row = connection.execute(query, (self._scope, mark)).fetchone()
        if row is None:
            return None
        entry = json.loads(open_(self._cipher, row[0], mark.encode()))
        return Known(entry["pseudonym"], entry["first"], entry["merged"])

    def _is_given(self, connection: sqlite3.Connection, pseudonym: str) -> bool:
        query = "SELECT 1 FROM subject WHERE scope = ? AND given = ?"
        return connection.execute(query, (self._scope, self._digest(pseudonym))).fetchone() is not None

    def _put(self, connection: sqlite3.Connection, mark: str, patient: Patient, known: Known) -> None:
        entry = asdict(known) | {"patient_id": patient.patient_id, "issuer": patient.issuer}
        sealed = seal(self._cipher, json.dumps(entry), mark.encode())
        row = (self._scope, mark, self._digest(known.pseudonym), sealed)
        connection.execute("INSERT OR REPLACE INTO subject VALUES (?, ?, ?, ?)", row)

    def _first_of(self, connection: sqlite3.Connection, pseudonym: str) -> str:
        """The first examination of a person who may be known by another identifier."""
        query = "SELECT mark FROM subject WHERE scope = ? AND given = ?"
        marks = connection.execute(query, (self._scope, self._digest(pseudonym))).fetchall()
        found = (self._find(connection, mark) for (mark,) in marks)
        return next((known.first for known in found if known and known.first), "")

    def _digest(self, pseudonym: str) -> bytes:
        return hmac.digest(self._given, pseudonym.encode(), "sha256")


@contextmanager
def transaction(path: Path, schema: str) -> Iterator[sqlite3.Connection]:
    """Everything or nothing, in the file at `path`, while nobody else writes."""
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


def _first(patient: Patient) -> str:
    return patient.examined.isoformat() if patient.examined else ""


def path_of(data: Path) -> Path:
    """Where the table lies."""
    return data / "subjects.sqlite"


def means(site: Site, key: SiteKey, project: str, protocol: Protocol) -> tuple[Secret | None, Table | None]:
    """What the protocol's kind of subject needs beside the site's key: a secret, a table, or neither."""
    kind = protocol.subject.kind
    secret = secrets_.load(secrets_.path_of(site.key, project)) if kind == "hash" else None
    if kind not in TABLED:
        return secret, None
    anchored = protocol.dates.rule == "anchor"
    path = path_of(site.data)
    return secret, Table(path, key, project, protocol.subject, site.name, site.issuer, anchored=anchored)


def seal(cipher: AESGCM, text: str, name: bytes) -> bytes:
    """A text that only who has the key can read, and only under the name it was given."""
    nonce = os.urandom(NONCE)
    return nonce + cipher.encrypt(nonce, text.encode(), name)


def open_(cipher: AESGCM, sealed: bytes, name: bytes) -> str:
    """What `seal` was given."""
    try:
        return cipher.decrypt(sealed[:NONCE], sealed[NONCE:], name).decode()
    except InvalidTag:
        raise Corrupt("a row of the table of correspondence is damaged, or sealed under another key") from None
