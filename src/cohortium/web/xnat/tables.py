"""Answers in the envelopes that XNAT's clients read: a `ResultSet` as JSON, the same as CSV, and items.

Every value of a table is a string. Tables have no pages, so they are sent as they are read.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from itertools import islice
from typing import Any

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

__all__ = ["item", "table"]

Row = Mapping[str, Any]
AT_ONCE = 500  # rows that are sent together


def table(request: Request, rows: Iterable[Row], default: Sequence[str]) -> Response:
    """The rows; of their columns those that `columns` asks for, else `default`, as always where rows have no `ID`."""
    asked = request.query_params.get("columns", "") if "ID" in default else ""
    wished = [name for name in asked.split(",") if name and name != "DEFAULT"]
    names = [*dict.fromkeys([*wished, *(name for name in ("ID", "URI") if name in default)])] if wished else [*default]
    is_csv = _is_csv(request)
    found = ({name: _text(_value(row, name)) for name in names} for row in rows)
    pieces = _csv(names, found) if is_csv else _json(found)
    return StreamingResponse(pieces, media_type="text/csv" if is_csv else "application/json")


def item(xsi_type: str, fields: Row, created: str = "", children: Sequence[Row] = ()) -> Response:
    """One thing with its fields; those without a value are left out."""
    meta = {"xsi:type": xsi_type, "isHistory": False} | ({"start_date": created} if created else {})
    held = {name: value for name, value in fields.items() if value not in (None, "")}
    document = {"items": [{"children": children, "meta": meta, "data_fields": held}]}
    return Response(json.dumps(document, ensure_ascii=False), media_type="application/json")


def _is_csv(request: Request) -> bool:
    wish = request.query_params.get("format", "json").lower()
    if wish not in ("json", "csv"):
        raise HTTPException(406)
    return wish == "csv"


def _value(row: Row, name: str) -> Any:
    """A column by its name, or by the last part of a path such as `xnat:subjectData/label`."""
    return row[name] if name in row else row.get(name.rsplit("/", 1)[-1], "")


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _json(rows: Iterator[Row]) -> Iterator[str]:
    count, before = 0, '{"ResultSet": {"Result": ['
    while some := list(islice(rows, AT_ONCE)):
        yield before + ", ".join(json.dumps(row, ensure_ascii=False) for row in some)
        count, before = count + len(some), ", "
    yield f'{"" if count else before}], "totalRecords": "{count}"}}}}'


def _csv(names: Sequence[str], rows: Iterator[Row]) -> Iterator[str]:
    some: list[Row] = [dict(zip(names, names, strict=True))]
    while some:
        out = StringIO()
        csv.DictWriter(out, names, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(some)
        yield out.getvalue()
        some = list(islice(rows, AT_ONCE))
