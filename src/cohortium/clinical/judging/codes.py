"""Codes of other systems that stand beside the terms: those that their systems cannot have given."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import polars as pl

from cohortium.clinical.codes import SYSTEMS, columns
from cohortium.clinical.judging.judged import Fault, Judged, rows

__all__ = ["icd10", "loinc", "meddra", "snomed"]


def icd10(judged: Judged) -> Iterator[Fault]:
    """Codes that ICD-10 cannot have."""
    return _impossible(judged, "ICD-10")


def loinc(judged: Judged) -> Iterator[Fault]:
    """Codes that LOINC cannot have."""
    return _impossible(judged, "LOINC")


def meddra(judged: Judged) -> Iterator[Fault]:
    """Codes that MedDRA cannot have."""
    return _impossible(judged, "MedDRA")


def snomed(judged: Judged) -> Iterator[Fault]:
    """Identifiers that no concept of SNOMED CT can have."""
    return _impossible(judged, "SNOMED CT")


def _impossible(judged: Judged, system: str) -> Iterator[Fault]:
    """The columns of a system, by what is wrong with codes in them; each code is looked at once."""
    here = [name for general, which in columns().items() if which == system and (name := judged.own(general))]
    for name in here:
        wrong: dict[str, list[str]] = defaultdict(list)
        for code in judged.frame[name].drop_nulls().unique():
            if why := SYSTEMS[system](code):
                wrong[why].append(code)
        for why, found in sorted(wrong.items()):
            for count, row in judged.counted({name: pl.col(name).is_in(found).fill_null(False)}).values():
                yield Fault(f"{name} {why}, in {rows(count)}", name, row)
