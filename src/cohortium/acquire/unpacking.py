"""A zip into the spool, file by file: all of it can be read, or it is set aside whole and none of it comes in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

from cohortium.acquire.kinds import HEAD, WITHOUT_BYTES, Kind, kind_of
from cohortium.errors import Malformed, Refused
from cohortium.spool import BATCH, Arrival, Came, Spool
from cohortium.values import Reason, SetAside, State
from cohortium.wire.packages import Package, named

__all__ = ["Put", "unpack"]

PIECE = 1 << 20
NESTED = SetAside(Reason.PACKAGE, "it lies within another package")

Put = Callable[[Arrival, Came, Sequence[bytes]], str]
"""Brings the bytes of one file into the spool."""


def unpack(spool: Spool, found: Arrival, came: Came, package: Package, limit: int, put: Put) -> int:
    """Bring in each file of the package, `found` there, of at most `limit` bytes each; how many are DICOM or tables.

    Every file is accounted for, and so is the package itself. `Refused` where it was set aside.
    """
    try:
        for _ in named(package, limit):
            pass
    except Malformed as error:
        _set_aside(spool, found, came, package, limit, SetAside(Reason.PACKAGE, str(error)))
        raise Refused(f"{Reason.PACKAGE}: {error}") from None
    members = named(package, limit)
    taken = 0
    while (first := next(members, None)) is not None:
        with spool.together():
            for name, content in chain([first], islice(members, BATCH - 1)):
                inside = replace(found, path=Path(f"{found.path}!{name}"), size=len(content))
                taken += _take(spool, inside, came, content, put)
    spool.refuse(found, came, State.CONTAINER, None)
    return taken


def _take(spool: Spool, found: Arrival, came: Came, content: bytes, put: Put) -> bool:
    kind = kind_of(content[:HEAD], found.path.name)
    if kind is Kind.PACKAGE:
        spool.set_aside(found, came, [content], NESTED)
    elif kind in WITHOUT_BYTES:
        spool.refuse(found, came, *WITHOUT_BYTES[kind])
    else:
        put(found, came, [content])
    return kind in (Kind.DICOM, Kind.TABLE)


def _set_aside(spool: Spool, found: Arrival, came: Came, package: Package, limit: int, why: SetAside) -> None:
    """Its bytes are kept where a file of that size would be taken."""
    if found.size > limit:
        spool.refuse(found, came, State.QUARANTINED, why)
        return
    package.seek(0)
    spool.set_aside(found, came, iter(lambda: package.read(PIECE), b""), why)
