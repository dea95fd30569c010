"""What people ask a PACS for, as queries at STUDY level: a list of text, or a patient, days, modality and description.

Nothing is asked for that would match more than was meant: a list holds no wildcards, and a span of dates is asked for
day by day, because PACS cut long answers off. Mistakes are told by row, never by value.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from io import StringIO

from cohortium.errors import Malformed
from cohortium.spool.wanted import Query

__all__ = ["LARGEST", "days", "listed"]

LARGEST = 1 << 20  # bytes of a list
MOST = 20_000  # queries of one request
COLUMNS = {name.lower(): name for name in ("AccessionNumber", "StudyInstanceUID", "PatientID", "StudyDate")}
LISTS = ({"AccessionNumber"}, {"StudyInstanceUID"}, {"PatientID", "StudyDate"}, {"PatientID"})
UID = re.compile(r"[0-9.]{1,64}")
MODALITY = re.compile("[A-Z0-9_ ]{1,16}")  # CS, PS3.5 6.2
CONTROLS = "\\\\\x00-\x1f\x7f-\x9f\ufffd"
UNFIT = re.compile(f"[*?{CONTROLS}]")
LONGEST = 64  # characters of an identifier, or of a description: as long as a patient ID may be (LO)
MOST_DAYS = 3660


def listed(content: bytes) -> tuple[list[Query], int]:
    """The queries of a list, each once, and how many rows only said again what an earlier one said.

    Its first row names the columns by DICOM's keywords: AccessionNumber, StudyInstanceUID, PatientID and StudyDate, or
    PatientID alone. A single column without such a row holds accession numbers.
    """
    rows = [(number, row) for number, row in enumerate(_rows(content), start=1) if any(row)]
    if not rows:
        raise Malformed("the list is empty")
    names = [COLUMNS.get(re.sub(r"[\s_]", "", cell).lower(), "") for cell in rows[0][1]]
    if all(names):
        rows = rows[1:]
    elif len(names) == 1:
        names = ["AccessionNumber"]
    if set(names) not in LISTS or len(set(names)) < len(names):
        raise Malformed(
            "row 1 names the columns: AccessionNumber; StudyInstanceUID; PatientID and StudyDate; or PatientID"
        )
    if not rows:
        raise Malformed("the list names columns and has no row below them")
    queries = [_query(number, names, row) for number, row in rows]
    each_once = list({tuple(query.items()): query for query in queries}.values())
    if len(each_once) > MOST:
        raise Malformed(f"the list has more than {MOST:,} rows; divide it")
    return each_once, len(queries) - len(each_once)


def days(
    first: date | None, last: date | None = None, *, modality: str = "", description: str = "", patient: str = ""
) -> list[Query]:
    """A query for each day from the first to the last, or of all days where it is about one patient."""
    _demand_fit(modality, description, patient)
    about = {"PatientID": patient, "ModalitiesInStudy": modality, "StudyDescription": description}
    more = {name: text for name, text in about.items() if text}
    if first is None:
        if not patient or last:
            raise Malformed("say from which day on, or the ID of one patient")
        return [more]
    last = last or first
    if last < first or (last - first).days >= MOST_DAYS:
        raise Malformed(f"the span of days ends before it begins, or has more than {MOST_DAYS}")
    span = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [{"StudyDate": f"{day:%Y%m%d}"} | more for day in span]


def _demand_fit(modality: str, description: str, patient: str) -> None:
    if modality and not MODALITY.fullmatch(modality):
        raise Malformed("a modality is a code of capital letters such as CT")
    if len(description) > LONGEST or re.search(f"[{CONTROLS}]", description):
        raise Malformed(f"a study description has at most {LONGEST} characters, on one line and without a backslash")
    if len(patient) > LONGEST or UNFIT.search(patient):
        raise Malformed("the patient ID is too long, or has a wildcard or such in it")


def _rows(content: bytes) -> Iterator[list[str]]:
    if len(content) > LARGEST:
        raise Malformed(f"the list has more than {LARGEST // 1024:,} kB; divide it")
    text = _text(content)
    first = text.lstrip().partition("\n")[0]
    delimiter = next((each for each in ";\t" if each in first), ",")
    reader = csv.reader(StringIO(text, newline=None), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            yield [cell.strip() for cell in row]
    except csv.Error:
        raise Malformed(f"row {reader.line_num} of the list has a quotation mark that does not end, or so") from None


def _text(content: bytes) -> str:
    """As spreadsheets write it: UTF-8, UTF-16 with a mark, or the code page of Western Windows."""
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if b"\0" in content and not marked:
        raise Malformed("this is no text: save the list as CSV, not as a workbook")
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Malformed("the characters of the list cannot be told; save it as CSV in UTF-8")


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
