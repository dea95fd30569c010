"""A site hands over: the other side fails and comes back, is away for days, refuses, or the site itself is killed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import update

import nursery
from cohortium.spool import deliveries
from cohortium.store import open_store, schema
from outgoing import JSON, Foreign, answering, parcel, stored, uids_in

Make = Callable[..., bytes]

CONFIGURATION = """
[gateway]
egress = ["{address}"]
[[project]]
name = "study"
[[destination.stow]]
name = "hub"
url = "{url}"
[[destination.folder]]
name = "share"
path = "share"
[[pipeline]]
name = "all"
source = "{source}"
project = "study"
specification = "basic"
destinations = ["hub", "share"]
"""


class Moody(Foreign):
    """Stores as long as its mood lets it; `seen` are all UIDs that were ever offered."""

    def __init__(self) -> None:
        super().__init__()
        self.mood: Callable[[bytes], tuple[int, dict[str, str], bytes] | None] | int = 200
        self.seen: list[str] = []

    def store(self, body: bytes, contents: list[bytes]) -> tuple[int, dict[str, str], bytes] | None:
        self.seen += uids_in(body)
        if isinstance(self.mood, int) and self.mood != 200:
            return self.mood, {}, b""
        if callable(self.mood):
            return self.mood(body)
        return super().store(body, contents)


@pytest.fixture
def archive(hospital: Any) -> Iterator[Moody]:
    """The other side; the hospital sends to it and to a share."""
    there = Moody()
    with answering(there) as url:
        (hospital.root / "share").mkdir()
        text = CONFIGURATION.format(address=url.removeprefix("http://"), url=url, source=hospital.source)
        (hospital.root / "cohortium.toml").write_text(text)
        yield there


class Still(datetime):
    """A clock that stands: retries come when a test says so, however long it takes."""

    moment = datetime.now(UTC)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return cls.moment


@pytest.fixture(autouse=True)
def _clock_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "datetime", Still)


def laid(hospital: Any) -> list[Path]:
    return sorted((hospital.root / "share").rglob("*.dcm"))


def later(hospital: Any) -> None:
    """Let the moment of the next try have come."""
    with open_store(hospital.root / "data").begin() as connection:
        connection.execute(update(schema.pause).values(due=""))
        connection.execute(update(schema.delivery).values(due=""))


def renumbered(number: int) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        dataset.SOPInstanceUID = f"1.2.826.0.77.{number}"

    return change


def test_it_returns_errors_and_recovers(hospital: Any, make: Make, archive: Moody) -> None:
    for number in range(1, 6):
        hospital.put(f"{number}.dcm", make(number))
    archive.mood = 500
    assert hospital.run().states["outbox"] == 5
    assert len(laid(hospital)) == 5, "the other destination does not wait for it"
    asked = len(archive.seen)
    assert hospital.run().states["outbox"] == 5
    assert len(archive.seen) == asked, "it is left alone for a while"
    archive.mood = 200
    later(hospital)
    summary = hospital.run()
    assert summary.states["sent"] == 5
    assert len(archive.held) == len(laid(hospital)) == 5
    assert hospital.rows(schema.pause) == []
    assert not list((hospital.root / "data/spool/outgoing").iterdir())


def test_it_is_away_for_days_while_more_comes(hospital: Any, make: Make, archive: Moody) -> None:
    archive.mood = 503
    waits = []
    for day in range(10):
        hospital.put(f"{day}.dcm", make(day + 1, series=day + 1))
        hospital.run()
        (pause,) = hospital.rows(schema.pause)
        waits.append(datetime.fromisoformat(pause["due"]) - Still.now())
        asked = len(archive.seen)
        hospital.put(f"{day}-again.dcm", make(day + 101, renumbered(day), series=day + 101))
        hospital.run()
        assert len(archive.seen) == asked, "what is new waits with the others"
        later(hospital)
    assert waits[:2] == [timedelta(seconds=10), timedelta(seconds=20)]
    assert max(waits) == timedelta(hours=1)
    assert len(laid(hospital)) == 20
    archive.mood, archive.seen = 200, []
    hospital.run()
    assert len(archive.held) == 20
    assert len(archive.seen) == 20, "each is sent once"
    assert {row["state"] for row in hospital.rows(schema.item)} == {"sent"}


def test_a_clock_that_was_set_back_makes_nothing_wait_for_ever(hospital: Any, make: Make, archive: Moody) -> None:
    hospital.put("1.dcm", make(1))
    archive.mood = 503
    hospital.run()
    ahead = (Still.now() + timedelta(days=400)).isoformat(timespec="microseconds")
    with open_store(hospital.root / "data").begin() as connection:
        connection.execute(update(schema.pause).values(due=ahead))
    archive.mood = 200
    assert hospital.run().states["sent"] == 1


def test_two_destinations_of_which_one_refuses(hospital: Any, make: Make, archive: Moody) -> None:
    for number in range(1, 4):
        hospital.put(f"{number}.dcm", make(number))
    refused: list[str] = []

    def picky(body: bytes) -> tuple[int, dict[str, str], bytes]:
        refused[:] = refused or uids_in(body)[:1]
        Foreign.store(archive, body, [])
        return 202, JSON, stored(body, failed=dict.fromkeys(refused, 0x0124))

    archive.mood = picky
    summary = hospital.run()
    assert summary.quarantined == {"refused by the archive": 1}
    assert "0124H" in summary.set_aside[0].detail
    assert summary.states["outbox"] == 2, "it shows none of them, so it has none"
    archive.mood = 200
    later(hospital)
    summary = hospital.run()
    assert summary.states["sent"] == 2
    assert len(archive.held) == 2
    assert refused[0] not in archive.held


def test_one_that_breaks_the_connection_holds_up_none(hospital: Any, make: Make, archive: Moody) -> None:
    for number in range(1, 7):
        hospital.put(f"{number}.dcm", make(number))
    bad: list[str] = []

    def crashing(body: bytes) -> tuple[int, dict[str, str], bytes] | None:
        bad[:] = bad or uids_in(body)[:1]
        if bad[0] in uids_in(body):
            return None
        archive.mood = 200
        told = archive.store(body, _contents(body))
        archive.mood = crashing
        return told

    archive.mood = crashing
    summary = hospital.run()
    assert summary.states["sent"] == 5
    assert summary.states["outbox"] == 1
    hospital.put("7.dcm", make(7))
    assert hospital.run().states["sent"] == 6, "what comes after it goes, too"


def _contents(body: bytes) -> list[bytes]:
    from cohortium.wire.multipart import Reader

    return [part.content for part in Reader(body.split(b"\r\n", 2)[1][2:].decode(), 1 << 24).feed(body)]


@pytest.mark.parametrize("moment", ["before it stores", "after it stored", "while it is asked back"])
def test_killed_in_mid_delivery_nothing_is_lost_or_there_twice(
    hospital: Any, make: Make, archive: Moody, moment: str
) -> None:
    for number in range(1, 5):
        hospital.put(f"{number}.dcm", make(number))
    running: list[nursery.Process] = []
    answer = archive.__call__

    def deadly(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes] | None:
        if running and moment == ("while it is asked back" if method == "GET" else "before it stores"):
            running.pop().kill()
            return None
        told = answer(method, path, body)
        if running and moment == "after it stored" and method == "POST":
            running.pop().kill()
        return told

    with answering(deadly) as url:
        text = CONFIGURATION.format(address=url.removeprefix("http://"), url=url, source=hospital.source)
        hospital.file.write_text(text)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = nursery.start("gateway", "once", "--config", hospital.file, **quiet)
        running.append(process)
        process.wait(300)
        assert process.returncode < 0, "it was killed"
        assert {row["state"] for row in hospital.rows(schema.item)} == {"outbox"}
        summary = hospital.run()
    assert summary.states["sent"] == 4
    assert len(archive.held) == len(laid(hospital)) == 4
    sent = sorted(parcel(content).instance.digest for content in archive.held.values())
    assert sent == sorted(row["digest"] for row in hospital.rows(schema.item))
