"""What is wrong with clinical tables, held against what SDTM says, each by itself and together (extra `clinical`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from cohortium.clinical import reading, sdtm
from cohortium.clinical.judging import codes, columns, missing, records, values
from cohortium.clinical.judging.judged import Fault, Judged
from cohortium.clinical.judging.together import Located, Together, judge_together
from cohortium.errors import Malformed

__all__ = ["KINDS", "Fault", "Located", "Together", "judge", "judge_together"]

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
    "occurrence": records.occurrence,
    "order": records.order,
    "pairs": records.pairs,
    "periods": values.periods,
    "records": records.records,
    "results": values.results,
    "snomed": codes.snomed,
    "status": records.status,
    "terms": values.terms,
    "testcodes": values.testcodes,
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
