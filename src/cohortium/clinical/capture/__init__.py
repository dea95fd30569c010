"""What a study's data capture exported: REDCap's flat CSV with its data dictionary, or CDISC ODM (REDCap's, or plain).

Both come out as the same values: a dictionary of fields, and records whose entries hold what was typed, choices by
their codes. What always holds: a file is read once, from front to back, and one record of it is held at a time.
"""

from __future__ import annotations

from pathlib import Path

from cohortium.clinical.capture import flat, odm
from cohortium.clinical.capture.dictionary import read as dictionary
from cohortium.clinical.capture.entry import Capture, Entry, Record
from cohortium.clinical.capture.field import Dictionary, Field
from cohortium.errors import ConfigError

__all__ = ["Capture", "Dictionary", "Entry", "Field", "Record", "dictionary", "read"]


def read(export: Path, described: Path | None = None) -> Capture:
    """An export: ODM if it is called .xml, otherwise CSV, which needs the data dictionary that describes it."""
    known = dictionary(described) if described else None
    if export.suffix.lower() == ".xml":
        return odm.read(export, known)
    if known is None:
        raise ConfigError("a CSV export needs its data dictionary (--dictionary FILE); an ODM export brings its own")
    return flat.read(export, known)
