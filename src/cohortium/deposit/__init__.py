"""Handing over: from a site's outbox to its destinations, with the site's word for every file."""

from cohortium.deposit.laid import Folder
from cohortium.deposit.outbox import Outbox
from cohortium.deposit.own import OwnArchive
from cohortium.deposit.parcels import Parcel, Sender

__all__ = ["Folder", "Outbox", "OwnArchive", "Parcel", "Sender"]
