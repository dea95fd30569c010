"""Projects and enrolled sites: whom the archive receives from, and under which protocol.

A project holds data of one protocol. Once it holds any, its protocol cannot change under it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydicom.datadict import keyword_for_tag
from sqlalchemy import Connection, RowMapping, exists, insert, select, update

from cohortium.config import Project
from cohortium.errors import Refused
from cohortium.store import insert_once, now
from cohortium.store.schema import instance, project, site
from cohortium.texts.attributes import descriptors
from cohortium.values import Action, Protocol

__all__ = ["enrol", "name_of", "open_project", "project_named", "public_key"]


def open_project(connection: Connection, settings: Project, protocol: Protocol) -> int:
    """The project's id; its row is made, or brought up to date with the configuration."""
    name, digest = settings.name, protocol.digest
    values = {
        "title": settings.title or name,
        "admit": settings.admit,
        "same_uid": settings.same_uid,
        "readmit": settings.readmit,
        "pack_hours": settings.pack_hours,
        "cold_days": settings.cold_days,
        "prearchive_days": settings.prearchive_days,
        "protocol": protocol.label,
        "protocol_digest": digest,
        "allows": list(_allowed(protocol)),
    }
    row = connection.execute(select(project).where(project.c.name == name)).mappings().one_or_none()
    if row is None:
        made = insert(project).values(name=name, **values, created=now()).returning(project.c.id)
        return int(connection.execute(made).scalar_one())
    _demand_open(row)
    if row["protocol_digest"] != digest and _is_filled(connection, row["id"]):
        raise Refused(
            f"project {name} holds data of the protocol {row['protocol']} (sha256:{row['protocol_digest'][:12]}), "
            f"and now {protocol.label} (sha256:{digest[:12]}) is asked for; name a new project for it"
        )
    connection.execute(update(project).where(project.c.id == row["id"]).values(**values))
    return int(row["id"])


def _allowed(protocol: Protocol) -> Iterator[str]:
    """What the protocol leaves in objects that no other project may hold: see `inspection`."""
    if protocol.private or "Retain Safe Private" in protocol.options:
        yield "private"
    if protocol.ctp is not None:
        yield "names"
    people_write = {keyword_for_tag(tag) for tag in descriptors()}
    left = (Action.KEEP, Action.HASH, Action.SCRIPT)
    if protocol.ctp is not None or any(protocol.elements.get(each) in left for each in people_write):
        yield "texts"


def project_named(connection: Connection, name: str, *, closed: bool = False) -> RowMapping:
    """The project's row; `Refused` where there is none, or it was deleted and `closed` ones are not meant."""
    row = connection.execute(select(project).where(project.c.name == name)).mappings().one_or_none()
    if row is None:
        raise Refused(f"there is no project {name!r} in this archive")
    if not closed:
        _demand_open(row)
    return row


def name_of(connection: Connection, project_id: int) -> str:
    """The name of a project that is there."""
    return str(connection.execute(select(project.c.name).where(project.c.id == project_id)).scalar_one())


def enrol(connection: Connection, name: str, key: str) -> None:
    """Trust receipts of the site that own the public key (hex); a site keeps the key it was enrolled with."""
    if not insert_once(connection, site, {"name": name, "public_key": key, "enrolled": now()}) and (
        public_key(connection, name) != key
    ):
        raise Refused(f"site {name!r} is enrolled with another key; restore that key, or give the site another name")


def public_key(connection: Connection, name: str) -> str:
    """The enrolled site's public key (hex); `Refused` where it is not enrolled."""
    key: Any = connection.scalar(select(site.c.public_key).where(site.c.name == name))
    if key is None:
        raise Refused(f"no site {name!r} is enrolled in this archive")
    return str(key)


def _demand_open(row: RowMapping) -> None:
    if row["closed"]:
        raise Refused(f"project {row['name']} was deleted, and its name is not given again; choose another name")


def _is_filled(connection: Connection, project_id: int) -> bool:
    return bool(connection.scalar(select(exists().where(instance.c.project_id == project_id))))
