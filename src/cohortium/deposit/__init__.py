"""Handing over: from a site's outbox to its destinations, with the site's word for every file."""

from cohortium.deposit.laid import Folder
from cohortium.deposit.outbox import Outbox
from cohortium.deposit.own import OwnArchive
from cohortium.deposit.parcels import Answer, Confirmed, How, Parcel, Sender, TableParcel
from cohortium.deposit.scu import Scu
from cohortium.deposit.sftp import Sftp
from cohortium.deposit.stow import StowRs

__all__ = [
    "Answer",
    "Confirmed",
    "Folder",
    "How",
    "Outbox",
    "OwnArchive",
    "Parcel",
    "Scu",
    "Sender",
    "Sftp",
    "StowRs",
    "TableParcel",
]
