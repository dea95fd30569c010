"""C-STORE in: files a CPU second of the receiving process, Cohortium beside others, in one run and in turns.

    python bench/receive.py [--slices 1000] [--rounds 2] [--profile FILE]

DCMTK's storescu sends CT slices of 0.53 MB over one association, `TCP_NODELAY=1` on both ends, onto the disk below
`build/`. Cohortium seals, writes and syncs each slice before it answers, and lists it in its store meanwhile;
pynetdicom writes the raw bytes, with its own PDU size and with ours; Orthanc and storescp are as the distribution has
them. `--profile` records with py-spy where Cohortium spends its time, and measures it alone.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from slices import make

from cohortium import keys

HERE = Path(__file__)
ENVIRONMENT = os.environ | {"TCP_NODELAY": "1"}
TITLE = "RECEIVER"

Command = Callable[[Path, int], list[str]]
"""How a receiver is started that stores in a folder what comes to a port."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def connected(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cohortium(folder: Path, port: int) -> None:
    """The gateway's receiver and its spool, in a process that does nothing else."""
    from cohortium.acquire.intake import Intake
    from cohortium.acquire.receiver import Receiver
    from cohortium.config import Receiver as Settings
    from cohortium.spool import Came, Spool
    from cohortium.store import open_store

    settings = Settings("bench", TITLE, "127.0.0.1", port, ("SENDER@127.0.0.1",))
    spool = Spool(open_store(folder), folder / "spool", keys.ephemeral())
    with spool, Receiver(settings, Intake(spool, Came("bench", "bench"), 1 << 31, 0)):
        while True:
            spool.list_accepted()
            time.sleep(0.5)


def pynetdicom(folder: Path, port: int, pdu: int = 0) -> None:
    """The library's own server, with a handler that writes what came."""
    from pynetdicom import AE, _config, evt

    def store(event: evt.Event) -> int:
        (folder / f"{event.request.AffectedSOPInstanceUID}.dcm").write_bytes(event.encoded_dataset())
        return 0x0000

    def at_once(event: evt.Event) -> None:
        event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    _config.UNRESTRICTED_STORAGE_SERVICE = True
    ae = AE(ae_title=TITLE)
    ae.maximum_pdu_size = pdu or ae.maximum_pdu_size
    handlers = [(evt.EVT_C_STORE, store), (evt.EVT_CONN_OPEN, at_once)]
    ae.start_server(("127.0.0.1", port), evt_handlers=handlers)


def our_pdu(folder: Path, port: int) -> None:
    from cohortium.acquire.upper import PDU

    pynetdicom(folder, port, PDU)


def orthanc(folder: Path, port: int) -> list[str]:
    settings = {
        "StorageDirectory": str(folder / "orthanc"),
        "IndexDirectory": str(folder / "orthanc"),
        "DicomAet": TITLE,
        "DicomPort": port,
        "HttpServerEnabled": False,
        "DicomAlwaysAllowStore": True,
        "Plugins": [],
    }
    (folder / "orthanc.json").write_text(json.dumps(settings), "utf-8")
    return ["Orthanc", str(folder / "orthanc.json")]


def storescp(folder: Path, port: int) -> list[str]:
    return ["storescp", "--aetitle", TITLE, "--output-directory", str(folder), "--max-pdu", "131072", str(port)]


def ours(function: Callable[[Path, int], None]) -> Command:
    return lambda folder, port: [sys.executable, str(HERE), "--serve", function.__name__, str(folder), str(port)]


SERVED = {each.__name__: each for each in (cohortium, pynetdicom, our_pdu)}
RECEIVERS: dict[str, Command] = {
    "Cohortium, sealed and synced": ours(cohortium),
    "pynetdicom, its PDU": ours(pynetdicom),
    "pynetdicom, our PDU": ours(our_pdu),
    "Orthanc": orthanc,
    "DCMTK storescp": storescp,
}


def received(
    command: Callable[[Path, int], list[str]], folder: Path, source: Path, profile: str
) -> tuple[float, float]:
    """Files a CPU second of the receiver, and a second."""
    folder.mkdir()
    port, count = free_port(), len(list(source.iterdir()))
    process = subprocess.Popen(
        command(folder, port), env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not connected(port):
            time.sleep(0.1)
        time.sleep(1)
        spy = record(process.pid, profile) if profile else None
        before, started = cpu_seconds(process.pid), time.perf_counter()
        send = ["storescu", "-aet", "SENDER", "-aec", TITLE, "--max-send-pdu", "131072", "+sd", "127.0.0.1", str(port)]
        subprocess.run([*send, str(source)], env=ENVIRONMENT, check=True)
        wall, cpu = time.perf_counter() - started, cpu_seconds(process.pid) - before
        if spy:
            spy.send_signal(signal.SIGINT)
            spy.wait()
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)
    return count / cpu, count / wall


def record(pid: int, profile: str) -> subprocess.Popen[bytes]:
    spy = Path(sys.executable).with_name("py-spy")
    return subprocess.Popen([spy, "record", "-f", "raw", "-o", profile, "-p", str(pid)])


def cpu_seconds(pid: int) -> float:
    """What the process has used, as user and in the kernel, in all its threads."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--slices", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--profile", default="")
    parser.add_argument("--serve", nargs=3, metavar=("WHAT", "FOLDER", "PORT"))
    options = parser.parse_args()
    if options.serve:
        what, place, port = options.serve
        SERVED[what](Path(place), int(port))
        return
    build = HERE.parent.parent / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as name:
        make(Path(name), options.slices)
        found: dict[str, list[tuple[float, float]]] = {}
        for number in range(options.rounds):
            for what, command in RECEIVERS.items():
                if options.profile and what != next(iter(RECEIVERS)):
                    continue
                folder = Path(name) / f"{number}-{len(found)}"
                found.setdefault(what, []).append(received(command, folder, Path(name) / "in", options.profile))
    show(found, options.slices)


def show(found: dict[str, list[tuple[float, float]]], count: int) -> None:
    bare = median(cpu for cpu, _ in found.get("pynetdicom, our PDU", [(1.0, 1.0)]))
    print(f"{count} CT slices by C-STORE; median of the rounds (files a CPU second, a second, times bare pynetdicom)")
    for what, rounds in found.items():
        cpu, wall = median(each for each, _ in rounds), median(each for _, each in rounds)
        print(f"{what:<32}{cpu:8.0f}{wall:8.0f}{cpu / bare:8.2f}")


if __name__ == "__main__":
    main()
