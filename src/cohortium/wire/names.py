"""Names of files that leave the archive: made of pseudonyms, UIDs and labels, and safe on every file system."""

from __future__ import annotations

from urllib.parse import quote

__all__ = ["instance_path", "resource_path", "safe"]

RESOURCES = "resources"  # no UID, so that no study or series lies under that name


def safe(text: str) -> str:
    """ASCII letters, digits and `_.-~`, the rest percent-encoded; no dot at either end, and never empty."""
    name = quote(text, safe="")
    if name.startswith("."):
        name = "%2E" + name[1:]
    if name.endswith("."):
        name = name[:-1] + "%2E"
    return name or "%"


def instance_path(PatientID: str, StudyInstanceUID: str, SeriesInstanceUID: str, SOPInstanceUID: str) -> str:
    """Where an instance lies in a zip, a dataset version, or the folder that one is pulled into."""
    folders = (PatientID, StudyInstanceUID, SeriesInstanceUID)
    return "/".join((*map(safe, folders), f"{safe(SOPInstanceUID)}.dcm"))


def resource_path(
    PatientID: str | None, StudyInstanceUID: str | None, SeriesInstanceUID: str | None, label: str, name: str
) -> str:
    """Where a file beside the images lies: in a folder of what it belongs to, by its label; None: it stands higher."""
    folders = [each for each in (PatientID, StudyInstanceUID, SeriesInstanceUID) if each is not None]
    return "/".join(map(safe, (*folders, RESOURCES, label, *name.split("/"))))
