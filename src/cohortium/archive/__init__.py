"""The archive: bytes named by their digest, an index over them, and one door through which all of it came."""

from cohortium.archive.admission import Archive, Offer
from cohortium.archive.objects import Objects

__all__ = ["Archive", "Objects", "Offer"]
