"""The archive: bytes named by their digest, an index over them, and one door through which all of it came."""

from cohortium.archive.admission import Archive, Offer
from cohortium.archive.objects import Address, Objects
from cohortium.archive.removal import Removed
from cohortium.archive.resources import Destination, Kind, Level, ResourceFile
from cohortium.archive.storage import Cold, storage_of
from cohortium.archive.tombstones import Removable
from cohortium.archive.wishes import Wish

__all__ = [
    "Address",
    "Archive",
    "Cold",
    "Destination",
    "Kind",
    "Level",
    "Objects",
    "Offer",
    "Removable",
    "Removed",
    "ResourceFile",
    "Wish",
    "storage_of",
]
