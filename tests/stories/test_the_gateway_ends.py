"""How a gateway ends: when it is told to, twice, by a fault of its own, or drained; and that it leaves nothing half."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from cohortium import config, keys
from cohortium.config import Laid
from cohortium.deposit import Parcel
from cohortium.gateway import ways
from cohortium.gateway.service import serve
from cohortium.gateway.state import state_of
from gateway_service import Service, free_port
from hospital import PLANTED, slice_of

CONFIGURATION = """
[gateway]
quiet_seconds = 0
log = "logs/gateway.log"
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
PATIENCE = 60.0
SOON = 15.0  # seconds; systemd would wait for 90

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    port = free_port()
    file = tmp_path / "cohortium.toml"
    file.write_text(CONFIGURATION.format(port=port))
    keys.create(tmp_path / "keys" / "site.key")
    for name in ("share", "WARD-SEVEN"):
        (tmp_path / name).mkdir()
    made = Service(file, port)
    yield made
    if made.process and made.process.poll() is None:
        made.kill()


def put(service: Service, count: int) -> None:
    for number in range(1, count + 1):
        (service.file.parent / "WARD-SEVEN" / f"{number}.dcm").write_bytes(slice_of(number))


def counts(service: Service) -> dict[str, int]:
    return dict(state_of(config.load(service.file)).states["ct"])


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.05)


def log_of(service: Service, number: str = "") -> str:
    return (service.file.parent / "logs" / f"gateway.log{number}").read_text("utf-8")


def test_told_to_end_in_mid_batch_it_ends_soon_and_goes_on_later(service: Service) -> None:
    put(service, 200)
    service.start()
    wait_until(lambda: counts(service).get("de-identified", 0) + counts(service).get("sent", 0) > 0)
    assert service.process
    asked = time.monotonic()
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(PATIENCE) == 0
    assert time.monotonic() - asked < SOON
    assert counts(service).get("sent", 0) < 200, "there was nothing left to be interrupted"
    service.start()
    wait_until(lambda: counts(service) == {"sent": 200})
    service.stop()
    assert len([path for path in (service.file.parent / "share").rglob("*") if path.is_file()]) == 200
    said = log_of(service)
    assert said.count("cohortium.gateway.service: at work") == said.count("cohortium.gateway.service: ended") == 2
    assert not [value for value in (*PLANTED, "WARD-SEVEN") if value in said]


def test_told_twice_it_ends_at_once(service: Service) -> None:
    service.start()
    assert service.process
    os.kill(service.process.pid, signal.SIGSTOP)  # so that both are there before it can look
    os.kill(service.process.pid, signal.SIGTERM)
    os.kill(service.process.pid, signal.SIGCONT)
    os.kill(service.process.pid, signal.SIGINT)
    assert service.process.wait(SOON) in (0, -signal.SIGINT)  # 0: it had ended well before the second
    service.start()
    service.stop()


def test_a_log_that_is_moved_away_is_begun_anew(service: Service) -> None:
    service.start()
    log = service.file.parent / "logs" / "gateway.log"
    log.rename(log.with_name("gateway.log.old"))
    assert service.process
    service.process.send_signal(signal.SIGHUP)
    service.stop()
    assert "ended" in log_of(service)
    assert "ended" not in log_of(service, ".old")
    assert log.stat().st_mode & 0o077 == 0


def test_a_second_gateway_started_by_mistake_is_told_so(service: Service, cohortium: Run) -> None:
    service.start()
    second = cohortium("gateway", "run", "--no-portal", cwd=service.file.parent)
    assert second.returncode == 5
    assert "another gateway is at work" in second.stderr
    once = cohortium("gateway", "once", cwd=service.file.parent)
    assert once.returncode == 5
    assert cohortium("gateway", "status", cwd=service.file.parent).returncode == 0
    service.stop()
    assert cohortium("gateway", "status", cwd=service.file.parent).returncode == 5


class Faulty:
    """A destination with a defect."""

    def send(self, project: str, parcels: Sequence[Parcel]) -> Sequence[str]:
        raise ZeroDivisionError("TULIPAN^Ottilie")

    def close(self) -> None:
        pass


def test_a_fault_of_ours_ends_the_whole_gateway_and_says_where(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A gateway that looks well and does half its work would be worse."""
    put(service, 1)
    monkeypatch.setenv("COHORTIUM_GATEWAY__REQUIRE_APPROVAL", "false")
    monkeypatch.setitem(ways.OUT, Laid, lambda *_: Faulty())
    with pytest.raises(ZeroDivisionError):
        serve(config.load(service.file), threading.Event())
    assert "destination share: ended by a defect (ZeroDivisionError), and the gateway with it" in caplog.text
    assert "TULIPAN" not in caplog.text


def started(*arguments: Any, cwd: Path) -> subprocess.Popen[str]:
    command = [str(Path(sys.executable).with_name("cohortium")), *arguments]
    return subprocess.Popen(command, cwd=cwd, stderr=subprocess.PIPE, text=True)


def test_drained_when_everything_is_sent(service: Service, cohortium: Run) -> None:
    put(service, 5)
    service.start()
    wait_until(lambda: sum(counts(service).values()) == 5)
    assert cohortium("gateway", "drain", cwd=service.file.parent).returncode == 0
    assert service.process
    assert service.process.wait(SOON) == 0
    assert counts(service) == {"sent": 5}
    service.start()  # the wish was carried out, and does not end the next one
    service.stop()


def test_a_drain_that_cannot_end_says_why_and_is_taken_back(service: Service) -> None:
    folder = service.file.parent
    (folder / "share").rmdir()
    put(service, 2)
    service.start()
    wait_until(lambda: counts(service).get("outbox") == 2)
    drain = started("gateway", "drain", cwd=folder)
    assert drain.stderr
    assert drain.stderr.readline() == (
        "destination share: the destination's folder is not there; mount it, or make it\n"
    )
    drain.send_signal(signal.SIGINT)
    assert drain.wait(SOON) == 130
    put(service, 3)
    wait_until(lambda: counts(service).get("outbox") == 3)  # it takes in again
    service.stop()


def test_a_drain_whose_gateway_is_killed_says_so(service: Service) -> None:
    folder = service.file.parent
    (folder / "share").rmdir()
    put(service, 1)
    service.start()
    wait_until(lambda: counts(service).get("outbox") == 1)
    drain = started("gateway", "drain", cwd=folder)
    wait_until(lambda: (folder / "data" / "gateway.drain").exists())
    service.kill()
    assert drain.wait(SOON) == 5
    assert drain.stderr
    assert "1 items are on their way" in drain.stderr.read()
    service.start()
    assert not (folder / "data" / "gateway.drain").exists()
    service.stop()
