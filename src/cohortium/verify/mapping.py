"""The mapping in the format of the MIDI-B validation (CBIIT): `id_old,id_new`, for patients and for UIDs.

A name ending in .csv is one table of both, which serves as either; any other is a folder for a table of each. They undo
the de-identification for whoever holds them.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from cohortium.verify import secret

__all__ = ["write"]

PATIENTS, UIDS = "patid_mapping.csv", "uid_mapping.csv"


def write(path: Path, patients: Mapping[str, str], uids: Mapping[str, str]) -> None:
    """Write the mapping to `path`, mode 0600."""
    if path.suffix.lower() == ".csv":
        secret.write(path, _table(patients, uids))
    else:
        secret.write(path / PATIENTS, _table(patients))
        secret.write(path / UIDS, _table(uids))


def _table(*mappings: Mapping[str, str]) -> str:
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("id_old", "id_new"))
    for mapping in mappings:
        rows.writerows(sorted(mapping.items()))
    return text.getvalue()
