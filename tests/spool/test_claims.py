"""Who came first is the same, however many come at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, select

from cohortium.prove.provenance import Provenance
from cohortium.spool import Arrival, Came, Made, claims, items
from cohortium.spool.claims import Claim
from cohortium.spool.items import Listing
from cohortium.store import open_store
from cohortium.store.schema import item, provenance
from cohortium.values import Instance, State

Named = tuple[str, str, str, str]  # SOPInstanceUID, PatientID, digest, whose it is
NAMED = st.tuples(*(st.sampled_from([f"{what}{n}" for n in range(3)]) for what in "UPDM"))


@pytest.fixture
def engine(place: Path | str) -> Iterator[Engine]:
    engine = open_store(place)
    yield engine
    engine.dispose()


def listing(number: int) -> Listing:
    id, found = f"{number:064x}", Arrival(Path(f"/{number}"), 1, 0)
    return Listing(id, f"{number:x}", b"", found, Came("in", "ct"), State.RECEIVED)


def made(named: Named, pipeline: str) -> Made:
    uid, PatientID, digest, mark = named
    instance = Instance(digest, 1, PatientID, "2.25.2", "2.25.3", uid, "1.2", "1.2", "CT", {})
    origin = Provenance(digest, uid, "basic 1", "p", "Cohortium", "north", "study", "now")
    return Made(pipeline, instance, (), mark, origin)


def outcome(engine: Engine, all_named: list[tuple[Named, str]], moved: set[int], *, at_once: int) -> object:
    """Every row after the items claimed their names, so many at once; nothing of it stays."""
    with engine.connect() as connection, connection.begin() as transaction:
        items.arrive_all(connection, [listing(number) for number in range(len(all_named))])
        found = items.of_ids(connection, [listing(number).id for number in range(len(all_named))])
        for number in moved & set(range(len(found))):
            items.change(connection, found[number], State.QUARANTINED)
        wanted = [
            Claim(each, made(named, pipeline), ("ct", "mr") if pipeline != "other" else ("other",))
            for each, (named, pipeline) in zip(found, all_named, strict=True)
        ]
        states: dict[str, State | None] = {}
        for start in range(0, len(wanted), at_once):
            states |= claims.claim(connection, wanted[start : start + at_once])
        rows = _rows(connection)
        transaction.rollback()
    return states, rows


def _rows(connection: Connection) -> object:
    here = [column for column in item.c if column.name not in ("changed", "received")]
    records = connection.execute(select(provenance.c.record).order_by(provenance.c.digest)).all()
    return connection.execute(select(*here).order_by(item.c.number)).all(), records


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    all_named=st.lists(st.tuples(NAMED, st.sampled_from(["ct", "mr", "other"])), min_size=1, max_size=12),
    moved=st.sets(st.integers(0, 11), max_size=3),
    at_once=st.integers(2, 12),
)
def test_many_at_once_end_as_one_after_the_other(
    engine: Engine, all_named: list[tuple[Named, str]], moved: set[int], at_once: int
) -> None:
    assert outcome(engine, all_named, moved, at_once=at_once) == outcome(engine, all_named, moved, at_once=1)
