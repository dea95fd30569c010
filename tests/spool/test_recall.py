"""A series that must not go on after all: what is here is held, what left is told, and nothing is sent twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cohortium.keys import SiteKey
from cohortium.prove.provenance import Provenance
from cohortium.spool import Arrival, Came, Decision, Item, Made, Spool, Verdict, items, recall
from cohortium.store import open_store
from cohortium.values import Instance, Reason, SetAside, State

KEY = SiteKey(bytes(range(32)))
WHY = SetAside(Reason.INSPECTION, "seen at random")


@pytest.fixture
def spool(tmp_path: Path, place: Path | str) -> Iterator[Spool]:
    with Spool(open_store(place), tmp_path / "spool", KEY) as spool:
        yield spool


def fresh(spool: Spool, item: Item) -> Item:
    with spool.reading() as connection:
        return items.of_ids(connection, [item.id])[0]


def outgoing(spool: Spool, content: bytes, *destinations: str) -> Item:
    """An item of the series 2.25.3, in the outbox where there are destinations."""
    id = spool.receive(Arrival(Path(f"/in/{content!r}"), len(content), 1), Came("in", "ct"), [content])
    with spool.reading() as connection:
        (item,) = items.of_ids(connection, [id])
    instance = Instance(content.hex() * 8, 3, "S1", "2.25.2", "2.25.3", f"2.25.{id[:4]}", "1.2", "1.2.3", "CT", {})
    origin = Provenance(instance.digest, "id", "basic 1", "p", "Cohortium", "north", "study", "now")
    spool.keep(item, Made("ct", instance, (), "m", origin), b"out", ["ct"])
    if destinations:
        spool.address(fresh(spool, item), destinations)
    return fresh(spool, item)


def confirmed(spool: Spool, item: Item) -> None:
    """The hub states the digest of what it was sent."""
    assert item.instance
    spool.confirm(item, "hub", f"{item.instance.digest} digest stated by the receiver")


def recalled(spool: Spool) -> int:
    with spool.engine.begin() as connection:
        return recall.hold(connection, ["ct"], "2.25.3", WHY)


def sent(spool: Spool) -> dict[str, int]:
    with spool.reading() as connection:
        return recall.sent(connection, ["ct"], "2.25.3")


def test_what_waits_is_held_and_what_was_sent_is_told(spool: Spool) -> None:
    gone, waiting, made = outgoing(spool, b"1", "hub"), outgoing(spool, b"2", "hub", "share"), outgoing(spool, b"3")
    confirmed(spool, gone)
    confirmed(spool, waiting)
    assert recalled(spool) == 2
    assert [fresh(spool, each).state for each in (gone, waiting, made)] == [State.SENT, State.HELD, State.HELD]
    assert fresh(spool, waiting).set_aside == WHY
    assert sent(spool) == {"hub": 2}
    assert spool.due("share", 9) == []
    assert recalled(spool) == 0


def test_what_was_under_way_at_that_moment_is_told_as_sent_and_is_not_sent_again(spool: Spool) -> None:
    item = outgoing(spool, b"1", "hub")
    recalled(spool)
    confirmed(spool, item)
    assert fresh(spool, item).state is State.HELD
    assert sent(spool) == {"hub": 1}
    spool.decide([fresh(spool, item)], Decision(Verdict.RELEASE, "ada", "it is nobody"))
    spool.address(fresh(spool, item), ["hub"])
    assert fresh(spool, item).state is State.SENT
    assert not (spool.folder / "outgoing" / item.id).exists()


def test_a_released_one_goes_where_it_has_not_been(spool: Spool) -> None:
    item = outgoing(spool, b"1", "hub", "share")
    confirmed(spool, item)
    recalled(spool)
    spool.decide([fresh(spool, item)], Decision(Verdict.RELEASE, "ada", "it is nobody"))
    spool.address(fresh(spool, item), ["hub", "share"])
    assert spool.due("hub", 9) == []
    assert [each.id for each in spool.due("share", 9)] == [item.id]
