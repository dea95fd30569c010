"""Content-addressed bytes, sealed under the data key of the subject they are about, and authenticated when read.

An object is named by the SHA-256 of its plaintext. The key that seals it follows from the data key and that digest, so
that what opens was put under that digest, whole and in order: no read needs to compute it again. The name in storage
follows from both too, and tells nobody without the key whether two subjects or projects hold the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, RowMapping, Table, select

from cohortium import sealed
from cohortium.archive.datakeys import DataKeys
from cohortium.archive.storage import Cold, Storage
from cohortium.errors import Corrupt, Malformed, Unavailable
from cohortium.store.schema import data_key, earlier_version, instance, resource_file

__all__ = ["FETCH", "Address", "Missing", "Objects", "find"]

DIGEST = re.compile(r"[0-9a-f]{64}")
FETCH = "fetch"  # the job that brings a pack back from cold storage
TOGETHER = 2 * sealed.CHUNK  # bytes of several that are read at a time: what a processor keeps at hand
AT_ONCE = 8 * sealed.CHUNK  # bytes that a stream reads at a time


class Missing(Corrupt):
    """Bytes that were stored are not there."""


class Address(NamedTuple):
    """Where bytes are: under which data key (None: of an earlier release, not sealed), and in which pack, if in one."""

    key: int | None
    digest: str
    size: int
    pack: int | None = None
    offset: int | None = None

    @classmethod
    def of(cls, row: RowMapping) -> Address:
        """The address in a row that has those columns."""
        return cls(row["key_id"], row["digest"], row["size"], row["pack_id"], row["pack_offset"])

    @staticmethod
    def columns(table: Table) -> tuple[Column[Any], ...]:
        """The columns of which an address is made, in its order."""
        return table.c.key_id, table.c.digest, table.c.size, table.c.pack_id, table.c.pack_offset

    @property
    def name(self) -> str:
        """What `DataKey.place` makes a place in storage of."""
        return self.digest if self.pack is None else f"pack {self.pack}"


def find(connection: Connection, project_id: int, digest: str) -> Address | None:
    """Where a project's instance, an earlier version of one, or file of that digest is; None where it holds none."""
    for table in (instance, earlier_version, resource_file):
        columns = Address.columns(table) if "pack_id" in table.c else (table.c.key_id, table.c.digest, table.c.size)
        where = table.c.digest == digest, table.c.project_id == project_id
        row = connection.execute(select(*columns).where(*where).limit(1)).one_or_none()
        if row is not None:
            return Address(*row)
    return None


class Objects:
    """The objects in one storage."""

    def __init__(self, storage: Storage, keys: DataKeys) -> None:
        self.storage = storage
        self.keys = keys

    def put(self, key: int, content: bytes | memoryview) -> Address:
        """Keep the bytes under the data key of that id, once; durable when this returns."""
        return self.keep(key, content, sha256(content).hexdigest())[0]

    def keep(self, key: int, content: bytes | memoryview, digest: str) -> tuple[Address, bool]:
        """The same for bytes whose SHA-256 the caller computed, and whether they were not there before.

        Else somebody may be about to let go of them.
        """
        (kept,) = self.keep_all([(key, content, digest)])
        return kept

    def keep_all(self, contents: Sequence[tuple[int, bytes | memoryview, str]]) -> list[tuple[Address, bool]]:
        """The same for several, each with its data key and digest: faster than one by one."""
        kept = [Address(key, digest, len(content)) for key, content, digest in contents]
        made = self.storage.write_all(self._sealed(at, each[1]) for at, each in zip(kept, contents, strict=True))
        for at, each, is_new in zip(kept, contents, made, strict=True):
            if not is_new and not self.holds(at):
                self.storage.replace(*self._sealed(at, each[1]))
        return list(zip(kept, made, strict=True))

    def _sealed(self, at: Address, content: bytes | memoryview) -> tuple[str, bytes]:
        """Where the bytes are kept, and as what."""
        secret = self.keys[at.key or 0]
        return secret.place(at.name), sealed.sealed(secret.seals(at.digest), content)

    def demand(self, at: Address) -> None:
        """Raise `Unavailable` where the bytes are not there any more; in the transaction that is to name them."""
        if not self.storage.has(self.place(at.key, at.name)):
            raise Unavailable("these bytes were removed just now; send them again")

    def get(self, at: Address) -> bytes:
        """The bytes there; `Corrupt` where they are gone, or not what was put."""
        if at.key is None:
            return self._plain(at)
        return b"".join(self._read(at, 0, at.size))

    def read(self, at: Address, start: int, end: int) -> bytes:
        """The bytes [start, end) of what is there, without reading the rest."""
        return b"".join(self.stream(at, start, end))

    def stream(self, at: Address, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The same in pieces, for what is too large for memory."""
        end = at.size if end is None else min(end, at.size)
        if at.key is None:
            yield self._plain(at)[start:end]
            return
        while start < end or at.size == 0:
            stop = min(end, start - start % sealed.CHUNK + AT_ONCE)
            yield from self._read(at, start, stop)
            if stop >= end:
                return
            start = stop

    def streams(self, places: Iterable[Address]) -> Iterator[Iterator[bytes]]:
        """The bytes of each in pieces, to be taken in order; what lies side by side in a pack is read together."""
        for run in _runs(places):
            if len(run) > 1:
                yield from self._together(run)
            else:
                yield self.stream(run[0])

    def demand_warm(self, places: Iterable[Address]) -> None:
        """Raise `Cold` where any of these cannot be read now, after all of them were asked for."""
        cold: Cold | None = None
        if self.storage.has_cold:
            for at in {each.pack: each for each in places if each.pack is not None}.values():
                try:
                    self.read(at, 0, 1)
                except Cold as found:
                    cold = found
        if cold is not None:
            raise cold

    def place(self, key: int | None, name: str) -> str:
        """Where the bytes of that `Address.name` are in storage."""
        return f"{name[:2]}/{name}" if key is None else self.keys[key].place(name)

    def sealed(self, at: Address) -> bytes:
        """The bytes as they are stored, after they were opened to see that they are what was put."""
        (found,) = self._fetched(at)
        for _ in self._opened(at, found[: sealed.HEAD], found[sealed.HEAD :], 0, sealed.length(at.size) - sealed.HEAD):
            pass
        return bytes(found)

    def holds(self, at: Address) -> bool:
        """Whether the bytes are there and whole."""
        return not self.fault(at)

    def fault(self, at: Address) -> str:
        """What is wrong with the bytes, read from beginning to end: `missing`, `damaged`, or nothing."""
        try:
            for _ in self.stream(at):
                pass
        except Corrupt as error:
            return "missing" if isinstance(error, Missing) else "damaged"
        return ""

    def _read(self, at: Address, start: int, end: int) -> Iterator[bytes]:
        span = sealed.span(at.size, start, end)
        if (start, end) == (0, at.size):
            (found,) = self._fetched(at)
            head, body = found[: sealed.HEAD], found[sealed.HEAD :]
        else:
            head, body = self._fetched(at, (0, sealed.HEAD), (span.start, span.end))
        for number, chunk in enumerate(self._opened(at, head, body, span.first, span.end - span.start), span.first):
            first = max(0, start - number * sealed.CHUNK)
            last = end - number * sealed.CHUNK
            yield chunk if first == 0 and last >= len(chunk) else chunk[first:last]

    def _together(self, run: Sequence[Address]) -> Iterator[Iterator[bytes]]:
        (first, *_, last) = run
        start, end = first.offset or 0, (last.offset or 0) + sealed.length(last.size)
        try:
            (found,) = self.storage.ranges(self.place(first.key, first.name), [(start, end)])
        except (FileNotFoundError, Cold):  # packed anew since somebody read where they are, or told as for any one
            yield from map(self.stream, run)
            return
        for at in run:
            whole = found[(at.offset or 0) - start :][: sealed.length(at.size)]
            head, body = whole[: sealed.HEAD], whole[sealed.HEAD :]
            yield self._opened(at, head, body, 0, sealed.length(at.size) - sealed.HEAD)

    def _fetched(self, at: Address, *spans: tuple[int, int]) -> list[memoryview]:
        """Parts of what is stored of it, or all; also where it was packed since somebody read where it is."""
        place, base = self.place(at.key, _checked(at).name), at.offset or 0
        try:
            if at.pack is None and not spans:
                return [self.storage.read(place)]
            wanted = spans or ((0, sealed.length(at.size)),)
            return self.storage.ranges(place, [(base + start, base + end) for start, end in wanted])
        except FileNotFoundError:
            moved = self._moved(at)
            if moved is None:
                raise Missing(f"object {at.digest[:12]} is missing; restore it from a backup") from None
            return self._fetched(moved, *spans)
        except Cold:
            self.keys.ask(FETCH, {"key": at.key, "name": at.name})
            raise

    def _moved(self, at: Address) -> Address | None:
        """Where the bytes are by now, if not there."""
        with self.keys.reading() as connection:
            project_id = connection.scalar(select(data_key.c.project_id).where(data_key.c.id == at.key))
            found = find(connection, project_id, at.digest) if project_id is not None else None
        return None if found is None or found[:1] + found[3:] == at[:1] + at[3:] else found

    def _opened(self, at: Address, head: memoryview, body: memoryview, first: int, length: int) -> Iterator[bytes]:
        if len(body) != length:
            raise Corrupt(f"object {at.digest[:12]} is cut; restore it from a backup")
        try:
            yield from sealed.opened(self.keys[at.key or 0].seals(at.digest), at.size, head, body, first)
        except Corrupt as error:
            raise Corrupt(f"object {at.digest[:12]} is damaged ({error}); restore it from a backup") from None

    def _plain(self, at: Address) -> bytes:
        """What an earlier release stored."""
        digest = _checked(at).digest
        try:
            content = bytes(self.storage.read(self.place(None, digest)))
        except FileNotFoundError:
            raise Missing(f"object {digest[:12]} is missing; restore it from a backup") from None
        if sha256(content).hexdigest() != digest:
            raise Corrupt(f"object {digest[:12]} is damaged; restore it from a backup")
        return content


def _runs(places: Iterable[Address]) -> Iterator[list[Address]]:
    """Those that lie side by side in a pack, as many as are read at a time; any other by itself."""
    run: list[Address] = []
    size = end = 0
    for at in places:
        length = sealed.length(at.size)
        beside = run and at.pack is not None and at[0::3] == run[-1][0::3] and at.offset == end
        if run and (not beside or size + length > TOGETHER):
            yield run
            run, size = [], 0
        run.append(at)
        size, end = size + length, (at.offset or 0) + length
    if run:
        yield run


def _checked(at: Address) -> Address:
    if not DIGEST.fullmatch(at.digest):
        raise Malformed("an object is named by 64 lower-case hexadecimal characters")
    return at
