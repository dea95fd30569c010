"""A zip written as it is sent: the first bytes at once, one piece in memory, however much goes into it.

Members are stored, not deflated: pixels shrink little for what it costs, and what arrives can be read while it arrives.
`zipfile` writes ZIP64 where sizes, offsets or numbers of members ask for it. A member that fails ends the zip before
its directory is written, so that nobody takes half for the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from zipfile import ZipFile, ZipInfo

__all__ = ["MEDIA_TYPE", "Member", "zipped"]

MEDIA_TYPE = "application/zip"
READABLE = 0o100644 << 16  # as a folder's listing has it: a file, read by all


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the zip: its path, made by `names.safe`, how many bytes it has, and what reads them, in pieces."""

    path: str
    size: int
    read: Callable[[], Iterable[bytes]]


def zipped(members: Iterable[Member]) -> Iterator[bytes]:
    """The zip in pieces; each member is read only when those before it were taken."""
    sink = _Sink()
    with ZipFile(sink, "w") as archive:  # type: ignore[call-overload]
        for member in members:
            info = ZipInfo(member.path)  # of 1980, so that the same members make the same zip
            info.external_attr, info.file_size = READABLE, member.size
            with archive.open(info, "w") as file:
                for piece in member.read():
                    file.write(piece)
                    yield sink.taken()
            yield sink.taken()
    yield sink.taken()


class _Sink:
    """What `zipfile` writes to: it can neither seek nor tell."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(data)
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
