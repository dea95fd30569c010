"""A gateway in its years: the clock jumps, a destination is away for days, the disk is full."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pynetdicom import AE

from cohortium import config
from cohortium.gateway.state import unwell
from gateway_ward import NAME, Ward, ward
from hospital import PLANTED, slice_of

Run = Callable[..., "subprocess.CompletedProcess[str]"]
STORED, OUT_OF_RESOURCES = 0x0000, 0xA700

LIBRARY = "/usr/lib/*/faketime/libfaketimeMT.so.1"
AWAY = "destination share"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Ward]:
    with ward(tmp_path, tmp_path / "data") as made:
        yield made


@pytest.fixture
def cramped(tmp_path: Path, tiny_disk: Path) -> Iterator[Ward]:
    """The same, whose data root has 6 MB: the store alone, with its log of what is being written, may take three."""
    subprocess.run(["mount", "-o", "remount,size=6m", str(tiny_disk)], check=True)
    with ward(tmp_path, tiny_disk) as made:
        yield made


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


def test_a_destination_is_away_for_days_and_the_clock_jumps(service: Ward, clock: Callable[[timedelta], None]) -> None:
    share = service.share
    share.rmdir()
    service.put(1, 2)
    service.start()
    service.wait_until(lambda: service.counts() == {"outbox": 2} and AWAY in service.trouble())
    time.sleep(3)
    assert AWAY in service.trouble(), "between two tries it is no better"

    clock(timedelta(days=5))  # far beyond when it is due again
    share.mkdir()
    service.wait_until(lambda: service.counts() == {"sent": 2})
    service.wait_until(lambda: AWAY not in service.trouble())

    share.rename(share.with_name("away"))
    service.put(3)
    service.wait_until(lambda: service.counts() == {"sent": 2, "outbox": 1} and AWAY in service.trouble())
    clock(timedelta(days=-400))  # what is due lies 405 days ahead now
    share.with_name("away").rename(share)
    service.wait_until(lambda: service.counts() == {"sent": 3})

    service.put(4)
    service.wait_until(lambda: service.counts() == {"sent": 4})
    service.stop()
    clock(timedelta(days=900))
    service.start()
    service.put(5)
    service.wait_until(lambda: service.counts() == {"sent": 5})
    service.stop()
    assert len(service.laid()) == 5
    days = {date.fromisoformat(line[:10]) - date.today() for line in service.log().splitlines()}
    assert any(day < timedelta(days=-300) for day in days), "or the clock never jumped"
    assert any(day > timedelta(days=800) for day in days)


@pytest.mark.parametrize("kilobytes", [24, 200])
def test_the_disk_is_full_and_then_is_not(cramped: Ward, tiny_disk: Path, kilobytes: int) -> None:
    """The gateway stays up, says so, loses nothing, and goes on by itself when there is room."""
    cramped.start()
    ballast = tiny_disk / "ballast"
    ballast.write_bytes(bytes(max(0, shutil.disk_usage(tiny_disk).free - kilobytes * 1024)))
    cramped.put(*range(1, 41))
    cramped.wait_until(lambda: "no space left" in cramped.log())
    assert cramped.process
    assert cramped.process.poll() is None
    assert len(cramped.laid()) < 40
    ballast.unlink()
    cramped.wait_until(lambda: cramped.counts() == {"sent": 40})
    cramped.wait_until(lambda: not cramped.trouble())
    cramped.stop()
    assert len(cramped.laid()) == 40
    said = cramped.log()
    assert "well again" in said
    assert not [value for value in (*PLANTED, NAME) if value in said]


def test_a_pacs_is_told_that_the_disk_is_full_and_so_is_who_watches(
    cramped: Ward, tiny_disk: Path, cohortium: Run
) -> None:
    """Below the reserve, and at the last byte: refused as PS3.4 has it, so that the sender keeps what it has."""
    subprocess.run(["mount", "-o", "remount,size=16m", str(tiny_disk)], check=True)
    cramped.file.write_text(cramped.file.read_text().replace("free_megabytes = 0", "free_megabytes = 4"))
    settings, ballast = config.load(cramped.file), tiny_disk / "ballast"
    cramped.start()
    assert statuses(cramped, 1, 2) == [STORED] * 2
    cramped.wait_until(lambda: cramped.counts() == {"sent": 2})
    ballast.write_bytes(bytes(shutil.disk_usage(tiny_disk).free - 3_000_000))
    assert statuses(cramped, 3, 4) == [OUT_OF_RESOURCES] * 2
    cramped.wait_until(lambda: "disk" in unwell(settings))
    told = cohortium("gateway", "status", "--json", cwd=cramped.root)
    assert told.returncode == 1
    assert "limits.free_megabytes" in json.loads(told.stdout)["trouble"]["disk"]
    with suppress(OSError), ballast.open("ab", buffering=0) as file:
        while file.write(bytes(1 << 16)):
            pass
    assert shutil.disk_usage(tiny_disk).free == 0
    assert statuses(cramped, 3, 4) == [OUT_OF_RESOURCES] * 2
    inside = [path for path in (settings.site.data / "spool").rglob("*") if path.is_file() and path.stat().st_size]
    assert inside == [], "nothing half is left"
    ballast.unlink()
    cramped.wait_until(lambda: unwell(settings) == [])
    assert statuses(cramped, 3, 4) == [STORED] * 2
    cramped.wait_until(lambda: cramped.counts() == {"sent": 4})
    cramped.stop()
    assert len(cramped.laid()) == 4


def statuses(to: Ward, *numbers: int) -> list[int]:
    """What is answered to slices of those numbers, over one association."""
    datasets = [dcmread(BytesIO(slice_of(number))) for number in numbers]
    ae = AE(ae_title="SENDER")
    ae.add_requested_context(datasets[0].SOPClassUID, datasets[0].file_meta.TransferSyntaxUID)
    association = ae.associate("127.0.0.1", to.port, ae_title="COHORTIUM")
    assert association.is_established
    found = [association.send_c_store(each).Status for each in datasets]
    association.release()
    return found
