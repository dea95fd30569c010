"""The objects that rows name, by the names under which they lie in storage."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, Table, select

from cohortium.archive.collection import HOLDERS
from cohortium.archive.objects import Address, Objects
from cohortium.errors import Corrupt

__all__ = ["named"]


def named(connection: Connection, objects: Objects) -> Iterator[str]:
    """Every such name, some more than once; of an object whose key is gone, a name that nothing bears."""
    for table in HOLDERS:
        yield from _named_in(connection, table, objects)


def _named_in(connection: Connection, table: Table, objects: Objects) -> Iterator[str]:
    columns = [table.c[name] for name in ("key_id", "digest", "size", "pack_id") if name in table.columns]
    for row in connection.execute(select(*columns).execution_options(yield_per=1000)):
        at = Address(*row)
        try:
            yield objects.place(at.key, at.name)
        except Corrupt:
            yield f"key {at.key}"
