"""What people ask a PACS for, as queries at STUDY level: a list in a CSV file, or days, modality and description.

Nothing is asked for that would match more than was meant: a list holds no wildcards, and a span of dates is asked for
day by day, because PACS cut long answers off. Mistakes are told by row, never by value.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

from cohortium.errors import ConfigError, Malformed
from cohortium.spool.requests import Query

__all__ = ["days", "listed"]

COLUMNS = {name.lower(): name for name in ("AccessionNumber", "StudyInstanceUID", "PatientID", "StudyDate")}
LISTS = ({"AccessionNumber"}, {"StudyInstanceUID"}, {"PatientID", "StudyDate"}, {"PatientID"})
UID = re.compile(r"[0-9.]{1,64}")
UNFIT = re.compile(r"[*?\\\x00-\x1f]")
LONGEST = 64  # characters of an identifier: as long as a patient ID may be (LO)
MOST_DAYS = 3660


def listed(path: Path) -> list[Query]:
    """The queries of a list, each once.

    Its first row names the columns by DICOM's keywords: AccessionNumber, StudyInstanceUID, PatientID and StudyDate, or
    PatientID alone. A single column without such a row holds accession numbers.
    """
    rows = [(number, row) for number, row in enumerate(_rows(path), start=1) if any(row)]
    if not rows:
        raise Malformed("the list is empty")
    names = [COLUMNS.get(re.sub(r"[\s_]", "", cell).lower(), "") for cell in rows[0][1]]
    if all(names):
        rows = rows[1:]
    elif len(names) == 1:
        names = ["AccessionNumber"]
    if set(names) not in LISTS:
        raise Malformed(
            "row 1 names the columns: AccessionNumber; StudyInstanceUID; PatientID and StudyDate; or PatientID"
        )
    queries = [_query(number, names, row) for number, row in rows]
    return list({tuple(query.items()): query for query in queries}.values())


def days(first: date, last: date, modality: str, description: str) -> list[Query]:
    """A query for each day from the first to the last."""
    if last < first or (last - first).days >= MOST_DAYS:
        raise ConfigError(f"the span of days ends before it begins, or has more than {MOST_DAYS}")
    more = {name: text for name, text in (("ModalitiesInStudy", modality), ("StudyDescription", description)) if text}
    span = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [{"StudyDate": f"{day:%Y%m%d}"} | more for day in span]


def _rows(path: Path) -> Iterator[list[str]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"the list cannot be read: {error.strerror}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")  # as spreadsheets write it
    first = text.partition("\n")[0]
    delimiter = next((each for each in ";\t" if each in first), ",")
    for row in csv.reader(StringIO(text), delimiter=delimiter):
        yield [cell.strip() for cell in row]


def _query(number: int, names: Sequence[str], row: Sequence[str]) -> Query:
    if len(row) != len(names):
        raise Malformed(f"row {number} of the list has {len(row)} cells, not {len(names)}")
    query = dict(zip(names, row, strict=True))
    for name, text in query.items():
        if not text or len(text) > LONGEST or UNFIT.search(text):
            raise Malformed(f"row {number} of the list: {name} is empty, too long, or has a wildcard or such in it")
        if name == "StudyInstanceUID" and not UID.fullmatch(text):
            raise Malformed(f"row {number} of the list: no UID")
        if name == "StudyDate":
            query[name] = _date(number, text)
    return query


def _date(number: int, text: str) -> str:
    try:
        return f"{date.fromisoformat(text):%Y%m%d}"
    except ValueError:
        raise Malformed(f"row {number} of the list: StudyDate is no date such as 2024-03-01") from None
