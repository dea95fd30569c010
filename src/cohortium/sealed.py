"""Encryption at rest: AES-256-GCM in chunks, so that memory stays flat and a cut file is noticed.

A sealed stream is `MAGIC`, 32 random bytes, then chunks of at most `CHUNK` plaintext bytes, each with its
16-byte tag. The file key is HKDF(key, salt = those random bytes); the nonce counts chunks and its last byte marks the
final one (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015), so chunks cannot be reordered,
dropped or appended.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cohortium.errors import Corrupt

__all__ = [
    "Span",
    "length",
    "opened",
    "opened_whole",
    "read",
    "seal",
    "sealed",
    "size",
    "span",
    "sync_folder",
    "unseal",
    "write",
    "written",
]

MAGIC = b"COHSEAL1"
SALT = 32
CHUNK = 1 << 20
TAG = 16
HEAD = len(MAGIC) + SALT


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes [start, end) of a sealed stream that hold a part of its plaintext; `skip` of what opens lie before."""

    first: int  # number of the first chunk
    start: int
    end: int
    skip: int


def sealed(key: bytes, content: bytes | memoryview) -> bytes:
    """The sealed form of bytes that lie in memory anyway."""
    view, salt = memoryview(content).cast("B"), os.urandom(SALT)
    cipher, count = AESGCM(_file_key(key, salt)), _count(len(view))
    chunks = (
        cipher.encrypt(_nonce(n, last=n == count - 1), view[n * CHUNK : (n + 1) * CHUNK], MAGIC) for n in range(count)
    )
    return b"".join([MAGIC, salt, *chunks])


def opened_whole(key: bytes, content: bytes) -> bytes:
    """The plaintext of a sealed form that lies in memory anyway."""
    return b"".join(unseal(key, BytesIO(content)))


def length(size: int) -> int:
    """How long the sealed form of `size` bytes is."""
    return HEAD + size + _count(size) * TAG


def size(length: int) -> int:
    """How many bytes a sealed form of that length holds."""
    return length - HEAD - max(1, -(-(length - HEAD) // (CHUNK + TAG))) * TAG


def span(size: int, start: int, end: int) -> Span:
    """Where, in the sealed form of `size` bytes, the bytes [start, end) of them are."""
    first, last = start // CHUNK, max(start, end - 1) // CHUNK
    stop = min(HEAD + (last + 1) * (CHUNK + TAG), length(size))
    return Span(first, HEAD + first * (CHUNK + TAG), stop, start - first * CHUNK)


def opened(key: bytes, size: int, head: memoryview, body: memoryview, first: int = 0) -> Iterator[bytes]:
    """The plaintext of consecutive chunks from number `first`, of a stream of `size` bytes that begins with `head`."""
    if len(head) != HEAD or head[: len(MAGIC)] != MAGIC:
        raise Corrupt("not a sealed file, or cut within its first bytes")
    cipher, count = AESGCM(_file_key(key, bytes(head[len(MAGIC) :]))), _count(size)
    for number, at in enumerate(range(0, len(body), CHUNK + TAG), first):
        yield _opened(cipher, number, body[at : at + CHUNK + TAG], last=number == count - 1)


def seal(key: bytes, slices: Iterable[bytes | bytearray | memoryview]) -> Iterator[bytes]:
    """The sealed form of the concatenated slices, piece by piece."""
    salt = os.urandom(SALT)
    cipher = AESGCM(_file_key(key, salt))
    yield MAGIC + salt
    chunks = _chunks(slices)
    chunk, number = next(chunks), 0
    for following in chunks:
        yield cipher.encrypt(_nonce(number, last=False), chunk, MAGIC)
        chunk, number = following, number + 1
    yield cipher.encrypt(_nonce(number, last=True), chunk, MAGIC)


def unseal(key: bytes, stream: BinaryIO) -> Iterator[bytes]:
    """The plaintext of a sealed stream; `Corrupt` where a byte differs from what was sealed."""
    head = stream.read(HEAD)
    if len(head) != HEAD or not head.startswith(MAGIC):
        raise Corrupt("not a sealed file, or cut within its first bytes")
    cipher = AESGCM(_file_key(key, head[len(MAGIC) :]))
    chunk, number = stream.read(CHUNK + TAG), 0
    while True:
        following = stream.read(CHUNK + TAG)
        yield _opened(cipher, number, chunk, last=not following)
        if not following:
            return
        chunk, number = following, number + 1


def write(path: Path, key: bytes, slices: Iterable[bytes | bytearray | memoryview], *, sync_name: bool = True) -> None:
    """Seal the slices into `path`, durable and whole or not at all (temporary name, fsync, rename).

    Without `sync_name` a power cut may undo the rename; who writes many files calls `sync_folder` once after them.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    written(part, seal(key, slices))
    try:
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if sync_name:
        sync_folder(path.parent)


def written(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file that only its owner can read, durable but for its name; whole or not at all."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        for piece in pieces:
            view = memoryview(piece)
            while view:
                view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def read(path: Path, key: bytes) -> bytes:
    """The plaintext of the sealed file at `path`."""
    with path.open("rb") as file:
        try:
            return b"".join(unseal(key, file))
        except Corrupt as error:
            raise Corrupt(f"{path.name}: {error}") from None


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders, and makes renames durable by itself
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _opened(cipher: AESGCM, number: int, chunk: bytes | memoryview, *, last: bool) -> bytes:
    try:
        return cipher.decrypt(_nonce(number, last=last), chunk, MAGIC)
    except InvalidTag:
        raise Corrupt(f"sealed chunk {number} is damaged, or sealed under another key") from None


def _count(size: int) -> int:
    return max(1, -(-size // CHUNK))


def _file_key(key: bytes, salt: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=MAGIC).derive(key)


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _chunks(slices: Iterable[bytes | bytearray | memoryview]) -> Iterator[bytearray]:
    """Full chunks, then the rest; each byte is copied once."""
    held = bytearray()
    for piece in slices:
        view = memoryview(piece).cast("B")
        while len(held) + len(view) > CHUNK:
            room = CHUNK - len(held)
            held += view[:room]
            view = view[room:]
            yield held
            held = bytearray()
        held += view
    yield held
