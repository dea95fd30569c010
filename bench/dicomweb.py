"""DICOMweb beside Debian's Orthanc: 1,000 CT slices in and out of both, on the loopback, in one run.

Both run with TCP_NODELAY and their own defaults, each in a process of its own; times are medians of rounds in which the
two take turns, CPU seconds those of the server's process. Two clients read the series: `plain` reads a socket into
one buffer, `library` is dicomweb-client, which parses every image. `memory` is no archive: a loop that sends the same
body, made ready before, and so the most that client and loopback take. Without Orthanc it says so and measures
Cohortium alone.

Of STOW both flush each file to disk before they answer (Orthanc's SyncStorageArea, true by default) and compute its
digest; Orthanc neither seals it, nor asks whether it is de-identified, nor writes an audit. `stow.py` tells what each
of our steps costs.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import httpx
import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from dicomweb_client import DICOMwebClient
from sqlalchemy import create_engine, insert, text, update

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import orthanc
import portal_site
from cohortium import config, keys
from cohortium.archive import Objects, packs, storage_of
from cohortium.archive.datakeys import DataKeys
from cohortium.govern import users
from cohortium.store import open_store, schema
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
        contents = list(slices())
        size = sum(map(len, contents)) / 1e6
        print(f"{SLICES} CT slices, {size:.0f} MB; the machine's load is {os.getloadavg()[0]:.1f}\n")
        _stow(servers, contents)
        _timed("QIDO, all instances, s", servers, f"/studies/{STUDY}/series/{SERIES}/instances", {})
        _timed("metadata of the series, s", servers, f"/studies/{STUDY}/series/{SERIES}/metadata", {})
        three = {**servers, "memory": stack.enter_context(_memory(contents))}
        print(f"opening AES-256-GCM alone: {_opened(contents):.0f} MB a CPU second")
        _retrieved("apart", three, size)
        _headers(folder)
        _pack(folder)
        _headers(folder)
        _retrieved("packed", three, size)
        _deep(folder, servers["Cohortium"])


def _retrieved(how: str, servers: dict[str, Server], size: float) -> None:
    """The series by each client; Orthanc's objects lie apart both times."""
    for name, read in READERS.items():
        before = {each: cpu() for each, (_, _, cpu) in servers.items()}
        walls: dict[str, list[float]] = {each: [] for each in servers}
        for _ in range(ROUNDS):
            for each, server in servers.items():
                started = time.perf_counter()
                read(server)
                walls[each].append(time.perf_counter() - started)
        spent = {each: cpu() - before[each] for each, (_, _, cpu) in servers.items()}
        what = f"WADO-RS, {how}, {name}"
        _line(f"{what}, MB/s", {each: size / median(times) for each, times in walls.items()})
        _line(f"{what}, MB/CPU s", {each: ROUNDS * size / seconds for each, seconds in spent.items()})


def _read_plain(server: Server) -> None:
    client, url, _ = server
    accept = {"accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    assert _drained(f"{url}/studies/{STUDY}/series/{SERIES}", {**client.headers, **accept}) > SLICES * 512 * 512 * 2


def _read_by_library(server: Server) -> None:
    client, url, _ = server
    library = DICOMwebClient(url, headers={"Authorization": client.headers.get("Authorization", "")})
    assert len(library.retrieve_series(STUDY, SERIES, media_types=(("application/dicom", "*"),))) == SLICES


READERS: dict[str, Callable[[Server], None]] = {"plain": _read_plain, "library": _read_by_library}


def _pack(folder: Path) -> None:
    """Seal the series into packs, as a worker does once it is quiet."""
    settings = config.load(folder / "cohortium.toml")
    engine = open_store(settings)
    objects = Objects(storage_of(settings), DataKeys(engine, keys.load(settings.site.key, settings.site.data)))
    assert packs.pack_scan(engine, objects, 1)
    engine.dispose()


def _opened(contents: list[bytes]) -> float:
    """MB a CPU second of opening what is sealed, and of nothing else."""
    cipher, nonce = AESGCM(bytes(32)), bytes(12)
    sealed = [cipher.encrypt(nonce, each, None) for each in contents[:100]]
    started = time.process_time()
    for each in sealed:
        cipher.decrypt(nonce, each, None)
    return sum(map(len, sealed)) / 1e6 / (time.process_time() - started)


@contextmanager
def _memory(contents: list[bytes]) -> Iterator[Server]:
    """A floor: what does nothing but send the series, made ready before, over the loopback."""
    writer = Writer("application/dicom")
    body = b"".join(writer.head("application/dicom") + each for each in contents) + writer.end()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {writer.content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener, httpx.Client() as client:
        process = get_context("fork").Process(target=_hand_out, args=(listener, head.encode("ascii"), body))
        process.start()
        yield client, f"http://127.0.0.1:{listener.getsockname()[1]}", _cpu_of(process.pid)
        process.kill()


def _hand_out(listener: socket.socket, head: bytes, body: bytes) -> None:
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(head)
            connection.sendall(body)


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
        gc.collect()
        gc.freeze()  # as `cohortium serve` does
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


def slices() -> Iterator[bytes]:
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


def _stow(servers: dict[str, Server], contents: list[bytes]) -> None:
    for client, url, _ in servers.values():  # whose password it is, by a hash made slow on purpose, is asked before
        client.get(f"{url}/studies?limit=1")
    few = SLICES // ROUNDS
    took: dict[str, list[tuple[float, float]]] = {each: [] for each in servers}
    for at in range(0, SLICES, few):
        for each, server in servers.items():
            took[each].append(_store(server, contents[at : at + few]))
    _line("STOW, files a second", {each: few / median(wall for wall, _ in of) for each, of in took.items()})
    _line("STOW, files a CPU second", {each: few / median(cpu for _, cpu in of) for each, of in took.items()})


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
    """How many bytes the answer has, its head included."""
    at, buffer, size = httpx.URL(url), bytearray(1 << 20), 0
    fields = {**headers, "host": f"{at.host}:{at.port}", "connection": "close"}
    lines = [f"GET {at.raw_path.decode()} HTTP/1.1", *(f"{key}: {value}" for key, value in fields.items()), "", ""]
    with socket.create_connection((at.host, at.port)) as connection:
        connection.sendall("\r\n".join(lines).encode("ascii"))
        while count := connection.recv_into(buffer):
            assert size or buffer.startswith(b"HTTP/1.1 200"), bytes(buffer[:200])
            size += count
    return size


def _headers(folder: Path) -> None:
    """How many bytes the headers take."""
    engine = create_engine(f"sqlite:///{folder / 'data' / 'cohortium.sqlite'}")
    with engine.connect() as connection:
        tables = ("header", "header_dictionary", "header_document")
        queries = (f"SELECT coalesce(sum(length(document)), 0) FROM {table}" for table in tables)
        size = sum(connection.execute(text(query)).scalar_one() for query in queries) / SLICES
    engine.dispose()
    print(f"a header takes {size:.0f} bytes; those of a billion instances {size:.0f} GB")


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


def _line(what: str, values: dict[str, float]) -> None:
    ratio = f"   ratio {values['Cohortium'] / values['Orthanc']:.2f}" if "Orthanc" in values else ""
    print(f"{what:42}" + "".join(f"{each} {value:10.3f}  " for each, value in values.items()) + ratio, flush=True)


if __name__ == "__main__":
    main()
