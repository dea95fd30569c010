"""The encrypted work folder of one batch: its key, the tree as it was frozen, and what became of each file.

What always holds: nothing in it can be read without the site's key, which wraps the batch's own key; and once that
one is destroyed, nothing can be read by anybody, not even in a copy of the rest. There is no table of UIDs: those
follow from the key. One process has the folder at a time.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cohortium import sealed
from cohortium.errors import Corrupt, Refused, Unavailable
from cohortium.keys import BYTES, SiteKey

__all__ = [
    "Batch",
    "Frozen",
    "Receipt",
    "WorkFolder",
    "conclude",
    "conclusion",
    "destroy",
    "forget",
    "is_one",
    "opened",
]

KEY, STATE, CONCLUSION = "key", "state.sqlite", "conclusion"
TABLES = ("note", "file", "instance", "receipt")
SCHEMA = """
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS file (place BLOB PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS instance (mark BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS receipt (place BLOB PRIMARY KEY, made BLOB UNIQUE, sealed BLOB NOT NULL) WITHOUT ROWID
"""
NONCE = 12
MARK = 16  # bytes of a keyed digest by which a row is found
PAGE = 512
TOGETHER = 64  # receipts in one transaction
FIRST, AGAIN = b"\0", b"\1"


@dataclass(frozen=True, slots=True)
class Batch:
    """What a work folder is bound to: it carries on with nothing else."""

    source: str
    destination: str
    project: str
    protocol: str
    software: str


@dataclass(frozen=True, slots=True)
class Frozen:
    """A file of the frozen tree: its place in the walk, path below SRC, what keeps it from being read, and its bytes.

    `mark` is a keyed digest of its bytes, empty where they cannot be read.
    """

    number: int
    path: str
    problem: str = ""
    size: int = 0
    changed: int = 0
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a frozen file: `output` is below DST, `written` its size where this file made it, `digest` its
    SHA-256; `areas` is what was blanked, as frame, left, top, width and height; `rows` accounts for a table's."""

    state: str
    size: int
    output: str = ""
    written: int = 0
    digest: str = ""
    reason: str = ""
    detail: str = ""
    findings: tuple[str, ...] = ()
    areas: tuple[tuple[int, int, int, int, int], ...] = ()
    rows: Mapping[str, Any] = field(default_factory=dict)


class WorkFolder:
    """An open work folder; `key` is the batch's own, and lives nowhere else."""

    def __init__(self, connection: sqlite3.Connection, key: SiteKey) -> None:
        self.key = key
        self._connection = connection
        self._cipher = AESGCM(key.derive("work folder"))
        self._places, self._marks = key.derive("places"), key.derive("marks")
        self._open = 0

    # --- the tree ---

    @contextmanager
    def freezing(self) -> Iterator[None]:
        """The whole tree is frozen in one transaction, or nothing of it."""
        self._connection.execute("BEGIN IMMEDIATE")
        yield
        self._connection.execute("COMMIT")

    def freeze(self, file: Frozen, instance: str) -> None:
        """Take in a file. One that brings an SOPInstanceUID again waits until all others are done, so that which of
        them is first never depends on who was faster."""
        again = False
        if instance:
            row = (self._mark(self._marks, instance),)
            again = not self._connection.execute("INSERT OR IGNORE INTO instance VALUES (?)", row).rowcount
        place = (AGAIN if again else FIRST) + self._mark(self._places, file.path)
        self._connection.execute("INSERT INTO file VALUES (?, ?)", (place, self._seal(asdict(file), place)))

    def frozen(self, path: str) -> Frozen | None:
        """The file at `path` as it was frozen."""
        mark = self._mark(self._places, path)
        query = "SELECT place, sealed FROM file WHERE place IN (?, ?)"
        rows = self._connection.execute(query, (FIRST + mark, AGAIN + mark)).fetchall()
        return Frozen(**self._unseal(rows[0][1], rows[0][0])) if rows else None

    def waiting(self, *, again: bool) -> Iterator[tuple[bytes, Frozen]]:
        """The files without a receipt, in an order that tells nothing: that of keyed digests of their paths."""
        last, end = (AGAIN, b"\2") if again else (FIRST, AGAIN)
        query = (
            "SELECT file.place, file.sealed FROM file LEFT JOIN receipt USING (place) "
            "WHERE file.place > ? AND file.place < ? AND receipt.place IS NULL ORDER BY file.place LIMIT ?"
        )
        while rows := self._connection.execute(query, (last, end, PAGE)).fetchall():
            for place, content in rows:
                yield place, Frozen(**self._unseal(content, place))
            last = rows[-1][0]

    # --- what became of it ---

    def note(self, place: bytes, receipt: Receipt) -> None:
        """Keep a receipt; durable with the next few, or by `settle`."""
        if not self._open:
            self._connection.execute("BEGIN IMMEDIATE")
        made = self._mark(self._marks, receipt.output) if receipt.written else None
        self._connection.execute(
            "INSERT INTO receipt VALUES (?, ?, ?)", (place, made, self._seal(asdict(receipt), place))
        )
        self._open += 1
        if self._open >= TOGETHER:
            self.settle()

    def settle(self) -> None:
        """Make all receipts durable."""
        if self._open:
            self._connection.execute("COMMIT")
            self._open = 0

    def has_made(self, output: str) -> bool:
        """Whether a receipt says that this batch wrote the output."""
        query = "SELECT 1 FROM receipt WHERE made = ?"
        return self._connection.execute(query, (self._mark(self._marks, output),)).fetchone() is not None

    def order(self, row: Sequence[str]) -> bytes:
        """By which rows are sorted so that their order tells nothing."""
        return self._mark(self._places, json.dumps(row))

    def undo(self, place: bytes) -> None:
        """Forget what became of a file, so that it is done again."""
        self._connection.execute("DELETE FROM receipt WHERE place = ?", (place,))

    def receipts(self) -> Iterator[tuple[bytes, Frozen, Receipt]]:
        """Every file that is done, in the order of `waiting`."""
        last = b""
        query = (
            "SELECT place, file.sealed, receipt.sealed FROM receipt JOIN file USING (place) "
            "WHERE place > ? ORDER BY place LIMIT ?"
        )
        while rows := self._connection.execute(query, (last, PAGE)).fetchall():
            for place, file, receipt in rows:
                yield place, Frozen(**self._unseal(file, place)), _receipt(self._unseal(receipt, place))
            last = rows[-1][0]

    # --- notes about the whole ---

    def says(self, name: str) -> dict[str, Any] | None:
        """The note of that name."""
        row = self._connection.execute("SELECT sealed FROM note WHERE name = ?", (name,)).fetchone()
        return self._unseal(row[0], name.encode()) if row else None

    def say(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a note, once."""
        self._connection.execute("INSERT INTO note VALUES (?, ?)", (name, self._seal(content, name.encode())))

    def _mark(self, key: bytes, text: str) -> bytes:
        return hmac.digest(key, os.fsencode(text), "sha256")[:MARK]

    def _seal(self, content: Mapping[str, Any], name: bytes) -> bytes:
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, json.dumps(content).encode(), name)

    def _unseal(self, content: bytes, name: bytes) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._cipher.decrypt(content[:NONCE], content[NONCE:], name))
        except InvalidTag:
            raise Corrupt("a row of the work folder is damaged") from None
        return found


def _receipt(told: dict[str, Any]) -> Receipt:
    lists = {"findings": tuple(told["findings"]), "areas": tuple(map(tuple, told["areas"]))}
    return Receipt(**told | lists)


@contextmanager
def opened(folder: Path, site_key: SiteKey, batch: Batch) -> Iterator[WorkFolder]:
    """The work folder of `batch`, made where there is none; `Refused` where it is that of another."""
    key = _key(folder, site_key)
    try:
        with closing(_connect(folder / STATE)) as connection:
            work = WorkFolder(connection, key)
            said = work.says("batch")
            if said is None:
                work.say("batch", asdict(batch))
            elif Batch(**said) != batch:
                raise Refused("the work folder belongs to another batch: other folders, protocol, project or version")
            try:
                yield work
            finally:
                work.settle()
    except sqlite3.OperationalError as error:
        raise Unavailable(
            f"the work folder cannot be used ({type(error).__name__}): no room, or another run is at work in it"
        ) from None
    except sqlite3.DatabaseError:
        raise Corrupt("the work folder is damaged; abandon the batch, and begin anew with an empty DST") from None


def _key(folder: Path, site_key: SiteKey) -> SiteKey:
    path, wrapping = folder / KEY, site_key.derive("work folders")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        if not path.exists():
            if any(not each.name.startswith(f".{KEY}.") for each in folder.iterdir()):
                raise Refused("--work is neither empty nor a work folder with its key; choose another one")
            sealed.write(path, wrapping, [secrets.token_bytes(BYTES)])
        return SiteKey(sealed.read(path, wrapping))
    except OSError as error:
        raise Unavailable(f"the work folder cannot be used: {error.strerror}") from None


def _connect(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(path, timeout=1, isolation_level=None)
    for pragma in ("secure_delete = ON", "locking_mode = EXCLUSIVE", "journal_mode = WAL", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN EXCLUSIVE")  # from here on no other process gets in
    for statement in SCHEMA.split(";\n"):
        connection.execute(statement)
    connection.execute("COMMIT")
    return connection


def conclude(folder: Path, site_key: SiteKey, content: Mapping[str, Any]) -> None:
    """Say that the batch is complete: from now on its work folder can only be destroyed."""
    sealed.write(folder / CONCLUSION, site_key.derive("work folders"), [json.dumps(content).encode()])


def conclusion(folder: Path, site_key: SiteKey) -> dict[str, Any] | None:
    """What was concluded, where a run was stopped while it destroyed the folder."""
    path = folder / CONCLUSION
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(sealed.read(path, site_key.derive("work folders")))
    return found


def is_one(folder: Path) -> bool:
    """Whether a batch lives in the folder, or lived there until it was destroyed in part."""
    return any((folder / name).exists() for name in (KEY, STATE, CONCLUSION))


def destroy(folder: Path) -> None:
    """Destroy the key, which makes the rest unreadable, then the rest; only the conclusion stays. May be repeated."""
    _overwrite(folder / KEY)
    state = folder / STATE
    if state.exists():
        with suppress(sqlite3.DatabaseError), closing(_connect(state)) as connection:  # or overwritten in part already
            empty(connection)
    for name in (f"{STATE}*", f".{KEY}.*", f".{CONCLUSION}.*"):
        for path in folder.glob(name):
            _overwrite(path)


def empty(connection: sqlite3.Connection) -> None:
    """Delete every row, overwriting it with zeros (`secure_delete`), and cut the journal off."""
    for table in TABLES:
        connection.execute(f"DELETE FROM {table}")  # noqa: S608  names of this module
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def forget(folder: Path) -> None:
    """Remove what `destroy` left, and the folder."""
    (folder / CONCLUSION).unlink(missing_ok=True)
    try:
        if folder.exists():
            folder.rmdir()
    except OSError as error:
        raise Unavailable(f"the batch is destroyed, but its empty folder cannot be removed: {error.strerror}") from None
    sealed.sync_folder(folder.parent)


def _overwrite(path: Path) -> None:
    try:
        with path.open("r+b") as file:
            left = path.stat().st_size
            while left > 0:
                left -= file.write(os.urandom(min(left, sealed.CHUNK)))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    except FileNotFoundError:
        return
    sealed.sync_folder(path.parent)
