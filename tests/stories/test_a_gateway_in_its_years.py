"""A gateway in its years: the clock jumps, a destination is away for days, the disk is full."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from cohortium import config, keys
from cohortium.gateway.state import state_of
from gateway_service import Service, free_port
from hospital import PLANTED, slice_of

CONFIGURATION = """
[site]
data = "{data}"
[gateway]
quiet_seconds = 0
log = "gateway.log"
[limits]
free_megabytes = 0
[[project]]
name = "study"
[[source.receiver]]
name = "pacs"
port = {port}
peers = ["SENDER@127.0.0.1"]
[[source.folder]]
name = "ward"
path = "WARD-SEVEN"
settle_seconds = 0
[[destination.folder]]
name = "share"
path = "share"
[[pipeline]]
name = "ct"
sources = ["pacs", "ward"]
project = "study"
destinations = ["share"]
specification = "basic"
"""
PATIENCE = 90.0
LIBRARY = "/usr/lib/*/faketime/libfaketimeMT.so.1"
AWAY = "destination share"


def service_at(folder: Path, data: Path) -> Iterator[Service]:
    port = free_port()
    file = folder / "cohortium.toml"
    file.write_text(CONFIGURATION.format(port=port, data=data))
    keys.create(folder / "keys" / "site.key")
    for name in ("share", "WARD-SEVEN"):
        (folder / name).mkdir()
    made = Service(file, port)
    yield made
    if made.process and made.process.poll() is None:
        made.kill()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    yield from service_at(tmp_path, tmp_path / "data")


@pytest.fixture
def cramped(tmp_path: Path, tiny_disk: Path) -> Iterator[Service]:
    """The same, whose data root has 6 MB: the store alone, with its log of what is being written, may take three."""
    subprocess.run(["mount", "-o", "remount,size=6m", str(tiny_disk)], check=True)
    yield from service_at(tmp_path, tiny_disk)


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Sets the clock of the processes that the test starts, while they run; what counts from their start runs on."""
    library = next(Path("/").glob(LIBRARY[1:]), None)
    if library is None:
        pytest.skip("no libfaketime on this machine")
    file = tmp_path / "clock"
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(file))
    monkeypatch.setenv("FAKETIME_NO_CACHE", "1")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")

    def jump(by: timedelta) -> None:
        part = file.with_suffix(".part")
        part.write_text(f"{int(by.total_seconds()):+d}\n")
        part.replace(file)

    jump(timedelta(0))
    return jump


def put(service: Service, *numbers: int) -> None:
    for number in numbers:
        (service.file.parent / "WARD-SEVEN" / f"{number}.dcm").write_bytes(slice_of(number))


def counts(service: Service) -> dict[str, int]:
    return dict(state_of(config.load(service.file)).states["ct"])


def trouble(service: Service) -> dict[str, str]:
    return dict(state_of(config.load(service.file)).trouble)


def wait_until(true: Callable[[], bool], patience: float = PATIENCE, of: Service | None = None) -> None:
    until = time.monotonic() + patience
    while not true():
        assert of is None or (of.process and of.process.poll() is None), "the gateway ended by itself"
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.1)


def laid(service: Service) -> list[Path]:
    return [path for path in (service.file.parent / "share").rglob("*") if path.is_file()]


def test_a_destination_is_away_for_days_and_the_clock_jumps(
    service: Service, clock: Callable[[timedelta], None]
) -> None:
    share = service.file.parent / "share"
    share.rmdir()
    put(service, 1, 2)
    service.start()
    wait_until(lambda: counts(service) == {"outbox": 2} and AWAY in trouble(service))
    time.sleep(3)
    assert AWAY in trouble(service), "between two tries it is no better"

    clock(timedelta(days=5))  # far beyond when it is due again
    share.mkdir()
    wait_until(lambda: counts(service) == {"sent": 2})
    wait_until(lambda: AWAY not in trouble(service))

    share.rename(share.with_name("away"))
    put(service, 3)
    wait_until(lambda: counts(service) == {"sent": 2, "outbox": 1} and AWAY in trouble(service))
    clock(timedelta(days=-400))  # what is due lies 405 days ahead now
    share.with_name("away").rename(share)
    wait_until(lambda: counts(service) == {"sent": 3})

    put(service, 4)
    wait_until(lambda: counts(service) == {"sent": 4})
    service.stop()
    clock(timedelta(days=900))
    service.start()
    put(service, 5)
    wait_until(lambda: counts(service) == {"sent": 5})
    service.stop()
    assert len(laid(service)) == 5
    days = {date.fromisoformat(line[:10]) - date.today() for line in log_of(service).splitlines()}
    assert any(day < timedelta(days=-300) for day in days), "or the clock never jumped"
    assert any(day > timedelta(days=800) for day in days)


@pytest.mark.parametrize("kilobytes", [24, 200])
def test_the_disk_is_full_and_then_is_not(cramped: Service, tiny_disk: Path, kilobytes: int) -> None:
    """The gateway stays up, says so, loses nothing, and goes on by itself when there is room."""
    cramped.start()
    ballast = tiny_disk / "ballast"
    ballast.write_bytes(bytes(max(0, shutil.disk_usage(tiny_disk).free - kilobytes * 1024)))
    put(cramped, *range(1, 41))
    wait_until(lambda: "no space left" in log_of(cramped))
    assert cramped.process
    assert cramped.process.poll() is None
    assert len(laid(cramped)) < 40
    ballast.unlink()
    wait_until(lambda: counts(cramped) == {"sent": 40}, 4 * PATIENCE, cramped)  # a way out rests longer each time
    wait_until(lambda: not trouble(cramped))
    cramped.stop()
    assert len(laid(cramped)) == 40
    said = log_of(cramped)
    assert "well again" in said
    assert not [value for value in (*PLANTED, "WARD-SEVEN") if value in said]


def log_of(service: Service) -> str:
    return (service.file.parent / "gateway.log").read_text("utf-8")
