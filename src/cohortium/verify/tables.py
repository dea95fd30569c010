"""Clinical tables in a proof: what identifies in an input, where in an output a byte lies, and whether rows were added.

Read with Python's own csv, independent of the de-identification. A heading tells what identifies: names, IDs, addresses
and telephone numbers are sought whatever the protocol; so is every e-mail address, wherever it stands.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING

from cohortium.clinical import headings
from cohortium.verify.checks import Checked, Problem, Status

if TYPE_CHECKING:
    from cohortium.verify.pairs import Pair

__all__ = ["cell", "checked", "identities", "is_table"]

SUFFIXES = (".csv", ".tsv")
ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")
DELIMITERS = ",;\t|"
MAIL = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+\.\w+")
NUMBER = re.compile(r"[<>=]?\s*[-+]?[\d.,]+(?:[eE][-+]?\d+)?")
DATE = re.compile(r"\d{4}(-\d\d){0,2}(T[\d:.]+)?(Z|[-+][\d:]+)?")
HASH = re.compile(r"[0-9a-f]{64}")  # a pseudonym of kind hash: digits in it are chance
LONGEST_FIELD = 1 << 24
TITLE = "A table has no row that its input has not"


def is_table(name: str | PurePath) -> bool:
    """Whether a file is called a clinical table."""
    return PurePath(name).suffix.lower() in SUFFIXES


def identities(content: bytes) -> Iterator[tuple[str, str]]:
    """(value, kind) of all that identifies in an input, each once."""
    heading, rows = _table(content)
    kinds = {place: kind for place, name in enumerate(heading) if (kind := headings.kind(name))}
    found: dict[tuple[str, str], None] = {}
    for row in rows:
        for place, text in enumerate(row):
            if kind := kinds.get(place, ""):
                found[text.strip(), kind] = None
            elif "@" in text:
                found.update(dict.fromkeys((mail, "phone") for mail in MAIL.findall(text)))
    yield from found


def cell(content: bytes, offset: int) -> tuple[str, str]:
    """The column of an output, whose cells commas part, that a byte lies in; and a VR that says what its cell holds."""
    end = content.find(b"\n", offset)
    heading, line = _cells(content[: content.find(b"\n")]), content[: end if end >= 0 else None]
    begin = line.rfind(b"\n", 0, offset) + 1
    column, cells = len(_cells(line[begin:offset] + b".")) - 1, _cells(line[begin:])
    name = heading[column] if column < len(heading) else f"column {column + 1}"
    text = cells[column] if column < len(cells) else ""
    if HASH.fullmatch(text):
        return f"{name} (hash)", "UI"
    return name, "LO" if headings.kind(name) else _vr(text)


def checked(pairs: Iterable[Pair], shown: Mapping[str, str]) -> Iterator[Checked]:
    """Whether tables have no more rows than their inputs; nothing where there is no table."""
    problems, count, total = [], 0, 0
    for each in pairs:
        if is_table(each.output):
            before, after = (sum(1 for _ in _table(path.read_bytes())[1]) for path in (each.source, each.output))
            count, total = count + 1, total + after
            if after > before:
                problems.append(Problem(shown[each.name], "has more rows than its input"))
    if count:
        status = Status.FAILED if problems else Status.PASSED
        yield Checked(TITLE, status, f"{total} rows of {count} tables", tuple(problems))


def _vr(text: str) -> str:
    if DATE.fullmatch(text) and len(text) > 4:
        return "DA"
    return "DS" if NUMBER.fullmatch(text) else "LO"


def _table(content: bytes) -> tuple[list[str], Iterator[list[str]]]:
    csv.field_size_limit(LONGEST_FIELD)
    text = _decoded(content).replace("\0", "")
    first = text.partition("\n")[0]
    reader = csv.reader(text.splitlines(keepends=True), delimiter=max(DELIMITERS, key=first.count))
    return next(reader, []), (row for row in reader if row)


def _decoded(content: bytes) -> str:
    for encoding in ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise AssertionError("latin-1 decodes every byte")


def _cells(line: bytes) -> list[str]:
    return next(csv.reader([line.decode("utf-8", "replace")]), [""])
