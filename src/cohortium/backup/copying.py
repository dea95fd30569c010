"""Bytes on their way from one place to another: many at once, each seen by a digest as it passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import islice
from typing import Protocol, TypeVar

__all__ = ["at_once", "damaged", "digest_of", "through"]

T = TypeVar("T")
R = TypeVar("R")

THREADS, BATCH = 4, 256  # files that are copied at the same time, and handed out together


class Digest(Protocol):
    """Such as `hashlib.sha256()`."""

    def update(self, content: bytes, /) -> None:
        """See the bytes."""


def digest_of(pieces: Iterable[bytes]) -> str:
    """Their SHA-256, in hexadecimal."""
    digest = sha256()
    for _ in through(digest, pieces):
        pass
    return digest.hexdigest()


def damaged(name: str) -> str:
    """What to say of a file at the target whose bytes are not those that were put there."""
    return f"{name} of the backup is damaged; delete it and make a new backup while the site lives, or use another copy"


def at_once(each: Iterable[T], do: Callable[[T], R]) -> Iterator[tuple[T, R]]:
    """Each with what `do` makes of it, some at a time, in order; however many there are, few are held."""
    rest = iter(each)
    with ThreadPoolExecutor(THREADS) as pool:
        while batch := list(islice(rest, BATCH)):
            yield from zip(batch, pool.map(do, batch), strict=True)


def through(digest: Digest, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces, each of which the digest has seen."""
    for piece in pieces:
        digest.update(piece)
        yield piece
