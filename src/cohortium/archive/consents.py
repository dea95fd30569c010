"""Consent records: scope, date, holder and reference number. The form stays with its holder: there is no place for it.

A record names nobody: the holder is a site's short name, and the reference is the number under which that site keeps
the form. Videos refer to a record, are sealed under a key of its own, and go with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from sqlalchemy import Connection, delete, insert, select, update

from cohortium.errors import Refused
from cohortium.store import insert_once, now
from cohortium.store.schema import consent, consent_viewer, user

__all__ = ["Record", "Scope", "demand", "end", "key_name", "name_viewer", "record", "reference_of", "unname_viewer"]

REFERENCE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9./-]{0,38}[A-Za-z0-9])?")
KEYS = "\\consent\\"
HOLDER = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Scope(StrEnum):
    """What was consented to."""

    PROJECT = "this project"
    CONSORTIUM = "the consortium"
    TEACHING = "teaching"
    PUBLICATION = "publication"


@dataclass(frozen=True, slots=True)
class Record:
    """What a record says; `date` is that of the consent."""

    reference: str
    scope: Scope
    holder: str
    date: str


def key_name(reference: str) -> str:
    """Whose data key seals the videos of a record: no PatientID has a backslash (PS3.5 6.2)."""
    return KEYS + reference


def reference_of(name: str) -> str | None:
    """The record whose videos that key seals; None where it is a subject's."""
    return name.removeprefix(KEYS) if name.startswith(KEYS) else None


def record(connection: Connection, project_id: int, made: Record, who: str) -> int:
    """The record's row; `Refused` where a field is not of its form, or the reference is taken."""
    if not REFERENCE.fullmatch(made.reference) or not HOLDER.fullmatch(made.holder):
        raise Refused("a reference has letters, digits and ./-, at most 40; a holder is a site's short name")
    try:
        when = date.fromisoformat(made.date)
    except ValueError:
        raise Refused("the date of consent is written YYYY-MM-DD") from None
    if when > datetime.now(UTC).date():
        raise Refused("the date of consent lies ahead")
    where = consent.c.project_id == project_id, consent.c.reference == made.reference
    if connection.scalar(select(consent.c.id).where(*where)) is not None:
        raise Refused("the project has a record of that reference number already")
    row = {"project_id": project_id, "reference": made.reference, "scope": made.scope.value, "holder": made.holder}
    row |= {"date": when.isoformat(), "by": who, "created": now()}
    return int(connection.execute(insert(consent).values(**row).returning(consent.c.id)).scalar_one())


def name_viewer(connection: Connection, consent_id: int, person: str, who: str) -> None:
    """Let an account that may read the project see the videos of a record."""
    found = connection.scalar(select(user.c.id).where(user.c.name == person))
    if found is None:
        raise Refused("there is no such account")
    insert_once(connection, consent_viewer, {"consent_id": consent_id, "user_id": found, "by": who, "since": now()})


def unname_viewer(connection: Connection, consent_id: int, person: str) -> None:
    """Show them the videos no more."""
    named = select(user.c.id).where(user.c.name == person).scalar_subquery()
    where = consent_viewer.c.consent_id == consent_id, consent_viewer.c.user_id == named
    connection.execute(delete(consent_viewer).where(*where))


def demand(connection: Connection, project_id: int, reference: str) -> int:
    """The record's row; `Refused` where the project has none of that reference."""
    where = consent.c.project_id == project_id, consent.c.reference == reference
    found = connection.scalar(select(consent.c.id).where(*where))
    if found is None:
        raise Refused("the project has no record of that reference number")
    return int(found)


def end(connection: Connection, project_id: int, reference: str) -> int:
    """Mark a record as withdrawn, and show it to nobody named; returns its row."""
    found = demand(connection, project_id, reference)
    connection.execute(update(consent).where(consent.c.id == found, consent.c.withdrawn == "").values(withdrawn=now()))
    connection.execute(delete(consent_viewer).where(consent_viewer.c.consent_id == found))
    return found
