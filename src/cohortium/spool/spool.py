"""The spool's files, and the one process that may work on them.

A file is sealed and durable before a row names it, and a row lets go of a file before it is deleted. What came in
bears, sealed, how it came: so it is accepted as soon as its file is durable, and a process that was killed before the
row was written leaves a file that the next to open the spool lists. What no row wants is removed. Identifying bytes lie
nowhere else.

Any other process may accept, too: its files lie in `arriving` until the one that works on the spool takes them over.

A change is durable when its method returns, or, within `together`, when that block ends. Threads may use one spool.
Without entering it, other processes may read and `decide`; a change to an item that was read before somebody decided
about it is not made.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import re
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from sqlalchemy import Connection, Engine

from cohortium import sealed
from cohortium.errors import Corrupt, Unavailable
from cohortium.keys import SiteKey
from cohortium.prove import audit
from cohortium.spool import claims, cumulative, decisions, deliveries, items, tables
from cohortium.spool.arriving import FolderSync, Label, label_of, labelled, opened
from cohortium.spool.claims import Claim
from cohortium.spool.cumulative import Delivery
from cohortium.spool.decisions import Decision, Verdict, Word
from cohortium.spool.items import Arrival, Came, Item, Listing, Made
from cohortium.spool.states import KEEPS
from cohortium.spool.tables import MadeTable, TableClaim
from cohortium.store import scrub
from cohortium.store.room import room
from cohortium.store.schema import arrival
from cohortium.values import Reason, SetAside, State

__all__ = ["Spool"]

States = Mapping[str, State | None]
"""In which states changes leave items, by their ids; None where their files are left alone."""

Change = Callable[[Connection], State | None]
"""Writes rows for one item."""

Work = tuple[Callable[[Connection, Any], States], Any]
"""What writes rows for many items at once, and one of them."""

KINDS = ("incoming", "outgoing")
ARRIVING = "arriving"  # what other processes accepted
ABANDONED = 3600  # seconds after which a file that another process did not finish is no longer waited for
UNDER_WAY = frozenset(state for state, kept in KEEPS.items() if kept) - {State.QUARANTINED}
ID = re.compile("[0-9a-f]{64}")
LISTED_TOGETHER = 500
SWEPT_TOGETHER = 1000
GLANCE = 0.5  # seconds


class Spool:
    """Used as a context manager: one at a time on one folder, others are told `Unavailable`."""

    def __init__(self, engine: Engine, folder: Path, key: SiteKey) -> None:
        self.engine = engine
        self.folder = folder
        self._name_key = key.derive("spool items")
        self._path_key = key.derive("spool paths")
        self._seal_key = key.derive("spool files")
        self._lock: BinaryIO | None = None
        self._mine = threading.local()  # what this thread changes together
        self._unlisted: deque[tuple[str, Label]] = deque()
        for name in ("", *KINDS, ARRIVING):
            (folder / name).mkdir(exist_ok=True, mode=0o700)
        self._names = {name: FolderSync(folder / name) for name in ("incoming", ARRIVING)}

    def __enter__(self) -> Spool:
        self._lock = self._locked()
        self._sweep()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            with suppress(Unavailable):  # somebody reads; the next gateway does it
                self.scrub()
        if self._lock:
            self._lock.close()
            self._lock = None

    def scrub(self) -> None:
        """Overwrite what the database still has of rows that changed: sealed paths of what was let go."""
        scrub(self.engine, arrival)

    def _locked(self) -> BinaryIO:
        """The lock, for which who only looks whether somebody has it is waited for."""
        lock = (self.folder / ".lock").open("wb")
        until = time.monotonic() + GLANCE
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    lock.close()
                    raise Unavailable("another gateway is at work on this spool; try again when it has ended") from None
                time.sleep(GLANCE / 10)
            else:
                return lock

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
        changes: list[Work] = []
        self._mine.pending = changes
        try:
            yield
        finally:
            self._mine.pending = None
            self._commit(changes)

    def forget_unread(self, source: str) -> None:
        """Let everything of the source that could not be read be tried afresh, or have vanished."""
        with room(), self.engine.begin() as connection:
            items.forget_unread(connection, source)

    def known(self, found: Collection[Arrival]) -> set[Path]:
        """The paths of those files that were read before and look unchanged."""
        marks = {self._mark(each.path): each for each in found}
        with self.reading() as connection:
            return {marks[mark].path for mark in items.known(connection, marks)}

    def receive(self, found: Arrival, came: Came, slices: Iterable[bytes | memoryview]) -> str:
        """Take in the bytes of a file; returns the item's id. What `slices` raises passes through, nothing remains."""
        label = Label(found, came)
        id, _ = self._write_incoming(label, slices)
        listing = self._listing(id, label)

        def arrive(connection: Connection) -> State:
            items.forget(connection, [self._without_bytes(found.path)])
            return items.arrive(connection, listing)

        self._change(id, arrive)
        return id

    def accept(self, found: Arrival, came: Came, slices: Iterable[bytes | memoryview]) -> str:
        """Take in bytes that a sender waits to be rid of: durable when this returns, listed with `list_accepted`.

        They may still be on their way, and then `found.size` is not known yet: what `slices` raises passes through, and
        nothing remains. No process needs to work on the spool.
        """
        into = "incoming" if self._lock else ARRIVING
        id, size = self._write_incoming(Label(found, came), slices, into)
        with room():
            self._names[into].wait()
        if self._lock:
            self._unlisted.append((id, Label(replace(found, size=size), came)))
        return id

    def list_accepted(self) -> int:
        """Write the rows of what was accepted since, by any process; returns how many there were."""
        count = 0
        if self._lock:
            self._take_over()
        while self._unlisted:
            batch = [self._unlisted.popleft() for _ in range(min(len(self._unlisted), LISTED_TOGETHER))]
            try:
                self._list(batch)
            except BaseException:
                self._unlisted.extendleft(reversed(batch))
                raise
            count += len(batch)
        return count

    def refuse(self, found: Arrival, came: Came, state: State, set_aside: SetAside | None) -> str:
        """Account for a file whose bytes are not taken in; returns the id of the item that stands for it."""
        id = self._without_bytes(found.path)

        def arrive(connection: Connection) -> State:
            items.forget(connection, [id])
            return items.arrive(connection, self._listing(id, Label(found, came), state, set_aside))

        self._change(id, arrive)
        return id

    def set_aside(self, found: Arrival, came: Came, slices: Iterable[bytes | memoryview], why: SetAside) -> str:
        """Take in the bytes of what cannot go on, for people to decide; returns the item's id."""
        label = Label(found, came)
        id, _ = self._write_incoming(label, slices)
        listing = self._listing(id, label, State.QUARANTINED, why)
        self._change(id, lambda connection: items.arrive(connection, listing))
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

    def names(self, item: Item) -> list[str]:
        """What those who brought the item call it, without folders and packages; identifying, and kept as its bytes."""
        with self.reading() as connection:
            paths = items.sealed_paths(connection, item.id)
        return sorted({_name(os.fsdecode(sealed.opened_whole(self._seal_key, each))) for each in paths})

    def outgoing(self, item: Item) -> bytes:
        """The bytes as they will leave."""
        return self._read("outgoing", item)

    def compare(self, source: str, files: Iterable[Arrival]) -> Delivery:
        """What a delivery of these files, the whole truth of the source, would be beside what came of it before."""
        with self.reading() as connection:
            return cumulative.compare(connection, source, ((self._mark(each.path), each) for each in files))

    def keep(
        self, item: Item, made: Made | MadeTable, content: bytes, rivals: Collection[str], *, versions: bool = False
    ) -> None:
        """Keep what de-identification made of the item, unless an earlier item of `rivals` has its names.

        `versions`: where the same path brought that one before, this one is its new version.
        """
        if versions:
            self._commit_pending()  # for the earlier version may be among it
            with self.reading() as connection:
                if isinstance(made, MadeTable):
                    earlier = tables.earlier_version(connection, rivals, item.id, made)
                else:
                    earlier = claims.earlier_version(connection, rivals, item.id, made)
            if earlier:
                self.settle(earlier, State.SUPERSEDED)
        with room():
            sealed.write(self._file("outgoing", item.id), self._seal_key, [content], sync_name=False)

        if isinstance(made, MadeTable):
            self._work(tables.claim, TableClaim(item, made, tuple(rivals)))
        else:
            self._work(claims.claim, Claim(item, made, tuple(rivals)))

    def make_anew(self, item: Item) -> None:
        """Let what was made of the item be made again; what a destination has of it stays on record."""

        def begin(connection: Connection) -> State | None:
            if not items.change(connection, item, State.RECEIVED, **items.NOTHING_YET):
                return None
            deliveries.forget_open(connection, item.id)
            return State.RECEIVED

        self._change(item.id, begin)

    def count(self, state: State) -> int:
        """How many items are in that state."""
        with self.reading() as connection:
            return items.count(connection, state)

    def pipelines(self) -> set[str]:
        """The pipelines that still have something to do here."""
        with self.reading() as connection:
            return items.pipelines(connection, UNDER_WAY)

    def unchecked(self) -> list[tuple[str, str]]:
        """(pipeline, SeriesInstanceUID) of every series that waits for a check, in order of arrival."""
        with self.reading() as connection:
            return items.series_in(connection, (State.DEIDENTIFIED,))

    def held(self) -> list[tuple[str, str]]:
        """The same of every series that is held."""
        with self.reading() as connection:
            return items.series_in(connection, (State.HELD,))

    def series(self, pipelines: Collection[str], SeriesInstanceUID: str) -> list[Item]:
        """Every de-identified item of the series, deposited ones too, in order of arrival."""
        with self.reading() as connection:
            return items.of_series(connection, pipelines, SeriesInstanceUID)

    def arrived_of(self, pipeline: str, SeriesInstanceUID: str) -> int:
        """How many items of the series the pipeline ever had."""
        with self.reading() as connection:
            return items.count_of_series(connection, pipeline, SeriesInstanceUID)

    def earlier_digests(self, item: Item, destination: str) -> frozenset[str]:
        """Of the versions in place of which this item came, and of what it was when the destination had it before."""
        with self.reading() as connection:
            before = deliveries.confirmed(connection, item.id, destination)
            return items.earlier_digests(connection, item) | before - {item.digest}

    def settle(
        self, item: Item, state: State, set_aside: SetAside | None = None, *, series: str = "", outline: str = ""
    ) -> None:
        """Move the item to `state` and delete the bytes that it needs no longer.

        `series` it seems to belong to, and what may be told of that, in an `outline`.
        """
        told = {"SeriesInstanceUID": series, "outline": outline}
        more = {column: value for column, value in told.items() if value}

        def move(connection: Connection) -> State | None:
            if not items.change(connection, item, state, set_aside, **more):
                return None
            if not KEEPS[state]:
                deliveries.forget_open(connection, item.id)
            return state

        self._change(item.id, move)

    def address(self, item: Item, destinations: Collection[str]) -> None:
        """Put the item in the outbox, for each of those destinations; it is sent if all of them have it already."""
        self._work(deliveries.address, (item, destinations))

    def due(self, destination: str, limit: int) -> list[Item]:
        """The next items to deliver there, in order of arrival: at most `limit`."""
        with self.reading() as connection:
            return deliveries.due(connection, destination, limit)

    def confirm(self, item: Item, destination: str, receipt: str) -> None:
        """Note that the destination has the item; it is sent when all have."""

        def confirm(connection: Connection) -> State | None:
            if items.digest_of(connection, item.id) != item.digest:
                return None  # made anew meanwhile: these bytes it has not
            deliveries.confirm(connection, item.id, destination, receipt)
            if not deliveries.is_done(connection, item.id):
                return None
            return State.SENT if items.change(connection, item, State.SENT) else None

        self._change(item.id, confirm)

    def give_up(self, item: Item, destination: str, set_aside: SetAside) -> None:
        """Note that the destination will not have the item, and set it aside for people to decide."""

        def give_up(connection: Connection) -> State | None:
            if items.digest_of(connection, item.id) != item.digest:
                return None
            deliveries.refuse(connection, item.id, destination, set_aside.detail)
            aside = items.change(connection, item, State.QUARANTINED, set_aside)  # unless another refused it first
            return State.QUARANTINED if aside else None

        self._change(item.id, give_up)

    def postpone(self, item: Item, destination: str, why: str) -> None:
        """Note that the destination could not take the item now."""

        def postpone(connection: Connection) -> State:
            deliveries.postpone(connection, item.id, destination, why)
            return items.state_of(connection, item.id)

        self._change(item.id, postpone)

    def why_paused(self, destination: str) -> str:
        """Why the destination could take nothing when it was tried last; empty where it could."""
        with self.reading() as connection:
            return deliveries.why_paused(connection, destination)

    def pause(self, destination: str, why: str) -> None:
        """Note that the destination can take nothing now."""
        with room(), self.engine.begin() as connection:
            deliveries.pause(connection, destination, why)

    def resume(self, destination: str) -> None:
        """Note that the destination takes again, if it did not."""
        with self.reading() as connection:
            if not deliveries.why_paused(connection, destination):
                return
        with room(), self.engine.begin() as connection:
            deliveries.resume(connection, destination)

    def decide(self, asides: Collection[Item], decision: Decision, *, address: str = "", basis: str = "") -> int:
        """Carry out what a person decided about items that were set aside, in any process; returns of how many.

        It is not carried out of those that somebody else decided about, or that went on, since they were read; nor of
        those about which it cannot be (`objection`). The audit says so of each in the same transaction: from which
        address, and by which right.
        """
        with room(), self.engine.begin() as connection:
            decided = [item for item in asides if self._decide(connection, item, decision)]
            said = [(f"{decision.verdict} quarantined", f"item {item.name}") for item in decided]
            if said:
                audit.record_all(connection, decision.by, said, address=address, basis=basis)
        if decision.verdict is Verdict.REJECT:  # else the gateway may be making the bytes anew by now
            for item in decided:
                self._tidy(item.id, State.REJECTED)
        return len(decided)

    def objection(self, item: Item, decision: Decision) -> str:
        """Why the decision cannot be carried out, of whatever is set aside; empty where it can."""
        return decisions.objection(item, decision, has_bytes=self._file("incoming", item.id).exists())

    def _decide(self, connection: Connection, item: Item, decision: Decision) -> bool:
        if self.objection(item, decision):
            return False
        state = decisions.outcome(item, decision)
        aside = SetAside(Reason.REJECTION) if state is State.REJECTED else None
        more = items.NOTHING_YET if state is State.RECEIVED else {}
        if not items.change(connection, item, state, aside, **more):
            return False
        decisions.note(connection, self._path_key, item, decision)
        if state is State.RECEIVED:
            deliveries.forget(connection, item.id)
        elif state is State.REJECTED:
            deliveries.forget_open(connection, item.id)
        return True

    def expire(self, item: Item) -> None:
        """Reject an item about which nobody decided in time."""

        def expire(connection: Connection) -> State | None:
            if not items.change(connection, item, State.REJECTED, SetAside(Reason.EXPIRED)):
                return None
            deliveries.forget_open(connection, item.id)
            audit.record(connection, "gateway", "expire item", item.id)
            return State.REJECTED

        self._change(item.id, expire)

    def decided(self, item: Item) -> Decision | None:
        """What was last decided about the item."""
        return next(reversed(self.decisions(item)), None)

    def decisions(self, item: Item) -> list[Decision]:
        """What people decided about the item, oldest first."""
        with self.reading() as connection:
            return decisions.of(connection, self._path_key, item.id)

    def words(self, found: Collection[Item]) -> dict[str, Word]:
        """What people said that holds while these items are made, by their ids."""
        with self.reading() as connection:
            return decisions.words(connection, [item.id for item in found])

    def _change(self, id: str, change: Change) -> None:
        self._work(_one_by_one, (id, change))

    def _work(self, work: Callable[[Connection, Any], States], on: Any) -> None:
        pending: list[Work] | None = getattr(self._mine, "pending", None)
        if pending is None:
            self._commit([(work, on)])
        else:
            pending.append((work, on))

    def _commit_pending(self) -> None:
        """What this thread changed together so far."""
        if pending := getattr(self._mine, "pending", None):
            changes = list(pending)
            pending.clear()
            self._commit(changes)

    def _commit(self, changes: Collection[Work]) -> None:
        """Names of files before the rows that name them, rows before the files that they let go of."""

        def write(connection: Connection) -> States:
            states: dict[str, State | None] = {}
            for work, alike in groupby(changes, key=itemgetter(0)):
                states |= work(connection, [on for _, on in alike])
            return states

        if changes:
            self._write(write)

    def _list(self, accepted: Collection[tuple[str, Label]]) -> None:
        listings = [self._listing(id, label) for id, label in accepted]

        def arrive(connection: Connection) -> dict[str, State]:
            items.forget(connection, [self._without_bytes(label.found.path) for _, label in accepted])
            return items.arrive_all(connection, listings)

        self._write(arrive)

    def _write(self, rows: Callable[[Connection], States]) -> None:
        with room():
            for kind in KINDS:
                sealed.sync_folder(self.folder / kind)
            with self.engine.begin() as connection:
                states = rows(connection)
        for id, state in states.items():
            if state is not None:
                self._tidy(id, state)

    def _write_incoming(
        self, label: Label, slices: Iterable[bytes | memoryview], into: str = "incoming"
    ) -> tuple[str, int]:
        """The item's id, and how many bytes it has."""
        mac, size = hmac.new(self._name_key, digestmod="sha256"), 0

        def through() -> Iterator[bytes | memoryview]:
            nonlocal size
            for piece in slices:
                mac.update(piece)
                size += len(piece)
                yield piece

        writer = f"{os.getpid()}.{threading.get_ident()}"
        part = self.folder / into / f"{self._mark(label.found.path)}.{writer}.part"
        with room():
            labelled(part, self._seal_key, label, through())
            id = mac.hexdigest()
            part.replace(self._file(into, id))
        return id, size

    def _take_over(self) -> None:
        """Let what other processes accepted be listed, too."""
        for entry in os.scandir(self.folder / ARRIVING):
            path = Path(entry.path)
            if ID.fullmatch(entry.name):
                path = path.replace(self._file("incoming", entry.name))
                self._list_again(entry.name, path)
            elif time.time() - entry.stat().st_mtime > ABANDONED:
                path.unlink()

    def _listing(
        self, id: str, label: Label, state: State = State.RECEIVED, set_aside: SetAside | None = None
    ) -> Listing:
        path = label.found.path
        sealed_path = sealed.sealed(self._seal_key, os.fsencode(path))
        return Listing(id, self._mark(path), sealed_path, label.found, label.came, state, set_aside)

    def _mark(self, path: Path) -> str:
        return hmac.digest(self._path_key, os.fsencode(path), "sha256").hex()

    def _without_bytes(self, path: Path) -> str:
        """The id of the item that stands for the file at `path` while there are no bytes to name it by."""
        return hmac.digest(self._name_key, b"no bytes of " + self._mark(path).encode(), "sha256").hex()

    def _file(self, kind: str, id: str) -> Path:
        return self.folder / kind / id

    def _read(self, kind: str, item: Item) -> bytes:
        try:
            if kind == "incoming":
                return opened(self._file(kind, item.id), self._seal_key)
            return sealed.read(self._file(kind, item.id), self._seal_key)
        except FileNotFoundError:
            raise Corrupt(f"the {kind} bytes of item {item.name} are missing; compare with a backup") from None

    def _tidy(self, id: str, state: State) -> None:
        for kind in KINDS:
            if kind not in KEEPS[state]:
                self._file(kind, id).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """List what was accepted and is in no row yet; remove half-written files, and those that no item needs."""
        for rehearsal in self.folder.glob("rehearsal-*"):  # of a process that was killed as it tried another protocol
            shutil.rmtree(rehearsal, ignore_errors=True)
        unlisted = []
        for kind in KINDS:
            names = (entry.name for entry in os.scandir(self.folder / kind))
            while batch := list(islice(names, SWEPT_TOGETHER)):
                with self.reading() as connection:
                    states = items.states_of(connection, batch)
                for name in batch:
                    path, state = self._file(kind, name), states.get(name)
                    if state is None and kind == "incoming" and ID.fullmatch(name):
                        unlisted.append((path.stat().st_mtime_ns, name))
                    elif state is None or kind not in KEEPS[state]:
                        path.unlink()
        for number, (_, name) in enumerate(sorted(unlisted), start=1):  # in the order they came
            self._list_again(name, self._file("incoming", name))
            if number % LISTED_TOGETHER == 0:
                self.list_accepted()
        self.list_accepted()

    def _list_again(self, id: str, path: Path) -> None:
        """Let a file be listed that a process had no time to list; one that is damaged is set aside.

        What still lies in the folder that it came from was promised to nobody: it is read again, in its turn.
        """
        try:
            label = label_of(path, self._seal_key)
            if _lies_there(label.found):
                path.unlink()
            else:
                self._unlisted.append((id, label))
        except Corrupt:
            label = Label(Arrival(Path(f"damaged:{id}"), path.stat().st_size, 0), Came("", ""))
            aside = SetAside(Reason.DAMAGED)
            listing = self._listing(id, label, State.QUARANTINED, aside)
            self._change(id, lambda connection: items.arrive(connection, listing))


def _one_by_one(connection: Connection, changes: Collection[tuple[str, Change]]) -> States:
    return {id: change(connection) for id, change in changes}


def _name(path: str) -> str:
    """The last part of a path; of what came by a connection (`SOURCE:NAME`), and in a package (`PACKAGE!NAME`), too."""
    within = path if path.startswith(os.sep) else path.partition(":")[2]
    return Path(within.rpartition("!")[2]).name


def _lies_there(found: Arrival) -> bool:
    """Whether a file of a folder still is where it was found, and as it was."""
    try:
        status = found.path.lstat()
    except OSError:
        return False
    return bool(found.changed) and (status.st_size, status.st_mtime_ns) == (found.size, found.changed)
