"""A copy of what was set aside, as it came, for somebody to look at with other tools: identifying, and on record."""

from __future__ import annotations

import os
from pathlib import Path

from cohortium.errors import Refused, Unavailable
from cohortium.prove import audit
from cohortium.sealed import sync_folder
from cohortium.spool.items import Item
from cohortium.spool.spool import Spool
from cohortium.store.room import room

__all__ = ["export"]


def export(spool: Spool, item: Item, folder: Path, by: str, address: str = "") -> Path:
    """Write the item's bytes below the folder, readable to its owner alone; returns where. The audit says so first."""
    content = spool.incoming(item)
    with room(), spool.engine.begin() as connection:
        audit.record(connection, by, "export item", item.id, address=address)
    path = folder / f"{item.name}.dcm"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(folder)
    except FileExistsError:
        raise Refused(f"{path.name} is there already; choose another folder") from None
    except OSError as error:
        raise Unavailable(f"the copy cannot be written: {error.strerror}") from None
    return path
