"""What a PACS listed, and what came of it, as a table for a report: a row for each study, and for each of its series.

In counts alone; or, for who may see whom it is about, with what was asked for and the UIDs.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from io import StringIO

from cohortium.spool.wanted import COUNTED, Counts, Line

__all__ = ["rows", "written"]

OF_WHOM = ("asked", "StudyInstanceUID", "SeriesInstanceUID")
COLUMNS = ("study", "series", "stage", *COUNTED, "held", "why")
FORMULA = ("=", "+", "-", "@")


def rows(lines: Iterable[Line]) -> Iterator[Mapping[str, object]]:
    """The rows; a study's own has no number of a series."""
    for line in lines:
        held = "; ".join(f"{where}: {n} {how}" for where, ways in line.held.items() for how, n in ways.items())
        study = line.study.StudyInstanceUID if line.study else ""
        whom = {"asked": " ".join(f"{name}={text}" for name, text in (line.query or {}).items())}
        whom |= {"StudyInstanceUID": study, "SeriesInstanceUID": ""}
        said = {"stage": line.stage.value, "held": held, "why": line.detail}
        yield {"study": line.number, "series": "", **whom, **said, **asdict(line.counts)}
        for number, (uid, counts) in enumerate(_series(line), start=1):
            whom |= {"SeriesInstanceUID": uid}
            yield {"study": line.number, "series": number, **whom, "stage": "", "held": "", "why": "", **asdict(counts)}


def written(lines: Iterable[Line], *, named: bool = False) -> str:
    """The same as CSV; a cell that a spreadsheet would take for a formula begins with an apostrophe."""
    text = StringIO()
    names = (*COLUMNS[:2], *OF_WHOM, *COLUMNS[2:]) if named else COLUMNS
    writer = csv.DictWriter(text, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows(lines))
    return text.getvalue()


def _series(line: Line) -> Iterator[tuple[str, Counts]]:
    uids = [each.SeriesInstanceUID for each in line.study.series] if line.study else []
    for number, counts in enumerate(line.series):
        yield (uids[number] if number < len(uids) else ""), counts


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
