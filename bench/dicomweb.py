"""DICOMweb beside Debian's Orthanc: 1,000 CT slices in and out of both, on the loopback, in one run.

Both run with TCP_NODELAY and their own defaults, each in a process of its own; times are medians of rounds in which the
two take turns, CPU seconds those of the server's process. What reads them reads into one buffer: a client that does
more is slower than either server. Without Orthanc it says so and measures Cohortium alone.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import httpx
import numpy as np
from sqlalchemy import create_engine, insert, text, update

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import orthanc
import portal_site
from cohortium.govern import users
from cohortium.store import schema
from cohortium.wire.multipart import Writer

SLICES = int(os.environ.get("SLICES", "1000"))
ROUNDS = 5
BATCH = 50
STUDY, SERIES = "2.25.500", "2.25.501"
DEEP, PAGE = 50_000, 100
Server = tuple[httpx.Client, str, Callable[[], float]]


def main() -> None:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        servers = {"Cohortium": stack.enter_context(_cohortium(folder))}
        if orthanc.available():
            servers["Orthanc"] = stack.enter_context(_orthanc(folder))
        else:
            print("no Orthanc with DICOMweb on this machine: Cohortium alone")
        contents = list(_slices())
        size = sum(map(len, contents)) / 1e6
        print(f"{SLICES} CT slices, {size:.0f} MB; the machine's load is {os.getloadavg()[0]:.1f}\n")
        stored = {each: _store(server, contents) for each, server in servers.items()}
        _line("STOW, files a second", {each: SLICES / wall for each, (wall, _) in stored.items()})
        _line("STOW, files a CPU second", {each: SLICES / cpu for each, (_, cpu) in stored.items()})
        _timed("QIDO, all instances, s", servers, f"/studies/{STUDY}/series/{SERIES}/instances", {})
        _timed("metadata of the series, s", servers, f"/studies/{STUDY}/series/{SERIES}/metadata", {})
        path = f"/studies/{STUDY}/series/{SERIES}"
        for syntax in ("", "; transfer-syntax=*"):
            accept = {"Accept": f'multipart/related; type="application/dicom"{syntax}'}
            before = {each: cpu() for each, (_, _, cpu) in servers.items()}
            walls = _timed(f"WADO-RS{syntax or '; no syntax asked'}, s", servers, path, accept)
            _line("WADO-RS, MB a second", {each: size / wall for each, wall in walls.items()})
            spent = {each: cpu() - before[each] for each, (_, _, cpu) in servers.items()}
            _line("WADO-RS, MB a CPU second", {each: ROUNDS * size / seconds for each, seconds in spent.items()})
        _deep(folder, servers["Cohortium"])


@contextmanager
def _cohortium(folder: Path) -> Iterator[Server]:
    process = get_context("spawn").Process(target=_serve, args=(folder,), daemon=True)
    process.start()
    while not (folder / "url").exists():
        time.sleep(0.05)
    url, password = (folder / "url").read_text("utf-8").split()
    basic = b64encode(f"admin:{password}".encode()).decode()
    with httpx.Client(headers={"Authorization": f"Basic {basic}"}, timeout=300) as client:
        yield client, f"{url}/dicomweb/lung", _cpu_of(process.pid)
    process.kill()


def _serve(folder: Path) -> None:
    settings = portal_site.configuration(folder)
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", [])
        password = users.ensure_administrator(served.engine)
        with served.engine.begin() as connection:
            connection.execute(update(schema.user).values(one_time=False))
        (folder / "url.part").write_text(f"{served.url} {password}", "utf-8")
        (folder / "url.part").rename(folder / "url")
        time.sleep(1 << 20)


@contextmanager
def _orthanc(folder: Path) -> Iterator[Server]:
    with orthanc.orthanc(folder) as url, httpx.Client(timeout=300, headers={"Accept-Encoding": "identity"}) as client:
        pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
        yield client, url, _cpu_of(next(pid for pid in pids if _runs(pid, folder)))


def _runs(pid: int, folder: Path) -> bool:
    try:
        return str(folder / "orthanc.json").encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _cpu_of(pid: int | None) -> Callable[[], float]:
    def seconds() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    return seconds


def _slices() -> Iterator[bytes]:
    noise = np.random.default_rng(1).integers(0, 4096, (512, 512), dtype="<u2")
    for n in range(SLICES):
        dataset = portal_site.ct_slice(n, "S-0001", STUDY, SERIES)
        dataset.SOPInstanceUID = f"2.25.502.{n}"
        dataset.Rows = dataset.Columns = 512
        dataset.PixelData = np.roll(noise, n).tobytes()
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = ["Cohortium", f"sha256:{portal_site.PROTOCOL.digest[:48]}"]
        for number in range(60):  # about as many elements as a scanner writes
            dataset.add_new(0x00720500 + number, "FD", float(number + n))
        yield portal_site.encode(dataset)


def _store(server: Server, contents: list[bytes]) -> tuple[float, float]:
    """Wall and CPU seconds of storing everything, in requests of `BATCH` files."""
    client, url, cpu = server
    before, started = cpu(), time.perf_counter()
    for at in range(0, len(contents), BATCH):
        writer = Writer("application/dicom")
        body = b"".join(writer.head("application/dicom") + each for each in contents[at : at + BATCH]) + writer.end()
        headers = {"Content-Type": writer.content_type, "Accept": "application/dicom+json"}
        answer = client.post(f"{url}/studies", content=body, headers=headers)
        assert answer.status_code == 200, answer.text[:500]
    return time.perf_counter() - started, cpu() - before


def _timed(what: str, servers: dict[str, Server], path: str, headers: dict[str, str]) -> dict[str, float]:
    walls: dict[str, list[float]] = {each: [] for each in servers}
    for _ in range(ROUNDS):
        for each, (client, url, _) in servers.items():
            started = time.perf_counter()
            assert _drained(url + path, {**client.headers, **headers}) > SLICES * 100
            walls[each].append(time.perf_counter() - started)
    found = {each: median(times) for each, times in walls.items()}
    _line(what, found)
    return found


def _drained(url: str, headers: dict[str, str]) -> int:
    """How many bytes the answer has."""
    at, buffer, size = httpx.URL(url), memoryview(bytearray(1 << 20)), 0
    with closing(HTTPConnection(at.host, at.port or 80, timeout=300)) as connection:
        connection.request("GET", at.raw_path.decode(), headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.status
        while count := answer.readinto(buffer):
            size += count
    return size


def _deep(folder: Path, server: Server) -> None:
    """A page at offset 40,000 of 50,000 studies, and the bytes that a header takes."""
    engine = create_engine(f"sqlite:///{folder / 'data' / 'cohortium.sqlite'}", connect_args={"timeout": 60})
    with engine.begin() as connection:
        rows = [
            {"subject_id": 1, "project_id": 1, "StudyInstanceUID": f"2.25.9.{n}", "StudyDate": "20240101"}
            | {"StudyDescription": "", "AccessionNumber": f"A{n}", "label": f"bench_{n}"}
            for n in range(DEEP)
        ]
        connection.execute(insert(schema.session), rows)
        sizes = connection.execute(text("SELECT avg(length(document)) FROM header")).scalar_one()
    client, url, _ = server
    client.get(f"{url}/studies?limit=1")
    times = []
    for offset in (40_001, 40_002, 40_003, 40_004, 40_005, 40_005 + PAGE):
        started = time.perf_counter()
        answer = client.get(f"{url}/studies?limit={PAGE}&offset={offset}")
        times.append((time.perf_counter() - started) * 1000)
        assert len(answer.json()) == PAGE
    counted, followed = median(times[:-1]), times[-1]
    print(f"page of {PAGE} at offset 40,000 of {DEEP:,}: {counted:.0f} ms, where a page ended {followed:.0f} ms")
    print(f"a header takes {sizes:.0f} bytes; those of a billion instances {sizes:.0f} GB")


def _line(what: str, values: dict[str, float]) -> None:
    ratio = f"   ratio {values['Cohortium'] / values['Orthanc']:.2f}" if "Orthanc" in values else ""
    print(f"{what:34}" + "".join(f"{each} {value:10.3f}  " for each, value in values.items()) + ratio, flush=True)


if __name__ == "__main__":
    main()
