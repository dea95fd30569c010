"""Rows of the store as lines of text, the same whether they lie in SQLite or in PostgreSQL, and back.

A table's first line names its columns; each further line is one row, in the order of the primary key. Equal rows make
equal lines, so a backup of one database can be compared with one of the other, and restored into it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from sqlalchemy import JSON, Connection, LargeBinary, MetaData, Table, func, insert, select, text

from cohortium.errors import Corrupt

__all__ = ["APART", "dump", "kept", "line", "load", "renumber", "rows"]

APART = frozenset({"alembic_version", "data_key", "withdrawal", "login", "attempt"})
"""Tables that no backup keeps a history of: data keys and withdrawals lie apart; logins and wrong passwords end."""

AT_ONCE = 1000  # rows fetched or inserted at once


def kept(metadata: MetaData) -> list[Table]:
    """The tables that a backup holds, those that others refer to first."""
    return [table for table in metadata.sorted_tables if table.name not in APART]


def dump(connection: Connection, table: Table) -> Iterator[bytes]:
    """The table's lines."""
    columns = list(table.columns)
    binary = {number for number, column in enumerate(columns) if isinstance(column.type, LargeBinary)}
    yield line([[column.name, "base64" if number in binary else ""] for number, column in enumerate(columns)])
    query = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=AT_ONCE)
    for row in connection.execute(query):
        yield line([_text(value) if n in binary and value is not None else value for n, value in enumerate(row)])


def load(connection: Connection, table: Table, lines: Iterable[bytes]) -> None:
    """Insert the rows of `dump`'s lines into the empty table, as the database itself describes it."""
    for column in table.columns:
        if isinstance(column.type, JSON):
            column.type.none_as_null = True
    each = rows(lines)
    while group := list(islice(each, AT_ONCE)):
        connection.execute(insert(table), group)


def rows(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The rows of `dump`'s lines, by name of column."""
    each = iter(lines)
    try:
        columns = json.loads(next(each))
        for line in each:
            values = zip(columns, json.loads(line), strict=True)
            yield {name: _bytes(value) if kind and value is not None else value for (name, kind), value in values}
    except (StopIteration, ValueError):
        raise Corrupt("a table of the backup cannot be read: it was made by another release, or is damaged") from None


def renumber(connection: Connection, tables: Iterable[Table]) -> None:
    """Let rows that number themselves go on after the highest number there is."""
    if connection.dialect.name == "sqlite":
        return  # goes by the highest number anyway
    for table in tables:
        for column in table.primary_key.columns:
            named = {"table": connection.dialect.identifier_preparer.format_table(table), "column": column.name}
            sequence = connection.scalar(text("SELECT pg_get_serial_sequence(:table, :column)"), named)
            highest = connection.scalar(select(func.max(column))) if sequence else None
            if highest is not None:
                connection.execute(text("SELECT setval(CAST(:name AS regclass), :n)"), {"name": sequence, "n": highest})


def line(values: Any) -> bytes:
    """Anything of JSON as one line, spelled in one way."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _bytes(value: str) -> bytes:
    return base64.b64decode(value)
