"""What a file is by its first bytes, which decides how it is taken in, whatever way it came."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from cohortium.clinical.tables import is_called_table
from cohortium.dicom import filemeta
from cohortium.errors import Malformed
from cohortium.values import Reason, SetAside, State
from cohortium.wire.packages import is_zip

__all__ = ["HEAD", "WITHOUT_BYTES", "Kind", "kind_of"]

HEAD = 1 << 12  # bytes that tell
DIRECTORY = "1.2.840.10008.1.3.10"  # Media Storage Directory Storage (PS3.4 I.4): a DICOMDIR


class Kind(Enum):
    EMPTY = "nothing"
    OTHER = "no DICOM file"
    DIRECTORY = "a DICOMDIR, which lists images and is none"
    PACKAGE = "a zip"
    DICOM = "a DICOM file"
    TABLE = "a clinical table"


WITHOUT_BYTES: Mapping[Kind, tuple[State, SetAside | None]] = MappingProxyType(
    {
        Kind.EMPTY: (State.QUARANTINED, SetAside(Reason.EMPTY)),
        Kind.OTHER: (State.NOT_DICOM, None),
        Kind.DIRECTORY: (State.CONTAINER, None),  # its records identify; the files that they name come by themselves
    }
)
"""How a kind is accounted for of which no bytes are taken in."""


def kind_of(head: bytes, name: str = "") -> Kind:
    """The kind of a file whose first `HEAD` bytes are these, and that is called so by whoever names its files."""
    if not head:
        return Kind.EMPTY
    if is_zip(head):
        return Kind.PACKAGE
    if not filemeta.is_dicom(head[:256]):
        return Kind.TABLE if is_called_table(name) else Kind.OTHER
    try:
        return Kind.DIRECTORY if filemeta.read(head).MediaStorageSOPClassUID == DIRECTORY else Kind.DICOM
    except Malformed:
        return Kind.DICOM
