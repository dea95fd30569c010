"""Parts of a backup: bytes that lie once however many backups hold them, sealed, and lists of lines made of them.

A part is named by a keyed digest of what it holds, so that what did not change is not written again, and who holds the
target learns nothing from the names. Lines are cut into parts where their own bytes say so, not after a count: a line
that is new changes the part it falls into, and no other.
"""

from __future__ import annotations

import hmac
import io
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from cohortium import sealed
from cohortium.backup.copying import damaged
from cohortium.backup.place import Place
from cohortium.errors import Corrupt
from cohortium.keys import SiteKey

__all__ = ["PARTS", "Lines", "Parts", "name_of"]

PARTS = "parts/"
ONE_IN = 2048  # lines of a part, on average
LARGEST = 4 << 20  # bytes of a part, but for its last line
LEVEL = 3  # of compression


@dataclass(frozen=True, slots=True)
class Lines:
    """A list of lines: how many, the SHA-256 of them all, and the parts that they lie in."""

    count: int
    digest: str
    parts: tuple[str, ...]


class Parts:
    """The parts at one place, under one site's key."""

    def __init__(self, place: Place, key: SiteKey) -> None:
        self._place = place
        self._seal_key = key.derive("backup parts")
        self._name_key = key.derive("backup names")
        self._held: set[str] | None = None
        self.written = 0  # bytes, as they were given

    def put(self, content: bytes, *, squeeze: bool) -> str:
        """Keep the bytes, compressed if `squeeze`; returns their name."""
        name = self._name(content, squeeze=squeeze)
        if self._held is None:
            self._held = set(self._place.sizes(PARTS))
        if name_of(name) not in self._held:
            stored = zlib.compress(content, LEVEL) if squeeze else content
            self._place.write(name_of(name), sealed.seal(self._seal_key, [stored]))
            self._held.add(name_of(name))
            self.written += len(content)
        return name

    def get(self, name: str, *, squeezed: bool) -> bytes:
        """What was put under the name; `Corrupt` where it is gone or no longer what it was."""
        stored = io.BytesIO(b"".join(self._place.read(name_of(name))))
        try:
            content = b"".join(sealed.unseal(self._seal_key, stored))
            content = zlib.decompress(content) if squeezed else content
        except (Corrupt, zlib.error):
            raise Corrupt(damaged(name_of(name))) from None
        if not hmac.compare_digest(self._name(content, squeeze=squeezed), name):
            raise Corrupt(damaged(name_of(name)))
        return content

    def put_lines(self, lines: Iterable[bytes]) -> Lines:
        """Keep the lines, each of which ends with its only newline."""
        digest, count, names, held = sha256(), 0, [], bytearray()
        for line in lines:
            held += line
            count += 1
            digest.update(line)
            if zlib.crc32(line) % ONE_IN == 0 or len(held) >= LARGEST:
                names.append(self.put(bytes(held), squeeze=True))
                held.clear()
        if held:
            names.append(self.put(bytes(held), squeeze=True))
        return Lines(count, digest.hexdigest(), tuple(names))

    def get_lines(self, lines: Lines) -> Iterator[bytes]:
        """The lines, one after the other; at their end `Corrupt` where they are not those that were put."""
        digest, count = sha256(), 0
        for name in lines.parts:
            for line in io.BytesIO(self.get(name, squeezed=True)):
                digest.update(line)
                count += 1
                yield line
        if digest.hexdigest() != lines.digest or count != lines.count:
            raise Corrupt("a list of the backup is not the one that was written")

    def _name(self, content: bytes, *, squeeze: bool) -> str:
        mac = hmac.new(self._name_key, b"lines" if squeeze else b"bytes", "sha256")
        mac.update(content)
        return mac.hexdigest()


def name_of(part: str) -> str:
    """Where the part lies at its place."""
    return f"{PARTS}{part[:2]}/{part}"
