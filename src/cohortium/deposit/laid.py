"""A folder as a destination: PatientID/StudyInstanceUID/SeriesInstanceUID/*.dcm, each file whole or absent."""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from cohortium.deposit.parcels import Parcel
from cohortium.errors import Refused, Unavailable
from cohortium.sealed import sync_folder
from cohortium.values import Instance

__all__ = ["Folder", "place"]


def place(instance: Instance) -> Path:
    """Where the instance lies below the destination; pseudonyms and UIDs alone."""
    names = (
        instance.PatientID,
        instance.StudyInstanceUID,
        instance.SeriesInstanceUID,
        f"{instance.SOPInstanceUID}.dcm",
    )
    if any(name.startswith(".") or set(name) & set('/\\:*?"<>|\0') or not name for name in names):
        raise Refused("its pseudonym or a UID cannot be the name of a folder")
    return Path(*names)


class Folder:
    """Files below `root`; one that is there with other bytes is never replaced."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def send(self, project: str, parcels: Sequence[Parcel]) -> Sequence[str | Refused]:  # noqa: ARG002
        """See `Sender`."""
        if not self._root.is_dir():
            raise Unavailable("the destination's folder is not there; mount it, or make it")
        try:
            answers = [self._lay(each) for each in parcels]
            for folder in {(self._root / place(each.instance)).parent for each in parcels}:
                sync_folder(folder)
        except OSError as error:
            raise Unavailable(f"the destination's folder cannot be written: {error.strerror}") from None
        return answers

    def close(self) -> None:
        """See `Sender`."""

    def _lay(self, parcel: Parcel) -> str | Refused:
        path = self._root / place(parcel.instance)
        if path.exists():
            there = sha256(path.read_bytes()).hexdigest()
            return there if there == parcel.instance.digest else Refused("other bytes lie there under its UID")
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        with part.open("wb") as file:
            file.write(parcel.content())
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        return parcel.instance.digest
