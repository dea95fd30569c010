"""Jobs: asked for twice and done once, by one worker at a time, whatever becomes of it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from cohortium.store import jobs, open_store
from cohortium.store.jobs import Job
from cohortium.store.schema import job

START = datetime(2026, 11, 22, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(jobs, "_now", clock)
    return clock


@pytest.fixture
def engine(place: Path | str) -> Engine:
    return open_store(place)


@pytest.fixture
def take(engine: Engine) -> Callable[[], Job | None]:
    def taken() -> Job | None:
        with engine.begin() as connection:
            return jobs.lease(connection, ["pack", "sign"], MINUTE)

    return taken


def put(engine: Engine, kind: str = "pack", after: datetime | None = None, **arguments: object) -> None:
    with engine.begin() as connection:
        jobs.put(connection, kind, arguments, after)


def done(engine: Engine, held: Job, again: datetime | None = None) -> bool:
    with engine.begin() as connection:
        return jobs.done(connection, held, again)


def failed(engine: Engine, held: Job, *, retry: bool = True) -> None:
    with engine.begin() as connection:
        jobs.failed(connection, held, "the disk is full", retry=retry)


Take = Callable[[], Job | None]


def test_what_is_asked_for_twice_is_done_once_and_other_arguments_are_another(engine: Engine, take: Take) -> None:
    for scan in (1, 2, 1, 2):
        put(engine, scan=scan)
    found = [take(), take()]
    assert [held and held.arguments for held in found] == [{"scan": 1}, {"scan": 2}]
    assert take() is None
    assert all(held and done(engine, held) for held in found)
    assert take() is None
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(job)) == 0


def test_a_job_waits_for_the_earliest_of_the_times_asked_for(engine: Engine, take: Take, clock: Clock) -> None:
    put(engine, after=START + 3 * MINUTE)
    put(engine, after=START + 2 * MINUTE)
    put(engine, after=START + 4 * MINUTE)
    clock.now += timedelta(seconds=119)
    assert take() is None
    clock.now += timedelta(seconds=1)
    assert take() is not None


def test_what_is_asked_for_while_it_is_being_done_is_done_once_more(engine: Engine, take: Take, clock: Clock) -> None:
    put(engine)
    first = take()
    assert first
    put(engine)
    put(engine)
    assert take() is None
    assert done(engine, first, again=START + 60 * MINUTE)
    second = take()
    assert second
    assert done(engine, second, again=START + 60 * MINUTE)
    assert take() is None
    clock.now += 60 * MINUTE
    assert take() is not None


def test_who_lost_the_lease_cannot_say_that_it_is_done(engine: Engine, take: Take, clock: Clock) -> None:
    put(engine)
    first = take()
    assert first
    clock.now += MINUTE - timedelta(seconds=1)
    with engine.begin() as connection:
        assert jobs.renew(connection, first, MINUTE)
    clock.now += MINUTE
    assert take() is None
    clock.now += timedelta(seconds=1)
    second = take()
    assert second
    assert second.tries == 2
    with engine.begin() as connection:
        assert not jobs.renew(connection, first, MINUTE)
    assert not done(engine, first)
    failed(engine, first)
    assert done(engine, second)


def test_after_a_failure_it_is_tried_later_and_later_and_a_success_forgets(
    engine: Engine, take: Take, clock: Clock
) -> None:
    put(engine)
    waits = []
    for _ in range(12):
        held = take()
        assert held
        failed(engine, held)
        before = clock.now
        while take() is None:
            clock.now += timedelta(seconds=5)
        clock.now += MINUTE + timedelta(seconds=1)  # that lease ends, as if its worker had died
        waits.append((clock.now - MINUTE - before).total_seconds() // 5 * 5)
    assert waits[:3] == [10, 40, 160]  # a worker that died counts as a failure too
    assert waits[-1] == 3600
    with engine.begin() as connection:
        (trouble,) = jobs.troubles(connection)
        assert (trouble.kind, trouble.why) == ("pack", "the disk is full")
    held = take()
    assert held
    assert done(engine, held, again=clock.now)
    held = take()
    assert held
    assert held.tries == 1
    with engine.begin() as connection:
        assert jobs.troubles(connection) == []


def test_what_was_given_up_rests_until_it_is_asked_for_again(engine: Engine, take: Take, clock: Clock) -> None:
    put(engine)
    held = take()
    assert held
    failed(engine, held, retry=False)
    clock.now += timedelta(days=365)
    assert take() is None
    with engine.begin() as connection:
        assert [trouble.due for trouble in jobs.troubles(connection)] == [None]
    put(engine)
    held = take()
    assert held
    assert held.tries == 1


def test_a_worker_takes_only_what_it_knows(engine: Engine, take: Take) -> None:
    put(engine, "of a later release")
    assert take() is None
    with engine.execution_options(reading=True).connect() as connection:
        assert not jobs.is_waiting(connection, ["pack"])
        assert jobs.is_waiting(connection, ["of a later release"])


def test_what_is_asked_for_in_a_transaction_that_fails_is_not_asked_for(engine: Engine, take: Take) -> None:
    with engine.begin() as connection:
        jobs.put(connection, "pack")
        connection.rollback()
    assert take() is None


def test_many_workers_do_each_job_once(engine: Engine, take: Take) -> None:
    for number in range(40):
        put(engine, number=number)

    def work(_: int) -> list[int]:
        mine = []
        while held := take():
            mine.append(held.arguments["number"])
            assert done(engine, held)
        return mine

    with ThreadPoolExecutor(4) as pool:
        assert sorted(chain.from_iterable(pool.map(work, range(4)))) == list(range(40))


def hold(place: Path | str, said: multiprocessing.connection.Connection) -> None:
    with open_store(place).begin() as connection:
        held = jobs.lease(connection, ["pack"], MINUTE)
    said.send(held is not None)
    time.sleep(600)


def test_the_job_of_a_worker_that_was_killed_is_anothers_when_its_lease_ends(
    engine: Engine, place: Path | str, take: Take, clock: Clock
) -> None:
    put(engine)
    here, there = multiprocessing.Pipe()
    began = datetime.now(UTC)  # by the clock of the other process
    process = multiprocessing.get_context("spawn").Process(target=hold, args=(place, there))
    process.start()
    assert here.poll(300)
    assert here.recv()
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    clock.now = began
    assert take() is None
    clock.now = datetime.now(UTC) + MINUTE
    held = take()
    assert held
    assert held.tries == 2


def test_of_those_who_stand_for_election_one_is_elected_until_its_lease_ends(engine: Engine, clock: Clock) -> None:
    def elected(who: str) -> bool:
        with engine.begin() as connection:
            return jobs.elect(connection, who, MINUTE)

    assert [elected(who) for who in "abab"] == [True, False, True, False]
    clock.now += MINUTE + timedelta(seconds=1)
    assert [elected(who) for who in "bab"] == [True, False, True]
