"""A gateway that is killed again and again while two senders send: nothing lost, nothing twice, nothing half."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import func, select

from cohortium.store import open_store, schema
from gateway_service import Service, free_port, send
from hospital import PLANTED, slice_of

CONFIGURATION = """
[gateway]
quiet_seconds = 1
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


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    from cohortium import keys

    port = free_port()
    (tmp_path / "site").mkdir()
    file = tmp_path / "site" / "cohortium.toml"
    file.write_text(CONFIGURATION.format(port=port))
    keys.create(tmp_path / "site" / "keys" / "site.key")
    (tmp_path / "site" / "share").mkdir()
    service = Service(file, port)
    service.start()
    yield service
    if service.process and service.process.poll() is None:
        service.kill()


def states(service: Service) -> dict[str, int]:
    counts = select(schema.item.c.state, func.count()).group_by(schema.item.c.state)
    engine = open_store(service.file.parent / "data")
    with engine.execution_options(reading=True).begin() as connection:
        found = {row.state: row[1] for row in connection.execute(counts)}
    engine.dispose()
    return found


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.2)


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


def test_killed_while_two_senders_send(
    service: Service, tmp_path: Path, sample: Callable[[int, int], int], caplog: pytest.LogCaptureFixture
) -> None:
    count, kills = sample(40, 500), sample(3, 5)
    batches = [written(tmp_path / f"series-{number}", count, number) for number in (1, 2)]
    senders = [threading.Thread(target=send, args=(service.port, batch), kwargs={"pause": 0.05}) for batch in batches]
    for sender in senders:
        sender.start()
    for number in range(kills):
        time.sleep(0.7 + 0.3 * number)
        service.kill()
        service.start()
    for sender in senders:
        sender.join()
    wait_until(lambda: states(service) == {"sent": 2 * count})
    service.stop()
    laid = sorted((service.file.parent / "share").rglob("*"))
    files = [path for path in laid if path.is_file()]
    assert len(files) == 2 * count
    assert not [
        path for path in (service.file.parent / "data" / "spool").rglob("*") if path.name != ".lock" and path.is_file()
    ]
    content = b"".join(path.read_bytes() for path in files)
    assert not [value for value in PLANTED if value.encode() in content]


def test_the_same_study_again_with_one_more(service: Service, tmp_path: Path) -> None:
    paths = written(tmp_path / "first", 4, 1)
    send(service.port, paths[:3])
    wait_until(lambda: states(service) == {"sent": 3})
    send(service.port, paths)
    wait_until(lambda: states(service) == {"sent": 4})
    service.stop()
