"""A series that must not go on after all: what of it is still here is held, and what left is told by destination."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, func, select

from cohortium.spool import items
from cohortium.store.schema import delivery, item
from cohortium.values import SetAside, State

__all__ = ["hold", "sent"]

ONWARD = (State.DEIDENTIFIED, State.OUTBOX)


def hold(connection: Connection, pipelines: Collection[str], SeriesInstanceUID: str, why: SetAside) -> int:
    """Hold whatever of the series would go on; returns how many items that are.

    What is on its way to a destination at this very moment arrives there, and is told as sent.
    """
    series = items.of_series(connection, pipelines, SeriesInstanceUID)
    return sum(items.change(connection, each, State.HELD, why) for each in series if each.state in ONWARD)


def sent(connection: Connection, pipelines: Collection[str], SeriesInstanceUID: str) -> dict[str, int]:
    """How many items of the series each destination ever confirmed."""
    counts = (
        select(delivery.c.destination, func.count())
        .join(item, item.c.id == delivery.c.item_id)
        .where(item.c.pipeline.in_(pipelines), item.c.SeriesInstanceUID == SeriesInstanceUID)
        .where(delivery.c.receipt != "")  # of what was made anew since, too
        .group_by(delivery.c.destination)
        .order_by(delivery.c.destination)
    )
    return {row[0]: row[1] for row in connection.execute(counts)}
