"""Files as they come in: each says under seal how it came, before the bytes, so that a file alone can be listed."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from cohortium import sealed
from cohortium.errors import Corrupt
from cohortium.spool.items import Arrival, Came

__all__ = ["FolderSync", "Label", "label_of", "labelled", "opened"]

LENGTH = 4  # bytes that tell how long the sealed label is


@dataclass(frozen=True, slots=True)
class Label:
    """What came, and how."""

    found: Arrival
    came: Came


class FolderSync:
    """Makes names in a folder durable; threads that wait at one time share a single sync."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn, self._counting = threading.Lock(), threading.Lock()
        self._asked = self._done = 0

    def wait(self) -> None:
        """Return when every name that was made before the call is durable."""
        with self._counting:
            self._asked += 1
            mine = self._asked
        with self._turn:
            if self._done >= mine:
                return
            upto = self._asked
            sealed.sync_folder(self._folder)
            self._done = upto


def labelled(path: Path, key: bytes, label: Label, slices: Iterable[bytes | memoryview]) -> None:
    """Write the label and the bytes, each sealed, durable but for the file's name; whole or not at all."""
    head = sealed.sealed(key, _text(label))
    sealed.written(path, chain([len(head).to_bytes(LENGTH, "big") + head], sealed.seal(key, slices)))


def opened(path: Path, key: bytes) -> bytes:
    """The bytes, without their label."""
    with path.open("rb") as file:
        file.seek(LENGTH + _length(file.read(LENGTH)))
        try:
            return b"".join(sealed.unseal(key, file))
        except Corrupt as error:
            raise Corrupt(f"{path.name}: {error}") from None


def label_of(path: Path, key: bytes) -> Label:
    """The label alone, and how many bytes it stands before."""
    with path.open("rb", buffering=0) as file:
        length = _length(file.read(LENGTH))
        head, whole = file.read(length), os.fstat(file.fileno()).st_size
    found = json.loads(sealed.opened_whole(key, head))
    place = Path(os.fsdecode(bytes.fromhex(found["path"])))
    size = sealed.size(whole - LENGTH - length)
    return Label(Arrival(place, size, found["changed"]), Came(found["source"], found["pipeline"]))


def _text(label: Label) -> bytes:
    found = label.found
    path = os.fsencode(found.path).hex()  # need not be text
    row = {"path": path, "changed": found.changed}  # how many bytes there are is not known before they have come
    return json.dumps(row | {"source": label.came.source, "pipeline": label.came.pipeline}).encode()


def _length(head: bytes) -> int:
    if len(head) != LENGTH:
        raise Corrupt("cut within its first bytes")
    return int.from_bytes(head, "big")
