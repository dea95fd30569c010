"""What is packed into a zip or a tar that somebody sends: its files one by one, in memory and never under their names.

Names are looked at so that a package that means to reach out of its folder is refused; what it says of sizes is not
believed.
"""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zlib
from collections.abc import Iterator
from typing import IO, BinaryIO, Protocol, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from cohortium.errors import Malformed
from cohortium.wire.multipart import TooLarge

__all__ = ["AT_ONCE", "Opened", "Package", "files", "is_zip", "named"]

MOST = 200_000  # files
AT_ONCE = 1 << 26  # bytes that one read may ask for: what a package says of its own parts is not believed
PIECE = 1 << 20
RATIO, FREE = 200, 1 << 28  # bytes unpacked for each that is sent, and how many of them are never too many
ZIP, GZIP = b"PK", b"\x1f\x8b"
ZIP_HEADS = (b"PK\x03\x04", b"PK\x05\x06")  # of a file, and of a zip without any
ENCRYPTED = 1
BROKEN = (BadZipFile, tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError, ValueError, RuntimeError)


class Package(Protocol):
    """What can be read anywhere, and how many bytes it has."""

    @property
    def size(self) -> int: ...

    def read(self, size: int = -1, /) -> bytes: ...

    def seek(self, offset: int, whence: int = 0, /) -> int: ...


class Opened(io.RawIOBase):
    """A file that lies open as a package."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.size = file, size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def read(self, size: int = -1, /) -> bytes:
        """As many bytes as are asked for, or all that are left."""
        if min(size if size >= 0 else self.size, self.size) > AT_ONCE:
            raise TooLarge("a part of the package is larger than what is taken")
        return self._file.read(size)


def is_zip(head: bytes) -> bool:
    """Whether a file that begins so is a zip."""
    return head.startswith(ZIP_HEADS)


def files(package: Package, limit: int) -> Iterator[bytes]:
    """The content of each file, at most `limit` bytes; `Malformed`, or `TooLarge` for a bomb."""
    return (content for _, content in named(package, limit))


def named(package: Package, limit: int) -> Iterator[tuple[str, bytes]]:
    """The same, each with the name that it asks for, which has yet to be checked."""
    package.seek(0)
    head = package.read(2)
    package.seek(0)
    left = RATIO * package.size + FREE
    try:
        for number, (name, file) in enumerate(_zipped(package) if head == ZIP else _tarred(package, head == GZIP)):
            content = _read(file, limit)
            left -= len(content)
            if left < 0 or number >= MOST:
                raise TooLarge("more is packed into it than is taken")
            yield name, content
    except BROKEN:  # whose words may quote names
        raise Malformed("it is neither a zip nor a tar, or it is broken") from None


def _zipped(package: Package) -> Iterator[tuple[str, IO[bytes]]]:
    with ZipFile(cast(BinaryIO, package)) as archive:
        infos = archive.infolist()
        for info in infos:
            _demand(info.filename, is_plain=_is_plain(info))
        for info in infos:
            if not info.is_dir():
                with archive.open(info) as file:
                    yield info.filename, file


def _is_plain(info: ZipInfo) -> bool:
    """Whether it is a file or a folder, and can be read."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    is_readable = info.compress_type in (ZIP_STORED, ZIP_DEFLATED) and not info.flag_bits & ENCRYPTED
    return is_readable and kind in (0, stat.S_IFREG, stat.S_IFDIR)


class _Gzip(gzip.GzipFile):
    """Of which no more is read at once than a tar has need of."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= AT_ONCE:
            raise TooLarge("a part of the body is larger than what is taken")
        return super().read(size)


def _tarred(package: Package, is_packed: bool) -> Iterator[tuple[str, IO[bytes]]]:
    stream = cast(BinaryIO, _Gzip(fileobj=cast(BinaryIO, package), mode="rb") if is_packed else package)
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        for info in archive:
            _demand(info.name, is_plain=info.isreg() or info.isdir())
            if info.isreg() and (file := archive.extractfile(info)):
                yield info.name, file


def _read(file: IO[bytes], limit: int) -> bytes:
    content = bytearray()
    while piece := file.read(PIECE):
        content += piece
        if len(content) > limit:
            raise TooLarge(f"it holds a file larger than {limit // 1_000_000} MB, the limit of this site")
    return bytes(content)


def _demand(name: str, *, is_plain: bool) -> None:
    """The name itself is told to nobody."""
    parts = name.replace("\\", "/").split("/")
    if not is_plain:
        raise Malformed("it holds links, devices, encrypted files, or files packed in a way that is not read")
    if ".." in parts or (parts[0] == "" and name) or ":" in parts[0] or "\0" in name:
        raise Malformed("it holds names that lead out of their folder")
