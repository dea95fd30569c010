"""The table of correspondence: who bears which pseudonym.

What always holds: assigning is one transaction that holds the write lock, so however many processes meet a new patient,
one pseudonym is given, and no two patients get the same, unless somebody who holds the key merged them.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cohortium.config import Site
from cohortium.deidentify import secret as secrets_
from cohortium.deidentify.identifiers import Pseudonyms
from cohortium.deidentify.names import name_keys
from cohortium.deidentify.rows import open_, path_of, seal, transaction
from cohortium.deidentify.secret import Secret
from cohortium.deidentify.subjectrule import TABLED
from cohortium.deidentify.subjects import Known, Patient, foreign
from cohortium.errors import ConfigError, Refused
from cohortium.keys import SiteKey
from cohortium.values import Protocol, SubjectRule

__all__ = ["Table", "means"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS subject (
    scope TEXT NOT NULL, mark TEXT NOT NULL, given BLOB NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (scope, mark));
CREATE INDEX IF NOT EXISTS subject_given ON subject (scope, given);
CREATE TABLE IF NOT EXISTS person (who BLOB PRIMARY KEY, sealed BLOB NOT NULL);
"""
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
            for _, person in self._persons(connection):
                if self._contexts.pseudonym(person) == pseudonym:
                    return other._contexts.pseudonym(person)
        return None

    def merge(self, pseudonym: str, duplicate: str) -> int:
        """Make who bears `duplicate` the one who bears `pseudonym`, from now on; the number of identifiers moved.

        For who holds the key and knows that two subjects are one person. Contexts met later know one person too;
        what was given out before, here and elsewhere, stays as it is.
        """
        with transaction(self._path, SCHEMA) as connection:
            kept, moved = (dict(self._bearers(connection, each)) for each in (pseudonym, duplicate))
            if not kept or not moved or pseudonym == duplicate:
                raise Refused("two subjects of this project are needed, by their pseudonyms; nothing was changed")
            first = next(iter(kept.values()))["first"]
            for mark, entry in (kept | moved).items():
                changes = {} if mark in kept else {"pseudonym": pseudonym, "first": first, "merged": "hand", "like": ""}
                resolved = {"like": ""} if entry["like"] in (pseudonym, duplicate) else {}
                self._write(connection, mark, entry | changes | resolved)
            people = {self._contexts.pseudonym(person): person for _, person in self._persons(connection)}
            for who, person in list(self._persons(connection)) if pseudonym in people else ():
                if person == people.get(duplicate):
                    sealed = seal(self._person_cipher, people[pseudonym], who)
                    connection.execute("UPDATE person SET sealed = ? WHERE who = ?", (sealed, who))
        self._cache.clear()
        return len(moved)

    def candidates(self) -> list[tuple[str, str]]:
        """Pairs of pseudonyms that may be one person: an earlier one, and the one whose name sounds like it."""
        with transaction(self._path, SCHEMA) as connection:
            query = "SELECT mark, sealed FROM subject WHERE scope = ?"
            entries = [self._read(mark, sealed) for mark, sealed in connection.execute(query, (self._scope,))]
        return sorted({(entry["like"], entry["pseudonym"]) for entry in entries if entry["like"]})

    def _assign(self, connection: sqlite3.Connection, mark: str, patient: Patient) -> Known:
        first = _first(patient)
        match self._rule.kind:
            case "context":
                person, merged, like = self._person(connection, patient)
                pseudonym = self._contexts.pseudonym(person)
                alike = self._contexts.pseudonym(like) if like else ""
                known = Known(pseudonym, self._first_of(connection, pseudonym) or first, merged, alike)
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

    def _person(self, connection: sqlite3.Connection, patient: Patient) -> tuple[str, str, str]:
        """Who the patient is in every context, by what they were recognised, and who else they may be.

        The same name, birth date and sex are one person under two identifiers. A name that sounds alike is not, nor is
        one that two people bear: that is for somebody to judge.
        """
        issuer = foreign(patient.issuer, self._own_issuer)
        keys = [("id", self._who("id", self._marks.identity(patient.patient_id, issuer)))]
        if not self._rule.elsewhere:  # else the name is a registry's, and may be everybody's
            about = name_keys(patient.name, patient.birth_date, patient.sex)
            keys += [(kind, self._who(kind, text)) for kind, text in about]
        found = [(kind, each) for kind, who in keys if (each := self._known_person(connection, who))]
        known = next((each for kind, each in found if kind == "id"), "")
        namesakes = {each for kind, each in found if kind == "name"}
        merged = namesakes.pop() if not known and len(namesakes) == 1 else ""
        like = next((each for _, each in found), "") if not known and not merged else ""
        person = known or merged or secrets.token_hex(16)
        for _, who in keys:
            row = (who, seal(self._person_cipher, person, who))
            connection.execute("INSERT OR IGNORE INTO person VALUES (?, ?)", row)
        return person, "name" if merged else "", like

    def _known_person(self, connection: sqlite3.Connection, who: bytes) -> str:
        row = connection.execute("SELECT sealed FROM person WHERE who = ?", (who,)).fetchone()
        return open_(self._person_cipher, row[0], who) if row else ""

    def _persons(self, connection: sqlite3.Connection) -> Iterator[tuple[bytes, str]]:
        for who, sealed in connection.execute("SELECT who, sealed FROM person"):
            yield who, open_(self._person_cipher, sealed, who)

    def _mark(self, patient: Patient) -> str:
        return self._marks.mark(patient.patient_id, foreign(patient.issuer, self._own_issuer))

    def _who(self, kind: str, text: str) -> bytes:
        return hmac.digest(self._people, json.dumps([kind, text]).encode(), "sha256")

    def _find(self, connection: sqlite3.Connection, mark: str) -> Known | None:
        query = "SELECT sealed FROM subject WHERE scope = ? AND mark = ?"
        row = connection.execute(query, (self._scope, mark)).fetchone()
        entry = self._read(mark, row[0]) if row else None
        return Known(entry["pseudonym"], entry["first"], entry["merged"], entry["like"]) if entry else None

    def _read(self, mark: str, sealed: bytes) -> dict[str, str]:
        entry: dict[str, str] = json.loads(open_(self._cipher, sealed, mark.encode()))
        return {"like": ""} | entry

    def _bearers(self, connection: sqlite3.Connection, pseudonym: str) -> Iterator[tuple[str, dict[str, str]]]:
        """What is known of each identifier whose bearer has the pseudonym, by mark."""
        query = "SELECT mark, sealed FROM subject WHERE scope = ? AND given = ?"
        for mark, sealed in connection.execute(query, (self._scope, self._digest(pseudonym))):
            yield mark, self._read(mark, sealed)

    def _is_given(self, connection: sqlite3.Connection, pseudonym: str) -> bool:
        query = "SELECT 1 FROM subject WHERE scope = ? AND given = ?"
        return connection.execute(query, (self._scope, self._digest(pseudonym))).fetchone() is not None

    def _put(self, connection: sqlite3.Connection, mark: str, patient: Patient, known: Known) -> None:
        self._write(connection, mark, asdict(known) | {"patient_id": patient.patient_id, "issuer": patient.issuer})

    def _write(self, connection: sqlite3.Connection, mark: str, entry: Mapping[str, str]) -> None:
        sealed = seal(self._cipher, json.dumps(entry), mark.encode())
        row = (self._scope, mark, self._digest(entry["pseudonym"]), sealed)
        connection.execute("INSERT OR REPLACE INTO subject VALUES (?, ?, ?, ?)", row)

    def _first_of(self, connection: sqlite3.Connection, pseudonym: str) -> str:
        """The first examination of a person who may be known by another identifier."""
        return next((entry["first"] for _, entry in self._bearers(connection, pseudonym) if entry["first"]), "")

    def _digest(self, pseudonym: str) -> bytes:
        return hmac.digest(self._given, pseudonym.encode(), "sha256")


def _first(patient: Patient) -> str:
    return patient.examined.isoformat() if patient.examined else ""


def means(site: Site, key: SiteKey, project: str, protocol: Protocol) -> tuple[Secret | None, Table | None]:
    """What the protocol's kind of subject needs beside the site's key: a secret, a table, or neither."""
    kind = protocol.subject.kind
    secret = secrets_.load(secrets_.path_of(site.key, project)) if kind == "hash" else None
    if kind not in TABLED:
        return secret, None
    anchored = protocol.dates.rule == "anchor"
    path = path_of(site.data)
    return secret, Table(path, key, project, protocol.subject, site.name, site.issuer, anchored=anchored)
