"""Mapping tables in the format of the MIDI-B validation (CBIIT): `id_old,id_new`, one for patients, one for UIDs.

They undo the de-identification for whoever holds them.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from cohortium.verify import secret

__all__ = ["write"]

PATIENTS, UIDS = "patid_mapping.csv", "uid_mapping.csv"


def write(folder: Path, patients: Mapping[str, str], uids: Mapping[str, str]) -> None:
    """Write both tables into `folder`, mode 0600."""
    for name, table in ((PATIENTS, patients), (UIDS, uids)):
        text = StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(("id_old", "id_new"))
        rows.writerows(sorted(table.items()))
        secret.write(folder / name, text.getvalue())
