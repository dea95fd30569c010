"""How a gateway ends: when it is told to, twice, by a fault of its own, or drained; and that it leaves nothing half."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import nursery
from cohortium import config
from cohortium.config import Laid
from cohortium.deposit import Parcel
from cohortium.gateway import ways
from cohortium.gateway.service import serve
from gateway_ward import NAME, PATIENCE, Ward, ward
from hospital import PLANTED

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Ward]:
    with ward(tmp_path, tmp_path / "data") as made:
        yield made


def test_told_to_end_in_mid_batch_it_ends_soon_and_goes_on_later(service: Ward) -> None:
    service.put(*range(1, 201))
    service.start()
    service.wait_until(lambda: service.counts().get("de-identified", 0) + service.counts().get("sent", 0) > 0)
    assert service.process
    service.put(*range(201, 251))  # so that it has something to be interrupted in, however fast it was
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(PATIENCE) == 0
    assert service.counts().get("sent", 0) < 250, "it did not wait until all was done"
    service.start()
    service.wait_until(lambda: service.counts() == {"sent": 250})
    service.stop()
    assert len(service.laid()) == 250
    said = service.log()
    assert said.count("cohortium.gateway.service: at work") == said.count("cohortium.gateway.service: ended") == 2
    assert not [value for value in (*PLANTED, NAME) if value in said]


def catches(service: Ward, number: signal.Signals) -> bool:
    """Whether the gateway has a function of its own for that signal."""
    assert service.process
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return bool(int(status.split("SigCgt:")[1].split()[0], 16) >> (number - 1) & 1)


def test_told_twice_it_ends_at_once(service: Ward) -> None:
    """Once would wait for a destination that took the connection and says nothing, for up to five minutes."""
    text = service.file.read_text()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        where = f"127.0.0.1:{mute.getsockname()[1]}"
        away = f'[[destination.stow]]\nname = "share"\nurl = "http://{where}"\n'
        here = '[[destination.folder]]\nname = "share"\npath = "share"\n'
        assert here in text
        service.file.write_text(text.replace(here, away).replace("[gateway]\n", f'[gateway]\negress = ["{where}"]\n'))
        service.put(1)
        service.start()
        mute.settimeout(PATIENCE)
        with mute.accept()[0]:
            assert service.process
            service.process.send_signal(signal.SIGTERM)
            service.wait_until(lambda: not catches(service, signal.SIGTERM))  # it has heard the first
            time.sleep(1)
            assert service.process.poll() is None, "it is still with the object at hand"
            service.process.send_signal(signal.SIGTERM)
            assert service.process.wait(PATIENCE) == -signal.SIGTERM
    assert service.counts() == {"outbox": 1}
    service.file.write_text(text)
    service.start()
    service.wait_until(lambda: service.counts() == {"sent": 1})
    service.stop()


def test_a_log_that_is_moved_away_is_begun_anew(service: Ward) -> None:
    service.start()
    log = service.root / "logs" / "gateway.log"
    log.rename(log.with_name("gateway.log.old"))
    assert service.process
    service.process.send_signal(signal.SIGHUP)
    service.stop()
    assert "ended" in service.log()
    assert "ended" not in service.log(".old")
    assert log.stat().st_mode & 0o077 == 0


def test_a_second_gateway_started_by_mistake_is_told_so(service: Ward, cohortium: Run) -> None:
    service.start()
    second = cohortium("gateway", "run", "--no-portal", cwd=service.root)
    assert second.returncode == 5
    assert "another gateway is at work" in second.stderr
    once = cohortium("gateway", "once", cwd=service.root)
    assert once.returncode == 5
    assert cohortium("gateway", "status", cwd=service.root).returncode == 0
    service.stop()
    assert cohortium("gateway", "status", cwd=service.root).returncode == 5


class Faulty:
    """A destination with a defect."""

    def send(self, project: str, parcels: Sequence[Parcel]) -> Sequence[str]:
        raise ZeroDivisionError("TULIPAN^Ottilie")

    def close(self) -> None:
        pass


def test_a_fault_of_ours_ends_the_whole_gateway_and_says_where(
    service: Ward, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A gateway that looks well and does half its work would be worse."""
    service.put(1)
    monkeypatch.setenv("COHORTIUM_GATEWAY__REQUIRE_APPROVAL", "false")
    monkeypatch.setitem(ways.OUT, Laid, lambda *_: Faulty())
    with pytest.raises(ZeroDivisionError):
        serve(config.load(service.file), threading.Event())
    assert "destination share: ended by a defect (ZeroDivisionError), and the gateway with it" in caplog.text
    assert "TULIPAN" not in caplog.text


def test_drained_when_everything_is_sent(service: Ward, cohortium: Run) -> None:
    service.put(*range(1, 6))
    service.start()
    service.wait_until(lambda: sum(service.counts().values()) == 5)
    assert cohortium("gateway", "drain", cwd=service.root).returncode == 0
    assert service.process
    assert service.process.wait(PATIENCE) == 0
    assert service.counts() == {"sent": 5}
    service.start()  # the wish was carried out, and does not end the next one
    service.stop()


def test_a_drain_that_cannot_end_says_why_and_is_taken_back(service: Ward) -> None:
    folder = service.root
    (folder / "share").rmdir()
    service.put(1, 2)
    service.start()
    service.wait_until(lambda: service.counts().get("outbox") == 2)
    drain = nursery.start("gateway", "drain", cwd=folder, stderr=subprocess.PIPE)
    assert drain.stderr
    assert drain.stderr.readline() == (
        "destination share: the destination's folder is not there; mount it, or make it\n"
    )
    drain.send_signal(signal.SIGINT)
    assert drain.wait(PATIENCE) == 130
    service.put(1, 2, 3)
    service.wait_until(lambda: service.counts().get("outbox") == 3)  # it takes in again
    service.stop()


def test_a_drain_whose_gateway_is_killed_says_so(service: Ward) -> None:
    folder = service.root
    (folder / "share").rmdir()
    service.put(1)
    service.start()
    service.wait_until(lambda: service.counts().get("outbox") == 1)
    drain = nursery.start("gateway", "drain", cwd=folder, stderr=subprocess.PIPE)
    service.wait_until(lambda: (folder / "data" / "gateway.drain").exists())
    service.kill()
    assert drain.wait(PATIENCE) == 5
    assert drain.stderr
    assert "1 items are on their way" in drain.stderr.read()
    service.start()
    assert not (folder / "data" / "gateway.drain").exists()
    service.stop()
