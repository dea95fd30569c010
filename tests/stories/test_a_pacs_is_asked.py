"""A gateway fetches what people ask a PACS for: all of it, once, through kills, refusals, pauses and cancellations."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from cohortium import keys
from cohortium.config import load
from cohortium.spool.requests import Requests
from cohortium.spool.wanted import Asked, Counts, Stage, Standing
from cohortium.store import open_store
from gateway_service import Service
from hospital import PLANTED, slice_of
from pacs_servers import Server, dcmqrscp, orthanc
from waiting import PATIENCE, free_port

Run = Callable[..., subprocess.CompletedProcess[str]]
SERVERS = {"orthanc": orthanc, "dcmqrscp": dcmqrscp}
CONFIGURATION = """
[gateway]
quiet_seconds = {quiet}
egress = ["127.0.0.1:{pacs}"]
[[project]]
name = "study"
[[source.receiver]]
name = "scanners"
port = {port}
peers = ["{title}@127.0.0.1"]
[[source.pacs]]
name = "pacs"
ae_title = "{title}"
host = "127.0.0.1"
port = {pacs}
receiver = "{receiver}"
{more}
[[destination.folder]]
name = "share"
path = "share"
[[pipeline]]
name = "ct"
sources = ["pacs", "scanners"]
project = "study"
destinations = ["archive", "share"]
specification = "basic"
gate = false
"""
ACCESSION = "ACC-4711-{}"


def studies(folder: Path, count: int, images: int) -> None:
    """Files of studies of two series each, all of one patient."""
    folder.mkdir()
    for number in range(1, count + 1):
        for image in range(1, images + 1):
            (folder / f"{number}-{image}.dcm").write_bytes(slice_of(image % 250 + 1, _named(number, image)))


def _named(study: int, image: int) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        uid = f"1.2.826.0.8.{study}"
        dataset.StudyInstanceUID, dataset.AccessionNumber = uid, ACCESSION.format(study)
        dataset.SeriesInstanceUID, dataset.SOPInstanceUID = f"{uid}.{1 + image % 2}", f"{uid}.9.{image}"
        dataset.StudyTime, dataset.StudyID, dataset.InstanceNumber = "120000", str(study), image
        dataset.ImagePositionPatient = [0, 0, 2.5 * image]

    return change


class Site:
    """A gateway beside a PACS."""

    def __init__(self, folder: Path, server: Server, port: int, cohortium: Run) -> None:
        self.folder, self.server, self._run = folder, server, cohortium
        self.service = Service(folder / "cohortium.toml", port)
        folder.mkdir()
        (folder / "share").mkdir()
        keys.create(folder / "keys" / "site.key")
        self._requests: Requests | None = None

    def configure(self, *, receiver: str = "scanners", quiet: int = 1, more: str = "") -> None:
        values = {"pacs": self.server.port, "port": self.service.port, "title": self.server.title}
        text = CONFIGURATION.format(**values, receiver=receiver, quiet=quiet, more=more)
        self.service.file.write_text(text)

    def ask(self, numbers: range) -> None:
        (self.folder / "list.csv").write_text("\n".join(ACCESSION.format(number) for number in numbers))
        result = self("gateway", "ask", "--accessions", "list.csv")
        assert result.returncode == 0, result.stderr

    def asked(self) -> Asked:
        """The newest request."""
        if self._requests is None:
            settings = load(self.service.file)
            self._requests = Requests(open_store(settings), keys.load(settings.site.key, settings.site.data))
        return self._requests.asked()[0]

    def wait(self, true: Callable[[Asked], bool], seconds: float = PATIENCE) -> Asked:
        until = time.monotonic() + seconds
        while not true(found := self.asked()):
            assert time.monotonic() < until, f"it did not come to that: {found}"
            time.sleep(0.3)
        return found

    def wait_settled(self) -> Asked:
        over = {Stage.SETTLED, Stage.NOT_FOUND}
        return self.wait(lambda found: found.standing is Standing.DONE and found.stages.keys() <= over)

    def files(self) -> list[Path]:
        return [path for path in (self.folder / "share").rglob("*") if path.is_file()]

    def __call__(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return self._run(*arguments, cwd=self.folder)


@pytest.fixture(params=list(SERVERS))
def site(request: pytest.FixtureRequest, tmp_path: Path, cohortium: Run) -> Iterator[Site]:
    port = free_port()
    with SERVERS[request.param](tmp_path, port) as server:
        site = Site(tmp_path / "site", server, port, cohortium)
        yield site
        if site.service.process and site.service.process.poll() is None:
            site.service.kill()


@pytest.mark.parametrize("receiver", ["scanners", ""], ids=["c-move", "c-get"])
def test_a_list_is_fetched_and_accounted_for(site: Site, tmp_path: Path, receiver: str) -> None:
    studies(tmp_path / "files", 3, 10)
    site.server.store(tmp_path / "files")
    site.configure(receiver=receiver, quiet=600)  # it is the expected number that completes a series
    site.service.start()
    site.ask(range(2, 5))
    found = site.wait_settled()
    assert found.stages == {"settled": 2, "not found": 1}
    assert found.counts == Counts(listed=20, arrived=20, made=20, aside=0, sent=20, confirmed=20)
    assert found.trouble == {"the PACS holds no such study": 1}
    assert len(site.files()) == 20
    site.service.stop()
    outside = [path for path in site.folder.rglob("*") if path.is_file() and path.name != "list.csv"]
    content = b"".join(path.read_bytes() for path in outside)
    planted = [*PLANTED, *(ACCESSION.format(number) for number in range(2, 5)), "1.2.826.0.8.2"]
    assert [value for value in planted if value.encode() in content] == []


def test_killed_in_mid_move_it_fetches_the_rest_once(
    site: Site, tmp_path: Path, sample: Callable[[int, int], int]
) -> None:
    count, images = 4, sample(30, 150)
    studies(tmp_path / "files", count, images)
    site.server.store(tmp_path / "files")
    site.configure()
    site.service.start()
    site.ask(range(1, count + 1))
    for part in (1, 2):
        site.wait(lambda found, part=part: found.counts.arrived >= part * count * images // 4)  # type: ignore[misc]
        site.service.kill()
        site.service.start()
    found = site.wait_settled()
    assert found.counts.confirmed == count * images
    assert len(site.files()) == count * images


@pytest.mark.parametrize("receiver", ["scanners", ""], ids=["c-move", "c-get"])
def test_what_the_pacs_itself_has_lost_is_told_and_the_rest_is_there(site: Site, tmp_path: Path, receiver: str) -> None:
    studies(tmp_path / "files", 1, 6)
    site.server.store(tmp_path / "files")
    kept = [path for path in tmp_path.glob("*/**/*") if path.is_file() and path.parent != tmp_path / "files"]
    images = [path for path in kept if b"DICM" in path.read_bytes()[128:132]]
    assert len(images) == 6
    images[0].unlink()
    site.configure(receiver=receiver)
    site.service.start()
    site.ask(range(1, 2))
    is_orthanc = site.server.title == "ORTHANC"  # which breaks the whole transfer off
    words = "the PACS answers with status C000" if is_orthanc else "the PACS says that it could not send 1 image"
    found = site.wait(lambda found: words in found.trouble, 40)
    assert found.stages == {"waiting": 1}, "it is asked for again, later, and then one by one"
    assert found.counts.listed == 6
    assert found.counts.arrived < 6
