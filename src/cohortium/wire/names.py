"""Names of files that leave the archive: made of pseudonyms, UIDs and labels, and safe on every file system."""

from __future__ import annotations

from urllib.parse import quote

__all__ = ["instance_path", "safe"]


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
