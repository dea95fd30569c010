"""Writing outputs, each whole or not at all, and never over another.

Nothing that is there is replaced: a file in the way is compared with what was to be written, and the answer says which
it was.
"""

from __future__ import annotations

import filecmp
import os
import tempfile
from collections import deque
from itertools import islice
from pathlib import Path

__all__ = ["STAGING", "place", "settle", "write"]

STAGING = ".cohortium-part"
VECTORS = 1024  # IOV_MAX of Linux


def settle(part: Path, final: Path) -> bool | None:
    """Give a whole file its name: True if that is new, False if the same was there, None if other bytes were."""
    try:
        os.link(part, final)
    except FileExistsError:
        return False if filecmp.cmp(part, final, shallow=False) else None
    return True


def place(destination: Path, output: str, slices: list[bytes | memoryview]) -> bool | None:
    """Write the slices to `output`: True if it is new, False if it was there, None if it was there with other bytes."""
    final = f"{destination}/{output}"
    if os.path.exists(final):  # noqa: PTH110 - a hot path
        return False if _holds(final, slices) else None
    descriptor, part = tempfile.mkstemp(dir=f"{destination}/{STAGING}")  # workers may be threads, or on other machines
    try:
        write(descriptor, slices)
    finally:
        os.close(descriptor)
    try:
        _link(part, final)
    except FileExistsError:  # another worker was faster
        return False if _holds(final, slices) else None
    finally:
        os.unlink(part)  # noqa: PTH108 - a hot path
    return True


def _holds(path: str, slices: list[bytes | memoryview]) -> bool:
    """Whether a file is these slices, read piece by piece."""
    with open(path, "rb") as file:  # noqa: PTH123 - a hot path
        return all(file.read(len(piece)) == piece for piece in slices) and not file.read(1)


def _link(part: str, final: str) -> None:
    try:
        os.link(part, final)
    except FileNotFoundError:
        Path(final).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.link(part, final)


def write(descriptor: int, slices: list[bytes | memoryview]) -> None:
    """All of the slices: `writev` may write less than it is given and takes a limited number."""
    if not hasattr(os, "writev"):  # Windows
        for piece in slices:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        return
    pending = deque(slices)
    while pending:
        count = os.writev(descriptor, list(islice(pending, VECTORS)))
        while pending and count >= len(pending[0]):
            count -= len(pending.popleft())
        if count:
            pending[0] = memoryview(pending[0])[count:]
