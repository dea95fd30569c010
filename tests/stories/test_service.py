"""What senders do to a gateway, from C-STORE to the destination: nothing lost, nothing twice, nothing half."""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from sqlalchemy import func, select

from cohortium import keys
from cohortium.dicom import filemeta
from cohortium.store import open_store, schema
from gateway_service import Service, send
from hospital import PLANTED, slice_of
from raw_sender import RawSender, command, value
from waiting import free_port, until

Run = Callable[..., "subprocess.CompletedProcess[str]"]

CONFIGURATION = """
[gateway]
quiet_seconds = 1
log = "gateway.log"
[[project]]
name = "study"
[[source.receiver]]
name = "pacs"
port = {port}
peers = ["SENDER@127.0.0.1"]
[[destination.folder]]
name = "share"
path = "share"
[[pipeline]]
name = "ct"
sources = ["pacs"]
project = "study"
destinations = ["archive", "share"]
specification = "basic"
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One for all of this module, each test with series of its own."""
    folder = tmp_path_factory.mktemp("site")
    service = Service(folder / "cohortium.toml", free_port())
    service.file.write_text(CONFIGURATION.format(port=service.port))
    keys.create(folder / "keys" / "site.key")
    (folder / "share").mkdir()
    service.start()
    yield service
    if service.process and service.process.poll() is None:
        service.kill()


def states(service: Service) -> Counter[str]:
    counts = select(schema.item.c.state, func.count()).group_by(schema.item.c.state)
    engine = open_store(service.file.parent / "data")
    with engine.execution_options(reading=True).begin() as connection:
        found = Counter({row.state: row[1] for row in connection.execute(counts)})
    engine.dispose()
    return found


def wait_for(service: Service, before: Counter[str], **more: int) -> None:
    """Until there is so much more in each state than before, and nothing more in any other."""
    until(lambda: states(service) == before + Counter(more), pause=0.2)


def laid(service: Service) -> dict[Path, bytes]:
    """What the destination holds."""
    return {path: path.read_bytes() for path in (service.file.parent / "share").rglob("*") if path.is_file()}


def written(folder: Path, count: int, series: int) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{number}.dcm" for number in range(1, count + 1)]
    for number, path in enumerate(paths, start=1):
        path.write_bytes(
            slice_of(number % 250 + 1, lambda dataset, n=number: _named(dataset, series, n), series=series)
        )
    return paths


def _named(dataset: Dataset, series: int, number: int) -> None:
    dataset.SOPInstanceUID = f"1.2.826.0.1.{series}.{number}"
    dataset.InstanceNumber = number
    dataset.ImagePositionPatient = [0, 0, 2.5 * number]


def test_killed_while_two_senders_send(service: Service, tmp_path: Path, sample: Callable[[int, int], int]) -> None:
    count, kills, before, there = sample(80, 500), sample(3, 5), states(service), laid(service)
    batches = [written(tmp_path / f"series-{number}", count, number) for number in (1, 2)]
    part, taken, restarts = count // (kills + 1), Counter[int](), 0

    def send_all(which: int) -> None:
        def may(number: int) -> None:
            """Be no further than a part before the next kill: so there is always somebody who sends."""
            time.sleep(0.05)  # who waits for an answer at a kill waits for it for half a minute
            taken[which] = number
            until(lambda: number < part * (restarts + 1) or restarts == kills, pause=0.01)

        send(service.port, batches[which], may=may)

    with ThreadPoolExecutor() as pool:
        senders = [pool.submit(send_all, which) for which in (0, 1)]
        for goal in range(part, 2 * part * kills, 2 * part):
            until(lambda goal=goal: taken.total() >= goal, pause=0.01)
            service.kill()
            service.start()
            restarts += 1
        for sender in senders:
            sender.result()
    wait_for(service, before, sent=2 * count)
    contents = [content for path, content in laid(service).items() if path not in there]
    found = [dcmread(BytesIO(content)) for content in contents]
    sent = sorted((number, each % 250 + 1) for number in (1, 2) for each in range(1, count + 1))
    assert sorted((int(each.SeriesNumber), each.PixelData[0]) for each in found) == sent, "each once"
    assert all(each.PixelData == each.PixelData[:1] * 512 for each in found), "each whole"
    assert held(service) == []
    assert not [value for value in PLANTED if value.encode() in b"".join(contents)]


def test_the_same_study_again_with_one_more_series(service: Service, tmp_path: Path) -> None:
    """The PACS sends all of it once more: only what is new goes on, and what was there is not touched."""
    before, first = states(service), written(tmp_path / "first", 3, 3)
    send(service.port, first)
    wait_for(service, before, sent=3)
    there = laid(service)
    send(service.port, [*first, *written(tmp_path / "more", 2, 4)])
    wait_for(service, before, sent=5)
    again = laid(service)
    assert {path: again[path] for path in there} == there
    studies = {path.parent.parent for path in again.keys() - there.keys()}
    assert len(again) == len(there) + 2
    assert studies <= {path.parent.parent for path in there}


def test_other_bytes_under_the_same_uid_wait_for_a_person(service: Service, tmp_path: Path, cohortium: Run) -> None:
    """The sender hears of success, for they are durable; the destination keeps what it has until somebody decides."""
    before, (path,) = states(service), written(tmp_path / "first", 1, 5)
    send(service.port, [path])
    wait_for(service, before, sent=1)
    there = laid(service)
    for name, change in (("other", _other_pixels), ("ward", _other_address)):
        dataset = dcmread(path)
        change(dataset)
        dataset.save_as(tmp_path / f"{name}.dcm")
        send(service.port, [tmp_path / f"{name}.dcm"])
    wait_for(service, before, sent=1, quarantined=1, duplicate=1)
    assert laid(service) == there

    root, reason = service.file.parent, ("--reason", "same SOPInstanceUID, other bytes", "--why", "the first was right")
    listed = cohortium("gateway", "quarantine", *reason[:2], cwd=root)
    assert "came first" in listed.stdout
    assert not [value for value in PLANTED if value in listed.stdout + listed.stderr]
    assert cohortium("gateway", "again", *reason, cwd=root).returncode == 0  # nothing changed, so it waits again
    wait_for(service, before, sent=1, quarantined=1, duplicate=1)
    assert cohortium("gateway", "reject", *reason, cwd=root).returncode == 0
    wait_for(service, before, sent=1, rejected=1, duplicate=1)
    assert held(service) == []
    assert laid(service) == there


@pytest.mark.skipif(not shutil.which("storescu"), reason="DCMTK is not installed")
def test_a_wrong_ae_title_brings_nothing_in_and_the_right_one_all(service: Service, tmp_path: Path) -> None:
    before, (path,) = states(service), written(tmp_path / "first", 1, 6)
    for calling, called in (("SENDER", "ARCHIVE"), ("GRUENWALD", "COHORTIUM"), ("sender", "COHORTIUM")):
        assert storescu(service.port, path, calling, called) != 0
    log = service.file.parent / "gateway.log"
    until(lambda: "source pacs: 127.0.0.1 calls another AE title, and was rejected" in log.read_text("utf-8"))
    until(lambda: "source pacs: the AE title at 127.0.0.1 is no peer's, and was rejected" in log.read_text("utf-8"))
    assert states(service) == before
    assert storescu(service.port, path, "SENDER", "COHORTIUM") == 0
    wait_for(service, before, sent=1)
    assert "GRUENWALD" not in log.read_text("utf-8")


def test_a_sender_aborts_in_mid_file_and_sends_it_again(service: Service, tmp_path: Path) -> None:
    before, (path,) = states(service), written(tmp_path / "first", 1, 7)
    content = path.read_bytes()
    data = content[filemeta.read(content).end :]
    for ending in ("abort", "close", "reset"):
        sender = RawSender(service.port)
        assert sender.associate()[0] == 2
        sender.say(value(command(uid="1.2.826.0.1.7.1"), 3), value(data[:400], 0))
        if ending == "abort":
            sender.say(bytes([7, 0, 0, 0, 0, 4, 0, 0, 0, 0]))
        elif ending == "reset":
            sender.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sender.socket.close()
    until(lambda: held(service) == [])
    assert states(service) == before
    send(service.port, [path])
    wait_for(service, before, sent=1)


def held(service: Service) -> list[Path]:
    """Files of the spool."""
    spool = service.file.parent / "data" / "spool"
    return [path for path in spool.rglob("*") if path.name != ".lock" and path.is_file()]


def storescu(port: int, path: Path, calling: str, called: str) -> int:
    line = ["storescu", "-aet", calling, "-aec", called, "127.0.0.1", str(port), str(path)]
    return subprocess.run(line, capture_output=True, check=False, timeout=300).returncode


def _other_pixels(dataset: Dataset) -> None:
    dataset.PixelData = b"\7" * 512


def _other_address(dataset: Dataset) -> None:
    """What de-identification makes the same again."""
    dataset.PatientAddress = PLANTED[3] + " b"
