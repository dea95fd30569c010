"""The bytes of a file that asks to come in, in memory and nowhere else until they are sealed or refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from cohortium.errors import Refused
from cohortium.wire.multipart import TooLarge

__all__ = ["Unfit", "read"]

PIECE = 1 << 20


class Unfit(Refused):
    """The archive's check says no, and the sender may mend what was offered."""


def read(source: BinaryIO | Path, limit: int) -> bytes:
    """All of it; `TooLarge` once it has more than `limit` bytes, `Refused` where a path is no plain file."""
    if not isinstance(source, Path):
        return _read(source, limit)
    try:
        descriptor = os.open(source, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise Refused(f"the file cannot be read, or is a link: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Refused("not admitted: it is no plain file")
    with os.fdopen(descriptor, "rb") as file:
        return _read(file, limit)


def _read(stream: BinaryIO, limit: int) -> bytes:
    content = bytearray()
    while piece := stream.read(PIECE):
        content += piece
        if len(content) > limit:
            raise TooLarge(f"not admitted: it is larger than {limit // 1_000_000} MB, the limit of this site")
    return bytes(content)
