"""The attributes that identify a patient, a person, a place or a device, whatever a protocol says of them."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

__all__ = ["identifying"]


@cache
def identifying() -> dict[str, str]:
    """Kind by keyword."""
    with (files(__package__) / "identifying.csv").open(encoding="utf-8") as table:
        return {row["keyword"]: row["kind"] for row in csv.DictReader(table)}
