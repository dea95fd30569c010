"""Whether what a destination wrote anew still is the same instance: every data element, bytes by bytes."""

from __future__ import annotations

from cohortium.deposit.parcels import Answer, Confirmed, How, Parcel
from cohortium.dicom import elements
from cohortium.errors import Malformed, Refused

__all__ = ["compared"]


def compared(parcel: Parcel, content: bytes) -> Answer:
    """Confirmed where the data sets are the same, whatever stands in the file meta information.

    Otherwise refused: what is there is not what the site let go.
    """
    try:
        sent, found = elements.read(parcel.content()).elements, elements.read(content).elements
    except Malformed:
        return Refused("the destination shows other bytes than were sent, and they cannot be compared")
    differing = sorted(tag for tag in sent.keys() | found.keys() if sent.get(tag) != found.get(tag))
    if not differing:
        return Confirmed(parcel.instance.digest, How.ELEMENTS)
    first = f"({differing[0] >> 16:04x},{differing[0] & 0xFFFF:04x})"
    return Refused(f"the destination holds it with {len(differing)} data elements changed, {first} first")
