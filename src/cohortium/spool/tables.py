"""Rows of clinical tables in the spool: an item of many subjects, whose name stands where an image has its UIDs.

In a project a name is borne by one table at a time; others of the kind get a number.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, count
from typing import Any, NamedTuple

from sqlalchemy import Connection, exists, select

from cohortium.prove import provenance
from cohortium.prove.provenance import Provenance
from cohortium.spool import items
from cohortium.spool.items import Item
from cohortium.spool.states import CLAIMS
from cohortium.store.schema import arrival, item
from cohortium.values import ClinicalTable, Finding, State

__all__ = ["MadeTable", "TableClaim", "claim", "earlier_version"]


@dataclass(frozen=True, slots=True)
class MadeTable:
    """What de-identification made of a table, and the record of how."""

    pipeline: str
    table: ClinicalTable
    findings: tuple[Finding, ...]
    provenance: Provenance


class TableClaim(NamedTuple):
    """What was made of an item, which gets a name that no other table of the pipelines `rivals` has."""

    found: Item
    made: MadeTable
    rivals: tuple[str, ...]


def claim(connection: Connection, claims: Sequence[TableClaim]) -> dict[str, State | None]:
    """Name each table, or let it be a duplicate where another has its very bytes; None where it was moved meanwhile."""
    return {each.found.id: _claim(connection, *each) for each in claims}


def earlier_version(connection: Connection, pipelines: Collection[str], id: str, made: MadeTable) -> Item | None:
    """The table that a path brought before it brought the item of that `id`."""
    brought = select(arrival.c.path_mark).where(arrival.c.item_id == id)
    same = exists().where(arrival.c.item_id == item.c.id, arrival.c.path_mark.in_(brought))
    return _first(connection, pipelines, item.c.id != id, item.c.digest != made.table.digest, same)


def _claim(connection: Connection, found: Item, made: MadeTable, rivals: tuple[str, ...]) -> State | None:
    if _first(connection, rivals, item.c.digest == made.table.digest):
        is_moved = items.change(connection, found, State.DUPLICATE, pipeline=made.pipeline)
        return State.DUPLICATE if is_moved else None
    stem, _, suffix = made.table.name.rpartition(".")
    names = chain([made.table.name], (f"{stem}_{number}.{suffix}" for number in count(2)))
    name = next(each for each in names if _first(connection, rivals, item.c.SOPInstanceUID == each) is None)
    columns: dict[str, Any] = {
        "pipeline": made.pipeline,
        "digest": made.table.digest,
        "SeriesInstanceUID": name,
        "SOPInstanceUID": name,
        "clinical": asdict(made.table) | {"name": name},
        "findings": [asdict(each) for each in made.findings],
    }
    if not items.change(connection, found, State.DEIDENTIFIED, **columns):
        return None
    provenance.record(connection, made.provenance)
    return State.DEIDENTIFIED


def _first(connection: Connection, pipelines: Collection[str], *where: Any) -> Item | None:
    here = item.c.pipeline.in_(pipelines), item.c.state.in_(CLAIMS), item.c.clinical.is_not(None)
    ids = connection.scalars(select(item.c.id).where(*here, *where).order_by(item.c.number).limit(1)).all()
    return next(iter(items.of_ids(connection, ids)), None)
