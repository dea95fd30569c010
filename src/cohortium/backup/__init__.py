"""Backups of a whole site, made while it works, and the way back from them: incremental, sealed, signed."""

from cohortium.backup.apart import journal
from cohortium.backup.checking import Checked, check
from cohortium.backup.place import Folder, Place
from cohortium.backup.restoring import Restored, configure, restore
from cohortium.backup.taking import Taken, back_up

__all__ = ["Checked", "Folder", "Place", "Restored", "Taken", "back_up", "check", "configure", "journal", "restore"]
