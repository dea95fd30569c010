"""A folder as a destination: PatientID/StudyInstanceUID/SeriesInstanceUID/*.dcm, each file whole or absent."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from hashlib import file_digest
from pathlib import Path

from cohortium.deposit.parcels import Answer, Confirmed, How, Parcel, TableParcel
from cohortium.errors import Refused, Unavailable
from cohortium.sealed import sync_folder
from cohortium.values import Instance
from cohortium.wire.names import instance_path

__all__ = ["Folder", "earlier_name", "place"]

NO_NAME = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)  # what the file system cannot call anything


def place(instance: Instance) -> str:
    """Where the instance lies below the destination: pseudonyms and UIDs alone, safe on every file system."""
    return instance_path(
        instance.PatientID, instance.StudyInstanceUID, instance.SeriesInstanceUID, instance.SOPInstanceUID
    )


def earlier_name(name: str, digest: str) -> str:
    """What a file is called once a new version of it came: no *.dcm, so that nobody takes both."""
    return f"{name}.{digest[:16]}.earlier"


class Folder:
    """Files below `root`; one that is there with other bytes is never replaced, and an earlier version is kept."""

    def __init__(self, root: Path, *, mounted: bool = False) -> None:
        """`mounted`: nothing is laid there while it is no mount point."""
        self._root, self._mounted = root, mounted
        self._device: int | None = None

    def send(self, project: str, parcels: Sequence[Parcel]) -> Sequence[Answer]:  # noqa: ARG002
        """See `Sender`."""
        return self._lay_all([(place(each.instance), each) for each in parcels])

    def send_table(self, project: str, parcel: TableParcel) -> Answer:  # noqa: ARG002
        """See `Sender`. It lies beside the folders of the patients, for it is about many."""
        (answer,) = self._lay_all([(parcel.name, parcel)])
        return answer

    def _lay_all(self, parcels: Sequence[tuple[str, Parcel | TableParcel]]) -> list[Answer]:
        try:
            self._demand_there()
            answers = [self._lay(*each) for each in parcels]
            laid = (at for (at, _), answer in zip(parcels, answers, strict=True) if isinstance(answer, Confirmed))
            for folder in {above for each in laid for above in self._folders(each)}:
                sync_folder(folder)
        except OSError as error:
            raise Unavailable(f"the destination's folder cannot be written: {error.strerror}") from None
        return answers

    def probe(self) -> None:
        """See `Sender`."""
        self._demand_there()
        if not os.access(self._root, os.W_OK | os.X_OK):
            raise Unavailable("the destination's folder cannot be written by the gateway's user")

    def close(self) -> None:
        """See `Sender`."""

    def _demand_there(self) -> None:
        """A share that went away leaves an empty folder of this machine's own disk, in which nothing is to land."""
        if not self._root.is_dir():
            raise Unavailable("the destination's folder is not there; mount it, or make it")
        if self._mounted and not os.path.ismount(self._root.resolve()):
            raise Unavailable("nothing is mounted at the destination's folder; mount its share again")
        device = self._root.stat().st_dev
        if device != (self._device or device):
            raise Unavailable("the destination's folder lies on another disk than before; mount it again, or restart")
        self._device = device

    def _folders(self, at: str) -> list[Path]:
        """The root and those below it in which the file lies: the names of all are to be durable."""
        above = (self._root / at).parents
        return [each for each in above if each.is_relative_to(self._root)]

    def _lay(self, at: str, parcel: Parcel | TableParcel) -> Answer:
        path, wanted = self._root / at, parcel.digest
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                _write(path, parcel)
            elif (there := _digest(path)) != wanted:
                if there not in parcel.earlier:
                    return Refused("other bytes lie there under its name")
                path.rename(path.with_name(earlier_name(path.name, there)))
                _write(path, parcel)
        except OSError as error:
            if error.errno in NO_NAME:
                return Refused("its pseudonym or a UID is too long to be the name of a folder there")
            raise
        return Confirmed(wanted, How.READ_BACK)


def _write(path: Path, parcel: Parcel | TableParcel) -> None:
    """Under another name until it is durable and reads back as it was."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(parcel.content())
            file.flush()
            os.fsync(file.fileno())
        if _digest(part) != parcel.digest:
            raise Unavailable("what was written to the destination's folder reads back otherwise; look at its disk")
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
