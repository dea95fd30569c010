"""What no backup keeps a history of: data keys, and the journal of withdrawals.

Both lie beside the backups, in one sealed file each, and every backup puts new ones in their place. So the keys of
subjects who were withdrawn are in no copy any more, however old the backup that holds their bytes; and the journal only
grows, so that whoever restores an older backup withdraws them again.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from cohortium.archive import withdrawal
from cohortium.archive.datakeys import waiting_name
from cohortium.archive.withdrawal import Withdrawal
from cohortium.backup import manifest
from cohortium.backup.place import Place
from cohortium.errors import Refused
from cohortium.keys import SiteKey
from cohortium.store.schema import data_key

__all__ = ["Journal", "journal", "keep", "keys", "put_back", "read"]

KEYS, WITHDRAWALS = "data-keys", "withdrawals"

Journal = Mapping[tuple[str, str], Withdrawal]
"""Withdrawals by project's name and PatientID."""


def keep(connection: Connection, place: Place, key: SiteKey) -> None:
    """Put the site's keys and journal, as they are now, in place of those before.

    The journal first: killed between the two, somebody is withdrawn and still has a key, never the other way round.
    """
    entries = {**_by_subject(withdrawal.journal(connection)), **journal(place, key, none=True)}
    records = [asdict(entry) for _, entry in sorted(entries.items())]
    place.write(WITHDRAWALS, [manifest.seal(key, WITHDRAWALS, records)])
    rows = [dict(row) for row in connection.execute(select(data_key).order_by(data_key.c.id)).mappings()]
    for row in rows:
        row["wrapped"] = base64.b64encode(row["wrapped"]).decode("ascii")
    place.write(KEYS, [manifest.seal(key, KEYS, rows)])


def journal(place: Place, key: SiteKey, newer: Path | None = None, *, none: bool = False) -> Journal:
    """The journal at that place and in the file; `Refused` where there is neither, unless `none` is said."""
    manifest.demand(place, key)
    is_there = WITHDRAWALS in place.sizes("")
    if newer is None and not none and not is_there:
        raise Refused(
            "there is no journal of withdrawals beside the backups: who was withdrawn would come back. Name a copy of "
            "it with --withdrawals, or say --without-withdrawals"
        )
    there = _journal(b"".join(place.read(WITHDRAWALS)), key) if is_there else {}
    return {**there, **(_journal(newer.read_bytes(), key) if newer else {})}


def read(place: Place, key: SiteKey) -> None:
    """Raise `Corrupt` where one of the two files is missing or damaged."""
    _keys(place, key)
    _journal(b"".join(place.read(WITHDRAWALS)), key)


def keys(place: Place, key: SiteKey, gone: Journal, projects: Mapping[int, str]) -> list[dict[str, Any]]:
    """The data keys that may come back to a site with those projects: none of who is in the journal."""
    names = {(id, PatientID) for id, name in projects.items() for project, PatientID in gone if project == name}
    names |= {(id, waiting_name(key, id, PatientID)) for id, PatientID in names}
    return [
        row | {"wrapped": base64.b64decode(row["wrapped"])}
        for row in _keys(place, key)
        if row["project_id"] in projects and (row["project_id"], row["PatientID"]) not in names
    ]


def put_back(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Insert the data keys."""
    if rows:
        connection.execute(insert(data_key), rows)


def _keys(place: Place, key: SiteKey) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = manifest.unseal(key, KEYS, b"".join(place.read(KEYS)), "the file of data keys")
    return rows


def _journal(content: bytes, key: SiteKey) -> Journal:
    entries = manifest.unseal(key, WITHDRAWALS, content, "the journal of withdrawals")
    return _by_subject([Withdrawal(**entry) for entry in entries])


def _by_subject(entries: list[Withdrawal]) -> Journal:
    return {(entry.project, entry.PatientID): entry for entry in entries}
