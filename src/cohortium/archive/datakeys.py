"""Data keys: one for each subject and one for a project's own files, each random, kept wrapped under the site's key.

Whatever the archive keeps of a subject is sealed under its key alone, so that whoever destroys the key has destroyed
all copies. Names under which bytes are kept follow from the key too: the same bytes of two subjects bear two names.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections import OrderedDict
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from threading import Lock
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, Engine, select

from cohortium.errors import Corrupt, Refused
from cohortium.keys import SiteKey
from cohortium.store import insert_once, jobs, now
from cohortium.store.schema import data_key, withdrawal

__all__ = ["PROJECT", "DataKey", "DataKeys", "waiting_name"]

PROJECT = ""  # in a subject's place: the project itself
WAITING = "\\waiting\\"  # begins the name of a key of what waits: no PatientID has a backslash (PS3.5 6.2)
BYTES, NONCE = 32, 12
REMEMBERED = 1024


class DataKey:
    """Gives every object a key and a name of its own; never shows itself."""

    def __init__(self, id: int, key: bytes) -> None:
        self.id = id
        self._key = key

    def __repr__(self) -> str:
        return f"DataKey({self.id})"

    def seals(self, name: str) -> bytes:
        """The key that seals the object of that digest, and no other: what opens under it is what was put."""
        return hmac.digest(self._key, b"seal " + name.encode(), "sha256")

    def place(self, name: str) -> str:
        """Where that object is kept."""
        return folder(self.id) + hmac.digest(self._key, b"name " + name.encode(), "sha256").hex()


def folder(id: int) -> str:
    """Where all that is sealed under a data key is kept."""
    return f"{id & 0xFF:02x}/{id:016x}/"


def waiting_name(key: SiteKey, project_id: int, PatientID: str) -> str:
    """In a subject's place: what waits of it, unlooked at; who that is can be told by nobody without the site's key."""
    secret = key.derive("names of who waits", str(project_id))
    return WAITING + hmac.digest(secret, PatientID.encode(), "sha256").hex()[:48]


class DataKeys:
    """The data keys of one store. Those used last are remembered; what was withdrawn has no row to be read by."""

    def __init__(self, engine: Engine, key: SiteKey) -> None:
        self._engine = engine
        self._site = key
        self._wrap = AESGCM(key.derive("wrap data keys"))
        self._ids: dict[tuple[int, str], int] = {}
        self._keys: OrderedDict[int, DataKey] = OrderedDict()
        self._lock = Lock()

    def of(self, project_id: int, PatientID: str = PROJECT) -> int:
        """Id of the key of a project's subject, which is made where there is none; `Refused` once it was withdrawn.

        Takes a transaction of its own where the key is new.
        """
        return self._found(project_id, PatientID, PatientID)

    def of_waiting(self, project_id: int, PatientID: str) -> int:
        """The same of the key for what waits of the subject, which may be of a name that nobody has looked at."""
        return self._found(project_id, self.waiting(project_id, PatientID), PatientID)

    def waiting(self, project_id: int, PatientID: str) -> str:
        """`waiting_name` under this site's key."""
        return waiting_name(self._site, project_id, PatientID)

    def _found(self, project_id: int, name: str, PatientID: str) -> int:
        found = self._ids.get((project_id, name))
        if found is None:
            with self._engine.execution_options(reading=True).begin() as connection:
                found = _id(connection, project_id, name)
            if found is None:
                with self._engine.begin() as connection:
                    found = self._made(connection, project_id, name, PatientID)
            self._ids[project_id, name] = found
        return found

    def __getitem__(self, id: int) -> DataKey:
        """The key; `Corrupt` where there is none, or it was wrapped under another site's."""
        with self._lock:
            if id in self._keys:
                self._keys.move_to_end(id)
                return self._keys[id]
        with self._engine.execution_options(reading=True).begin() as connection:
            wrapped = connection.scalar(select(data_key.c.wrapped).where(data_key.c.id == id))
        if wrapped is None:
            raise Corrupt("the data key of this object is gone: its subject was withdrawn, or the store was cut")
        found = DataKey(id, self._unwrapped(id, wrapped))
        with self._lock:
            self._keys[id] = found
            if len(self._keys) > REMEMBERED:
                self._keys.popitem(last=False)
        return found

    def reading(self) -> AbstractContextManager[Connection]:
        """A look into the store of these keys."""
        return self._engine.execution_options(reading=True).begin()

    def ask(self, kind: str, arguments: Mapping[str, Any]) -> None:
        """Ask for a job in the store of these keys."""
        with self._engine.begin() as connection:
            jobs.put(connection, kind, arguments)

    def forget(self, ids: Collection[int]) -> None:
        """Let go of keys that were destroyed."""
        with self._lock:
            for id in ids:
                self._keys.pop(id, None)
            self._ids = {subject: each for subject, each in self._ids.items() if each not in ids}

    def _made(self, connection: Connection, project_id: int, name: str, PatientID: str) -> int:
        where = (withdrawal.c.project_id == project_id, withdrawal.c.PatientID == PatientID)
        if connection.scalar(select(withdrawal.c.id).where(*where)) is not None:
            raise Refused("not admitted: the subject was withdrawn from this project")
        id, key, nonce = secrets.randbits(63), secrets.token_bytes(BYTES), os.urandom(NONCE)
        wrapped = nonce + self._wrap.encrypt(nonce, key, _bound_to(id))
        row = {"id": id, "project_id": project_id, "PatientID": name, "wrapped": wrapped, "created": now()}
        insert_once(connection, data_key, row)
        return _id(connection, project_id, name) or id

    def _unwrapped(self, id: int, wrapped: bytes) -> bytes:
        try:
            return self._wrap.decrypt(wrapped[:NONCE], wrapped[NONCE:], _bound_to(id))
        except InvalidTag:
            raise Corrupt("a data key does not open: it belongs to another site key, or was changed") from None


def _id(connection: Connection, project_id: int, PatientID: str) -> int | None:
    where = (data_key.c.project_id == project_id, data_key.c.PatientID == PatientID)
    return connection.scalar(select(data_key.c.id).where(*where))


def _bound_to(id: int) -> bytes:
    return b"cohortium data key %d" % id
