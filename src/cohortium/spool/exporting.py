"""A copy of what was set aside, as it came, for somebody to look at with other tools: identifying, and on record.

What always holds: it is in the clear only where that was asked for in so many words.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cohortium.dicom.filemeta import is_dicom
from cohortium.errors import Refused, Unavailable
from cohortium.prove import audit
from cohortium.sealed import sync_folder
from cohortium.spool.items import Item
from cohortium.spool.spool import Spool
from cohortium.store.room import room

__all__ = ["Envelope", "export"]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What seals a copy, for whom it is, and how the name of such a file ends."""

    seal: Callable[[bytes], bytes]
    recipients: str
    suffix: str


def export(spool: Spool, item: Item, folder: Path, by: str, envelope: Envelope | None) -> Path:
    """Write the item's bytes below the folder, readable to its owner alone; returns where. The audit says so first.

    They lie in the envelope; without one, in the clear.
    """
    content = spool.incoming(item)
    what, whom = ("export item", f" to {envelope.recipients}") if envelope else ("export item in the clear", "")
    with room(), spool.engine.begin() as connection:
        audit.record(connection, by, what, f"item {item.name}{whom}")
    kind = ".dcm" if is_dicom(content[:256]) else ".csv"
    path = folder / f"{item.name}{kind}{envelope.suffix if envelope else ''}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(envelope.seal(content) if envelope else content)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(folder)
    except FileExistsError:
        raise Refused(f"{path.name} is there already; choose another folder") from None
    except OSError as error:
        raise Unavailable(f"the copy cannot be written: {error.strerror}") from None
    return path
