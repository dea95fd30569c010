"""Backups of a whole site, made while it works, and the way back from them: incremental, sealed, signed."""

from cohortium.backup.apart import journal
from cohortium.backup.checking import Checked, check
from cohortium.backup.manifest import newest
from cohortium.backup.place import Folder, Place
from cohortium.backup.restoring import Restored, configure, restore
from cohortium.backup.taking import Taken, back_up, renew_keys
from cohortium.backup.where import place_at, target_of

__all__ = [
    "Checked",
    "Folder",
    "Place",
    "Restored",
    "Taken",
    "back_up",
    "check",
    "configure",
    "journal",
    "newest",
    "place_at",
    "renew_keys",
    "restore",
    "target_of",
]
