from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from cohortium import sealed
from cohortium.errors import Refused
from cohortium.keys import SiteKey
from cohortium.spool import requests as module
from cohortium.spool.accounts import Account
from cohortium.spool.requests import Requests
from cohortium.spool.wanted import Counts, Series, Standing, Study
from cohortium.store import open_store, schema

KEY = SiteKey(bytes(range(32)))
LATER = timedelta(days=1)


@pytest.fixture
def engine(place: Path | str) -> Iterator[Engine]:
    engine = open_store(place)
    yield engine
    engine.dispose()


@pytest.fixture
def requests(engine: Engine) -> Requests:
    return Requests(engine, KEY)


def asked(requests: Requests, count: int = 2) -> int:
    """A request whose queries were answered with a study each."""
    id = requests.ask("pacs", [{"AccessionNumber": f"A{number}"} for number in range(count)], "otto")
    for number in range(count):
        requests.answered(id, number, [Study(number, f"1.2.{number}", 3)], "")
    return id


def test_queries_are_answered_in_turn_and_each_once(requests: Requests) -> None:
    id = requests.ask("pacs", [{"AccessionNumber": "A1"}, {"AccessionNumber": "A2"}], "otto")
    assert requests.next_query("pacs") == (id, 0, {"AccessionNumber": "A1"})
    for _ in range(2):  # as one does who was killed in between
        requests.answered(id, 0, [Study(0, "1.2.0", 3)], "")
    assert requests.next_query("pacs") == (id, 1, {"AccessionNumber": "A2"})
    assert requests.next_query("other") is None
    requests.answered(id, 1, [], "the PACS holds no such study")
    (found,) = requests.asked()
    assert found.stages == {"waiting": 1, "not found": 1}
    assert found.standing is Standing.OPEN


def test_what_fails_waits_longer_each_time_and_is_given_up(requests: Requests) -> None:
    asked(requests, 1)
    for _ in range(module.TRIES):
        found = requests.next_study("pacs")
        assert found
        requests.moving(found)
        assert requests.next_study("pacs") is None
        requests.later(found, "the PACS broke off")
        assert requests.next_study("pacs") is None, "not before its time"
        with requests._engine.begin() as connection:
            connection.execute(schema.requested.update().values(due=""))
    (request,) = requests.asked()
    assert (request.stages, request.trouble) == ({"incomplete": 1}, {"the PACS broke off": 1})
    assert request.standing is Standing.DONE
    requests.change(request.id, Standing.OPEN, "otto")
    assert requests.next_study("pacs")


def test_a_gateway_that_was_killed_asks_again(requests: Requests) -> None:
    asked(requests, 1)
    found = requests.next_study("pacs")
    assert found
    requests.moving(found)
    requests.begin("pacs")
    assert requests.next_study("pacs") is not None
    assert requests.asked_since("pacs", datetime.now(UTC) - LATER) == 1
    assert requests.asked_since("pacs", datetime.now(UTC) + LATER) == 0


def test_what_is_missing_is_asked_for_again_while_the_rest_goes_on(requests: Requests) -> None:
    id = requests.ask("pacs", [{"AccessionNumber": "A0"}, {"AccessionNumber": "A1"}], "otto")
    requests.answered(id, 0, [], "the PACS holds no such study")
    requests.answered(id, 1, [Study(1, "1.2.1", 3)], "")
    requests.change(id, Standing.OPEN, "otto")
    assert requests.asked()[0].stages == {"waiting": 2}
    first = requests.next_study("pacs")
    assert first
    assert not first.study.StudyInstanceUID, "its query is asked again"


def test_what_people_do_stands_in_the_audit(requests: Requests, engine: Engine) -> None:
    id = requests.ask("pacs", [{"AccessionNumber": "A1"}], "otto", address="192.0.2.7", basis="manager")
    requests.change(id, Standing.PAUSED, "ada", basis="administrator")
    with pytest.raises(Refused):
        requests.change(id, Standing.PAUSED, "ada")
    with engine.begin() as connection:
        rows = connection.execute(select(schema.audit).order_by(schema.audit.c.id)).mappings().all()
    assert [(row["who"], row["what"], row["object"], row["basis"]) for row in rows] == [
        ("otto", "a PACS is asked", f"pacs, request {id}", "manager"),
        ("ada", "a request to a PACS is paused", f"request {id}", "administrator"),
    ]


def test_each_request_has_its_plan(requests: Requests) -> None:
    first = asked(requests, 2)
    second = requests.ask("pacs", [{"AccessionNumber": "A9"}], "otto", hours="19-6", studies_hour=5)
    third = requests.ask("pacs", [{"AccessionNumber": "A8"}], "otto")
    requests.change(third, Standing.PAUSED, "otto")
    found = requests.next_study("pacs", [first])
    assert found
    requests.moving(found)
    plans = requests.plans("pacs", datetime.now(UTC) - LATER)
    assert [(plan.id, plan.hours, plan.studies_hour, plan.asked, plan.left) for plan in plans] == [
        (first, "", 0, 1, 2),
        (second, "19-6", 5, 0, 1),
    ]
    assert requests.plans("other", datetime.now(UTC)) == []
    assert len(requests.moved("pacs")) == 1
    assert requests.next_study("pacs", [second]) is None
    assert requests.next_query("pacs", [first]) is None
    assert requests.next_query("pacs", [second]) == (second, 0, {"AccessionNumber": "A9"})


def test_paused_resumed_cancelled(requests: Requests) -> None:
    id = asked(requests)
    requests.change(id, Standing.PAUSED, "otto")
    assert requests.next_study("pacs") is None
    requests.change(id, Standing.OPEN, "otto")
    found = requests.next_study("pacs")
    assert found
    requests.moving(found)
    requests.change(id, Standing.CANCELLED, "otto")
    assert requests.is_cancelled(id)
    requests.later(found, "", counts=False)  # the transfer ends
    assert requests.asked()[0].stages == {"incomplete": 2}
    with pytest.raises(Refused):
        requests.change(id, Standing.OPEN, "otto")


def test_lists_lie_sealed_and_are_let_go_of_while_the_counts_stay(requests: Requests, engine: Engine) -> None:
    id = asked(requests, 1)
    found = requests.next_study("pacs")
    assert found
    requests.note_list(found, Study(0, "1.2.0", 3, (Series("1.2.0.1", 3, (("1.2.0.1.1", "1.2"),)),)))
    counts = Counts(listed=1, arrived=1)
    held = {"share": {"read back, same digest": 1}}
    requests.count(found, Account(counts, (counts,), held, (), frozenset(), "", is_over=False))
    with engine.begin() as connection:
        lists = [*connection.scalars(select(schema.request.c.queries))]
        lists += connection.scalars(select(schema.requested.c.record))
    assert len(lists) > 1
    assert all(each.startswith(sealed.MAGIC) and b"1.2.0" not in each for each in lists)
    (line,) = requests.lines(id, named=True)
    assert (line.query, line.study and line.study.StudyInstanceUID) == ({"AccessionNumber": "A0"}, "1.2.0")
    (line,) = requests.lines(id)
    assert (line.query, line.study, line.series, line.held) == (None, None, (counts,), held)
    assert requests.let_go(datetime.now(UTC) + LATER) == 0, "it has not ended"
    requests.arrived(found)
    assert requests.let_go(datetime.now(UTC) - LATER) == 0, "it ended just now"
    assert requests.let_go(datetime.now(UTC) + LATER) == 1
    assert requests.asked()[0].counts.arrived == 1
    assert not requests.asked()[0].has_lists
    assert requests.held(id) == held
    assert [line.series for line in requests.lines(id)] == [(counts,)]
    with pytest.raises(Refused):
        requests.lines(id, named=True)
    with pytest.raises(Refused):
        requests.change(id, Standing.OPEN, "otto")
