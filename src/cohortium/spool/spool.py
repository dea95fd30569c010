"""The spool's files, and the one process that may work on them.

A file is sealed and durable before a row names it, and a row lets go of a file before it is deleted. So a process
killed anywhere leaves at worst a file that no row wants, and the next to open the spool removes it. Identifying bytes
lie nowhere else.

A change is durable when its method returns, or, within `together`, when that block ends.
"""

from __future__ import annotations

import fcntl
import hmac
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from sqlalchemy import Connection, Engine

from cohortium import sealed
from cohortium.errors import Corrupt, Unavailable
from cohortium.keys import SiteKey
from cohortium.prove import provenance
from cohortium.spool import items
from cohortium.spool.items import Arrival, Item, Made
from cohortium.spool.states import KEEPS, TRANSITIONS
from cohortium.store.room import room
from cohortium.values import SetAside, State

__all__ = ["Spool"]

Change = Callable[[Connection], State]
"""Writes rows for one item; returns the state in which they leave it."""

KINDS = ("incoming", "outgoing")
UNCHECKED = (State.DEIDENTIFIED, State.HELD)


class Spool:
    """Used as a context manager: one at a time on one folder, others are told `Unavailable`."""

    def __init__(self, engine: Engine, folder: Path, key: SiteKey) -> None:
        self.engine = engine
        self._folder = folder
        self._name_key = key.derive("spool items")
        self._path_key = key.derive("spool paths")
        self._seal_key = key.derive("spool files")
        self._lock: BinaryIO | None = None
        self._pending: list[tuple[str, Change]] | None = None
        for name in ("", *KINDS):
            (folder / name).mkdir(exist_ok=True, mode=0o700)

    def __enter__(self) -> Spool:
        lock = (self._folder / ".lock").open("wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise Unavailable("another gateway is at work on this spool; try again when it has ended") from None
        self._lock = lock
        self._sweep()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock:
            self._lock.close()
            self._lock = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that only reads, and waits for nobody."""
        with self.engine.execution_options(reading=True).begin() as connection:
            yield connection

    @contextmanager
    def together(self) -> Iterator[None]:
        """Commit all changes of the block at its end, and once: many times as fast as each on its own.

        What was changed before the block raised is kept. Killed within it, the work is done again.
        """
        changes: list[tuple[str, Change]] = []
        self._pending = changes
        try:
            yield
        finally:
            self._pending = None
            self._commit(changes)

    def forget_unread(self, pipeline: str) -> None:
        """Let everything that could not be read be tried afresh, or have vanished."""
        with room(), self.engine.begin() as connection:
            items.forget_unread(connection, pipeline)

    def knows(self, found: Arrival) -> bool:
        """Whether this file was read before and looks unchanged."""
        with self.reading() as connection:
            return items.is_known(connection, self._mark(found.path), found)

    def receive(self, found: Arrival, pipeline: str, slices: Iterable[bytes]) -> str:
        """Take in the bytes of a file; returns the item's id. What `slices` raises passes through, nothing remains."""
        mac = hmac.new(self._name_key, digestmod="sha256")
        part = self._folder / "incoming" / f"{self._mark(found.path)}.part"
        with room():
            sealed.write(part, self._seal_key, _through(mac, slices), sync_name=False)
            id = mac.hexdigest()
            part.replace(self._file("incoming", id))

        def arrive(connection: Connection) -> State:
            items.forget(connection, self._without_bytes(found.path))
            return self._arrive(connection, id, found, pipeline, State.RECEIVED)

        self._change(id, arrive)
        return id

    def refuse(self, found: Arrival, pipeline: str, state: State, set_aside: SetAside | None) -> str:
        """Account for a file whose bytes are not taken in; returns the id of the item that stands for it."""
        id = self._without_bytes(found.path)

        def arrive(connection: Connection) -> State:
            items.forget(connection, id)
            return self._arrive(connection, id, found, pipeline, state, set_aside)

        self._change(id, arrive)
        return id

    def waiting(self, state: State) -> Iterator[list[Item]]:
        """The items in that state, in order of arrival, in batches; they may be moved on while this runs."""
        last = 0
        while True:
            with self.reading() as connection:
                batch = items.in_state(connection, state, after=last)
            if not batch:
                return
            yield batch
            last = batch[-1].number

    def incoming(self, item: Item) -> bytes:
        """The bytes as they came."""
        return self._read("incoming", item)

    def outgoing(self, item: Item) -> bytes:
        """The bytes as they will leave."""
        return self._read("outgoing", item)

    def keep(self, item: Item, made: Made, content: bytes, rivals: Collection[str]) -> None:
        """Keep what de-identification made of the item, unless an earlier item of `rivals` has its names."""
        with room():
            sealed.write(self._file("outgoing", item.id), self._seal_key, [content], sync_name=False)

        def claim(connection: Connection) -> State:
            state, aside = items.rival(connection, rivals, made) or (State.DEIDENTIFIED, None)
            if state is State.DEIDENTIFIED:
                items.change(connection, item.id, state, **items.columns(made))
                provenance.record(connection, made.provenance)
            else:
                items.change(connection, item.id, state, aside, pipeline=made.pipeline)
            return state

        self._change(item.id, claim)

    def count(self, state: State) -> int:
        """How many items are in that state."""
        with self.reading() as connection:
            return items.count(connection, state)

    def pipelines(self) -> set[str]:
        """The pipelines that still have something to do here."""
        with self.reading() as connection:
            return items.pipelines(connection, [state for state, after in TRANSITIONS.items() if state and after])

    def unchecked(self) -> list[tuple[str, str]]:
        """(pipeline, SeriesInstanceUID) of every series that waits for a check, in order of arrival."""
        with self.reading() as connection:
            return items.series_in(connection, UNCHECKED)

    def series(self, pipelines: Collection[str], SeriesInstanceUID: str) -> list[Item]:
        """Every de-identified item of the series, deposited ones too, in order of arrival."""
        with self.reading() as connection:
            return items.of_series(connection, pipelines, SeriesInstanceUID)

    def settle(self, item: Item, state: State, set_aside: SetAside | None = None) -> None:
        """Move the item to `state` and delete the bytes that it needs no longer."""

        def move(connection: Connection) -> State:
            items.change(connection, item.id, state, set_aside)
            return state

        self._change(item.id, move)

    def _change(self, id: str, change: Change) -> None:
        if self._pending is None:
            self._commit([(id, change)])
        else:
            self._pending.append((id, change))

    def _commit(self, changes: Collection[tuple[str, Change]]) -> None:
        """Names of files before the rows that name them, rows before the files that they let go of."""
        if not changes:
            return
        with room():
            for kind in KINDS:
                sealed.sync_folder(self._folder / kind)
            with self.engine.begin() as connection:
                states = {id: change(connection) for id, change in changes}
        for id, state in states.items():
            self._tidy(id, state)

    def _arrive(
        self,
        connection: Connection,
        id: str,
        found: Arrival,
        pipeline: str,
        state: State,
        set_aside: SetAside | None = None,
    ) -> State:
        return items.arrive(
            connection,
            id=id,
            path_mark=self._mark(found.path),
            sealed_path=b"".join(sealed.seal(self._seal_key, [os.fsencode(found.path)])),
            found=found,
            pipeline=pipeline,
            state=state,
            set_aside=set_aside,
        )

    def _mark(self, path: Path) -> str:
        return hmac.digest(self._path_key, os.fsencode(path), "sha256").hex()

    def _without_bytes(self, path: Path) -> str:
        """The id of the item that stands for the file at `path` while there are no bytes to name it by."""
        return hmac.digest(self._name_key, b"no bytes of " + self._mark(path).encode(), "sha256").hex()

    def _file(self, kind: str, id: str) -> Path:
        return self._folder / kind / id

    def _read(self, kind: str, item: Item) -> bytes:
        try:
            return sealed.read(self._file(kind, item.id), self._seal_key)
        except FileNotFoundError:
            raise Corrupt(f"the {kind} bytes of item {item.name} are missing; compare with a backup") from None

    def _tidy(self, id: str, state: State) -> None:
        for kind in KINDS:
            if kind not in KEEPS[state]:
                self._file(kind, id).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what a killed process left: half-written files, and files that their item does not need."""
        for kind in KINDS:
            with self.reading() as connection:
                wanted = items.ids_in(connection, [state for state, kept in KEEPS.items() if kind in kept])
            for entry in os.scandir(self._folder / kind):
                if entry.name not in wanted:
                    Path(entry.path).unlink()


def _through(mac: hmac.HMAC, slices: Iterable[bytes]) -> Iterator[bytes]:
    for piece in slices:
        mac.update(piece)
        yield piece
