"""A clinical table as a provider's software wrote it, CSV or SAS XPORT, as a frame of texts (extra `clinical`).

What always holds: what cannot be read to its end without guessing is `Malformed`, which says what is wrong with the
file and not what stands in it. Cells that are empty, `NA` or `.` are null; blanks around a value are no part of it.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyreadstat

from cohortium.clinical import sdtm
from cohortium.errors import Malformed

__all__ = ["ROW", "Sheet", "read"]

ROW = "#"  # the column of row numbers, counted from 1 below the heading; no variable is called so
MISSING = ["", "NA", "."]
DELIMITERS = ",;\t|"
ENCODINGS = ("utf-8", "cp1252")
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
MARK = b"\xef\xbb\xbf"
LARGEST = 1 << 32  # bytes
LONGEST = 1 << 16  # bytes of a heading


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: its headings, in capitals and in their order, and those of its columns that were asked for as texts."""

    headings: tuple[str, ...]
    frame: pl.DataFrame
    encoding: str


def read(path: Path, wanted: Collection[str] | None) -> Sheet:
    """The table in a file, with those columns that are `wanted`, under their own names where they came under others.

    None wants every column.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise Malformed("it is larger than 4 GiB")
        return (_xport if path.suffix.lower() == ".xpt" else _csv)(path, wanted)
    except OSError as error:
        raise Malformed(f"it cannot be opened ({type(error).__name__})") from None


def _csv(path: Path, wanted: Collection[str] | None) -> Sheet:
    content, encoding = _utf8(path.read_bytes())
    first = content[:LONGEST].partition(b"\n")[0].decode("utf-8", "replace").rstrip("\r")
    delimiter = max(DELIMITERS, key=first.count)
    if b"\0" in content:
        raise Malformed("it has bytes that are no text")
    try:
        headings = _headings(next(csv.reader([first], delimiter=delimiter, strict=True), []))
        names = _names(headings, wanted)
        frame = pl.read_csv(
            content,
            separator=delimiter,
            columns=sorted(names),
            infer_schema=False,
            null_values=MISSING,
            row_index_name=ROW,
            row_index_offset=1,
        )
    except (csv.Error, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        raise Malformed("a row has more fields than the heading, or quotes do not end") from None
    frame = _tidy(frame, list(names.values()))
    if content.count(delimiter.encode()) < (len(headings) - 1) * (frame.height + 1):
        raise Malformed("rows have fewer fields than the heading")
    return Sheet(headings, frame, encoding)


def _xport(path: Path, wanted: Collection[str] | None) -> Sheet:
    for encoding in ENCODINGS:
        try:
            frame, _ = pyreadstat.read_xport(
                path, encoding=encoding, output_format="polars", disable_datetime_conversion=True
            )
        except UnicodeDecodeError:
            continue
        except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, ValueError):
            break
        headings = _headings(frame.columns)
        names = _names(headings, wanted)
        chosen = frame.select(pl.nth(at).cast(pl.String).replace(dict.fromkeys(MISSING)) for at in sorted(names))
        return Sheet(headings, _tidy(chosen.with_row_index(ROW, 1), list(names.values())), encoding)
    raise Malformed("it is no SAS transport file that can be read")


def _utf8(content: bytes) -> tuple[bytes, str]:
    """The content in UTF-8, and the encoding it had; what is not UTF-8 is read as Windows writes Western languages."""
    if content.startswith(UTF_16):
        try:
            return content.decode("utf-16").encode(), "utf-16"
        except UnicodeDecodeError:
            raise Malformed("it is not in the encoding that it declares") from None
    content = content.removeprefix(MARK)
    for encoding in ENCODINGS:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return (content if encoding == ENCODINGS[0] else text.encode()), encoding
    raise Malformed("it is in an encoding that is not known")


def _headings(cells: Iterable[str]) -> tuple[str, ...]:
    headings = tuple(each.strip().upper() for each in cells)
    if not any(headings):
        raise Malformed("it has no heading")
    return headings


def _names(headings: tuple[str, ...], wanted: Collection[str] | None) -> dict[int, str]:
    """Names of the columns to be read, by place."""
    known = {alias: name for alias, name in sdtm.ALIASES.items() if name not in headings}
    named = ((at, known.get(heading, heading)) for at, heading in enumerate(headings))
    names = {at: name for at, name in named if wanted is None or name in wanted}
    if len(set(names.values())) != len(names):
        raise Malformed("two columns have one heading")
    return names


def _tidy(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Columns under their names, without blanks around values and without rows that are empty."""
    frame.columns = [ROW, *names]
    blank = pl.col(pl.String).str.strip_chars()
    frame = frame.with_columns(pl.when(blank != "").then(blank)) if names else frame
    return frame.filter(pl.any_horizontal(pl.col(names).is_not_null())) if names else frame
