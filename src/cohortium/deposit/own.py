"""This site's own archive as a destination."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from cohortium.archive import Archive, Destination, Kind, Level, Offer
from cohortium.deposit.hubfiles import LABEL
from cohortium.deposit.parcels import Answer, Confirmed, How, Parcel, TableParcel
from cohortium.errors import Refused

__all__ = ["OwnArchive"]


class OwnArchive:
    """Knowing the bytes already, the archive changes nothing: what is handed over twice is there once."""

    def __init__(self, archive: Archive, site: str) -> None:
        self._archive = archive
        self._who = f"site {site}"

    def send(self, project: str, parcels: Sequence[Parcel]) -> Sequence[Answer]:
        """See `Sender`."""
        offers = (Offer(each.content(), each.receipt, each.earlier) for each in parcels)
        answers = self._archive.admit_all(offers, project, who=self._who)
        return [each if isinstance(each, Refused) else Confirmed(each.digest, How.STATED) for each in answers]

    def send_table(self, project: str, parcel: TableParcel) -> Answer:
        """See `Sender`."""
        to = Destination(Level.PROJECT, None, Kind.CLINICAL, LABEL, parcel.name)
        try:
            made = self._archive.attach(BytesIO(parcel.content()), to, project, self._who, parcel.receipt)
        except Refused as refusal:
            return refusal
        return Confirmed(made.digest, How.STATED)

    def probe(self) -> None:
        """See `Sender`: nothing stands between."""

    def close(self) -> None:
        """See `Sender`."""
