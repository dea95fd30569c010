"""A gateway with every kind of source, in one process that is watched: all of it arrives, nothing is written elsewhere.

What comes: by C-STORE in the clear and over TLS, from a watched folder with a file-set and a zip, by HTTP, by SFTP,
from a dataset version, and from a PACS. Some senders leave in the middle. The system calls of all its threads and
processes that make or change a file are written down.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import asyncssh
import httpx
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet
from sqlalchemy import func, select

import portal_site
from certificates import Certificates
from cohortium import config, keys
from cohortium.archive import datasets
from cohortium.spool.requests import Requests
from cohortium.store import open_store
from cohortium.store.schema import item
from hospital import PLANTED, slice_of
from pacs_servers import Server, dcmqrscp
from raw_sender import RawSender, command, value
from waiting import PATIENCE, free_port

CONFIGURATION = """
[gateway]
quiet_seconds = 0
require_approval = false
egress = ["127.0.0.1:{pacs}"]
log = "data/gateway.log"
[serve]
port = {portal}
[[project]]
name = "lung"
[[project]]
name = "second"
[[project]]
name = "study"
[[source.receiver]]
name = "moved-to"
port = {clear}
peers = ["DCMQRSCP@127.0.0.1", "SENDER@127.0.0.1"]
[[source.receiver]]
name = "scanners"
port = {secured}
peers = ["SENDER@127.0.0.1"]
certificate = "tls/own.pem"
certificate_key = "tls/own.key"
authority = "tls/authority.pem"
[[source.folder]]
name = "inbox"
path = "WARD-SEVEN"
settle_seconds = 1
look_seconds = 1
remove = true
[[source.http]]
name = "ward"
token_file = "token"
[[source.sftp]]
name = "drop"
port = {drop}
keys_file = "senders"
[[source.dataset]]
name = "curated"
version = "{version}"
[[source.pacs]]
name = "pacs"
ae_title = "DCMQRSCP"
host = "127.0.0.1"
port = {pacs}
receiver = "moved-to"
[[destination.folder]]
name = "share"
path = "share"
[[pipeline]]
name = "step-two"
sources = ["curated"]
project = "second"
specification = "basic"
[[pipeline]]
name = "ct"
sources = ["scanners", "inbox", "ward", "drop", "pacs"]
project = "study"
destinations = ["share"]
specification = "basic"
gate = false
"""
CALLS = "trace=open,openat,creat,mkdir,mkdirat,mknod,mknodat,rename,renameat,renameat2,link,linkat,symlink,symlinkat"
CHANGING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TMPFILE|^\d+ +(creat|mkdir|mknod|rename|link|symlink)")
NAMED = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')
DIRECTORY = "1.2.840.10008.1.3.10"
TOKEN = "0123456789abcdef" * 2
UID, ACCESSION = "1.2.826.0.9.1", "ACC-4712"
LARGE = 3_000_000  # bytes, beyond what libraries keep in memory of a body
EXPECTED = {
    ("scanners", "sent"): 1,
    ("moved-to", "sent"): 2,
    ("inbox", "sent"): 4,
    ("inbox", "container"): 3,  # two DICOMDIRs and a zip
    ("inbox", "not DICOM"): 1,
    ("ward", "sent"): 4,
    ("ward", "container"): 2,
    ("drop", "sent"): 4,
    ("drop", "container"): 2,
    ("curated", "sent"): 2,
}

pytestmark = pytest.mark.skipif(not shutil.which("storescu"), reason="DCMTK is not installed")


@dataclass(frozen=True)
class Site:
    """A gateway, started and watched, and the ports at which it listens."""

    root: Path
    trace: Path
    portal: int
    clear: int
    secured: int
    drop: int

    @property
    def settings(self) -> config.Config:
        return config.load(self.root / "cohortium.toml", {})

    def states(self) -> Counter[tuple[str, str]]:
        counts = select(item.c.source, item.c.state, func.count()).group_by(item.c.source, item.c.state)
        engine = open_store(self.settings)
        with engine.execution_options(reading=True).begin() as connection:
            found = Counter({(source, state): count for source, state, count in connection.execute(counts)})
        engine.dispose()
        return found


def image(source: int, number: int, change: Callable[[Dataset], None] = lambda _: None) -> bytes:
    return slice_of(number, change, series=source)


def large(dataset: Dataset) -> None:
    dataset.Rows, dataset.Columns, dataset.PixelData = LARGE // 2000, 1000, bytes(LARGE)


def file_set(folder: Path, source: int) -> dict[str, bytes]:
    """The files of a medium with two images and a DICOMDIR, which names the patient, by their names."""

    def more(dataset: Dataset) -> None:
        dataset.StudyTime, dataset.StudyID, dataset.AccessionNumber = "120000", "1", "4711"

    made = FileSet()
    for number in (1, 2):
        made.add(dcmread(BytesIO(image(source, number, more))))
    made.write(folder)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def zipped(contents: dict[str, bytes]) -> bytes:
    buffer = BytesIO()
    with ZipFile(buffer, "w") as package:
        for name, content in contents.items():
            package.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """After everything came through, and the gateway ended."""
    folder = tmp_path_factory.mktemp("every")
    clear = free_port()
    with dcmqrscp(folder, clear) as pacs:
        site = prepared(folder, pacs, clear)
        process = started(site)
        try:
            wait_until(lambda: all(map(listens, (site.portal, site.clear, site.secured, site.drop))), process)
            send_everything(site, folder, pacs)
            wait_until(lambda: site.states() == EXPECTED, process, lambda: str(site.states()))
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
    return site


def prepared(folder: Path, pacs: Server, clear: int) -> Site:
    root = folder / "site"
    root.mkdir()
    settings = portal_site.configuration(root)
    engine = open_store(settings)
    portal_site.fill(engine, settings.site.data, "lung", "Lung", portal_site.slices(2))
    with engine.begin() as connection:
        version = datasets.freeze(connection, 1, "first", "ada")
    engine.dispose()
    site = Site(root, folder / "trace", free_port(), clear, free_port(), free_port())
    ports = {"pacs": pacs.port, "portal": site.portal, "clear": clear, "secured": site.secured, "drop": site.drop}
    settings.file.write_text(CONFIGURATION.format(version=version.digest, **ports))
    for name in ("WARD-SEVEN", "share"):
        (root / name).mkdir()
    Certificates(root / "tls")
    keys.write_once(root / "token", TOKEN, "token")
    sender = asyncssh.generate_private_key("ssh-ed25519")
    sender.write_private_key(str(folder / "id"))
    (root / "senders").write_bytes(sender.export_public_key())
    return site


def started(site: Site) -> subprocess.Popen[bytes]:
    program = str(Path(sys.executable).with_name("cohortium"))
    run = [program, "gateway", "run", "--config", str(site.root / "cohortium.toml")]
    watch = ["strace", "-D", "-f", "-y", "-qq", "--seccomp-bpf", "-e", CALLS, "-o", str(site.trace)]
    if shutil.which("strace"):
        run = [*watch, *run]
    (cwd := site.root.parent / "elsewhere").mkdir()
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(run, env=environment, cwd=cwd, stdout=subprocess.DEVNULL)


def listens(port: int) -> bool:
    with suppress(OSError):
        RawSender(port).socket.close()
        return True
    return False


def wait_until(true: Callable[[], bool], process: subprocess.Popen[bytes], told: Callable[[], str] = str) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert process.poll() is None, "the gateway ended by itself"
        assert time.monotonic() < end, told()
        time.sleep(0.2)


def send_everything(site: Site, folder: Path, pacs: Server) -> None:
    from_a_pacs(site, folder, pacs)
    into_the_folder(site, folder)
    by_c_store(site, folder)
    by_http(site, folder)
    by_sftp(site, folder)


def by_c_store(site: Site, folder: Path) -> None:
    """One over TLS; in the clear one that is left in the middle, and a DICOMDIR, for which there is no context."""
    (folder / "1.dcm").write_bytes(image(1, 1, large))
    tls = site.root / "tls"
    secured = ["+tls", tls / "own.key", tls / "own.pem", "+cf", tls / "authority.pem"]
    line = ["storescu", *secured, "-aet", "SENDER", "-aec", "COHORTIUM", "127.0.0.1", site.secured, folder / "1.dcm"]
    subprocess.run([str(each) for each in line], check=True, timeout=PATIENCE)
    broken = RawSender(site.clear)
    broken.associate()
    broken.say(value(command(), 3), value(bytes(LARGE), 0))
    broken.socket.close()
    refused = RawSender(site.clear)
    assert refused.associate(sop_class=DIRECTORY)[0] == 2
    assert refused.store(PLANTED[0].encode(), sop_class=DIRECTORY) == -1


def into_the_folder(site: Site, folder: Path) -> None:
    """A medium as it is, and another one as a zip."""
    file_set(site.root / "WARD-SEVEN" / PLANTED[0], 2)
    (site.root / "WARD-SEVEN" / "letter.txt").write_text(PLANTED[0])
    (site.root / "WARD-SEVEN" / "TULIPAN.zip").write_bytes(zipped(file_set(folder / "medium", 3)))


def by_http(site: Site, folder: Path) -> None:
    """By STOW-RS, as a form with a file and a zip, and as a whole body; one that breaks off."""
    part = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + image(4, 1, large) + b"\r\n--x--\r\n"
    related = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=x'}
    medium = zipped({"1": image(4, 3)})
    with httpx.Client(base_url=f"http://127.0.0.1:{site.portal}/intake/", timeout=PATIENCE) as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        assert client.post("ward/studies", content=part, headers=related).status_code == 200
        files = [("file", ("TULIPAN.dcm", image(4, 2, large))), ("file", ("TULIPAN.zip", medium))]
        assert client.post("ward", files=files).json()["files"] == [{"taken": 1, "problem": ""}] * 2
        whole = zipped({"1": image(4, 4, large)})
        assert client.post("ward", content=whole, headers={"Content-Type": "application/zip"}).status_code == 200
    broken = RawSender(site.portal)
    head = f"POST /intake/ward HTTP/1.1\r\nHost: 127.0.0.1:{site.portal}\r\nAuthorization: Bearer {TOKEN}\r\n"
    broken.say(f"{head}Content-Type: application/dicom\r\nContent-Length: {2 * LARGE}\r\n\r\n".encode(), bytes(LARGE))
    broken.socket.close()


def by_sftp(site: Site, folder: Path) -> None:
    """A file, one that is renamed when it is whole, a medium as a zip, and one that breaks off."""

    async def put() -> None:
        options = {"known_hosts": None, "client_keys": [str(folder / "id")], "config": None, "username": "ward"}
        async with (
            asyncssh.connect("127.0.0.1", site.drop, **options) as connection,
            connection.start_sftp_client() as client,
        ):
            for name, content in (
                ("1.dcm", image(5, 1)),
                ("2.dcm.part", image(5, 2, large)),
                ("3.zip", zipped(file_set(folder / "other-medium", 6))),
            ):
                async with client.open(name, "wb") as file:
                    await file.write(content)
            await client.rename("2.dcm.part", "2.dcm")
            cut = await client.open("cut.dcm", "wb")
            await cut.write(bytes(LARGE))

    asyncio.run(put())


def from_a_pacs(site: Site, folder: Path, pacs: Server) -> None:
    def named(dataset: Dataset) -> None:
        dataset.StudyInstanceUID, dataset.AccessionNumber = UID, ACCESSION
        dataset.StudyTime, dataset.StudyID = "120000", "7"

    (folder / "stored").mkdir()
    for number in (1, 2):
        (folder / "stored" / f"{number}.dcm").write_bytes(image(7, number, named))
    pacs.store(folder / "stored")
    settings = site.settings
    requests = Requests(open_store(settings), keys.load(settings.site.key, settings.site.data))
    requests.ask("pacs", [{"AccessionNumber": ACCESSION}], "otto")


def test_all_of_it_came_through_by_its_source(site: Site) -> None:
    assert site.states() == EXPECTED
    laid = [path for path in (site.root / "share").rglob("*") if path.is_file()]
    assert len(laid) == sum(count for (source, state), count in EXPECTED.items() if state == "sent") - 2
    assert [path.name for path in (site.root / "WARD-SEVEN").rglob("*") if path.is_file()] == ["letter.txt"]


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_nothing_was_written_but_below_the_data_root_and_to_the_destination(site: Site) -> None:
    calls = [line for line in site.trace.read_text().splitlines() if CHANGING.search(line) and " = -1 " not in line]
    cwd = site.root.parent / "elsewhere"
    paths = {os.path.normpath(Path(within or cwd) / name) for line in calls for within, name in NAMED.findall(line)}
    assert len([path for path in paths if "/spool/incoming/" in path]) > 15
    meant = (*(f"{site.root}/{each}/" for each in ("data", "share", "keys")), "/dev/", "/proc/")
    assert {path for path in paths if not f"{path}/".startswith(meant)} == set()
    assert [path.name for path in (site.root / "keys").iterdir()] == ["site.key"]


def test_nothing_that_identifies_is_left_of_it(site: Site) -> None:
    spool = site.root / "data" / "spool"
    assert [path.name for path in spool.rglob("*") if path.is_file()] == [".lock"]
    made = [path for each in ("data", "share") for path in (site.root / each).rglob("*") if path.is_file()]
    content = b"".join(path.read_bytes() for path in made) + "\n".join(map(str, made)).encode()
    planted = [*(each.encode() for each in PLANTED if each != "WARD-SEVEN"), ACCESSION.encode(), UID.encode()]
    assert [each for each in planted if each in content] == []
