"""What is wrong with one clinical table by itself, held against what SDTM says of its domain (extra `clinical`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import polars as pl

from cohortium.clinical import reading, sdtm
from cohortium.clinical.judging import codes, columns, missing, records, values
from cohortium.clinical.judging.judged import Fault, Judged
from cohortium.clinical.reading import ROW
from cohortium.errors import Malformed

__all__ = ["KINDS", "Fault", "judge", "subjects"]

KINDS: Mapping[str, Callable[[Judged], Iterator[Fault]]] = {
    "absent": columns.absent,
    "alias": columns.alias,
    "codes": values.codes,
    "dates": values.dates,
    "domain": columns.domain,
    "empty": missing.empty,
    "encoding": columns.encoding,
    "icd10": codes.icd10,
    "identifying": columns.identifying,
    "keys": records.keys,
    "loinc": codes.loinc,
    "meddra": codes.meddra,
    "numbers": values.numbers,
    "order": records.order,
    "pairs": records.pairs,
    "periods": values.periods,
    "records": records.records,
    "snomed": codes.snomed,
    "status": records.status,
    "terms": values.terms,
    "units": records.units,
    "unlisted": columns.unlisted,
    "widths": values.widths,
}


def judge(path: Path, domain: str) -> Mapping[str, tuple[Fault, ...]]:
    """All faults of a table by their kind; `Malformed` where it cannot be read."""
    known = sdtm.variables(domain)
    judged = Judged(domain, known, reading.read(path, known))
    if not judged.frame.height:
        raise Malformed("it has no rows")
    return {kind: tuple(look(judged)) for kind, look in KINDS.items()}


def subjects(path: Path) -> Mapping[str, int]:
    """Each USUBJID of a table and the first row in which it stands; `Malformed` where it cannot be read."""
    frame = reading.read(path, {"USUBJID"}).frame
    if "USUBJID" not in frame.columns:
        return {}
    return dict(frame.group_by("USUBJID").agg(pl.col(ROW).min()).drop_nulls().sort(ROW).iter_rows())
