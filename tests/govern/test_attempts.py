"""Guessing: slowed down for who guesses, and hardly for whose name is guessed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from cohortium.govern import attempts
from cohortium.govern.sweep import sweep
from cohortium.store import open_store
from cohortium.store.schema import attempt

Begin = Callable[[str, str], float]
START = datetime(2026, 11, 22, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_store(tmp_path)
    yield engine
    engine.dispose()


@pytest.fixture
def begin(engine: Engine, clock: Clock) -> Begin:
    def call(name: str, address: str) -> float:
        with engine.begin() as connection:
            return attempts.begin(connection, name, address, clock)

    return call


def test_guessing_slows_down_and_success_forgets(begin: Begin, engine: Engine, clock: Clock) -> None:
    assert [begin("anna", "1.1.1.1") for _ in range(5)] == [0.0] * 5
    assert begin("anna", "1.1.1.1") > 0
    assert begin("bert", "1.1.1.1") == 0
    clock.now += timedelta(seconds=1.5)
    assert begin("anna", "1.1.1.1") == 0
    assert begin("anna", "1.1.1.1") > 1.5  # twice as long
    with engine.begin() as connection:
        attempts.succeed(connection, "anna", "1.1.1.1")
    assert begin("anna", "1.1.1.1") == 0


def test_a_restart_forgets_nothing(begin: Begin, engine: Engine, clock: Clock, tmp_path: Path) -> None:
    for _ in range(5):
        begin("anna", "1.1.1.1")
    engine.dispose()
    with open_store(tmp_path).begin() as connection:
        assert attempts.begin(connection, "anna", "1.1.1.1", clock) > 0


def test_nobody_is_locked_out_for_long_by_somebody_elsewhere(begin: Begin, clock: Clock) -> None:
    for n in range(80):
        begin("anna", f"10.0.0.{n}")
        clock.now += timedelta(seconds=6)
    assert begin("anna", "192.168.0.1") == 0  # 5 seconds after the last guess, at most
    for _ in range(20):
        begin("anna", "10.9.9.9")
        clock.now += timedelta(seconds=301)
    begin("anna", "10.9.9.9")
    assert begin("anna", "10.9.9.9") == 300
    assert begin("anna", "192.168.0.1") <= 5


def test_who_tries_many_names_waits_too(begin: Begin) -> None:
    assert [begin(f"user{n}", "1.1.1.1") for n in range(50)] == [0.0] * 50
    assert begin("another", "1.1.1.1") > 0


def test_the_store_holds_no_name_and_no_address_and_forgets_after_a_day(
    begin: Begin, engine: Engine, clock: Clock
) -> None:
    begin("a password typed as a name", "1.1.1.1")
    with engine.connect() as connection:
        rows = connection.execute(select(attempt)).all()
    assert len(rows) == 3
    assert not any("password" in str(row) or "1.1.1.1" in str(row) for row in rows)
    with engine.begin() as connection:
        sweep(connection, clock.now + timedelta(hours=23))
        assert connection.scalar(select(func.count()).select_from(attempt)) == 3
        sweep(connection, clock.now + timedelta(hours=25))
        assert connection.scalar(select(func.count()).select_from(attempt)) == 0
