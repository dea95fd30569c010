"""C-STORE in: files a CPU second of the receiving process, Cohortium beside others, in one run and in turns.

    python bench/receive.py [--slices 200] [--rounds 1]

DCMTK's storescu sends CT slices of 0.53 MB over one association, `TCP_NODELAY=1` on both ends, onto the disk below
`build/`. Cohortium seals, writes and syncs each slice before it answers, and lists it in its store meanwhile; its
acceptor alone writes the raw bytes, or lets go of them, which tells what another one could save; pynetdicom writes the
raw bytes, with its own PDU size and with ours; Orthanc and storescp are as the distribution has them. At the end stands
what Cohortium spends its time on. The whole measure is `--slices 1000 --rounds 3`.
"""

from __future__ import annotations

import argparse
import hmac
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from shares import Cipher, Shares
from slices import make

from cohortium import keys

HERE = Path(__file__)
ENVIRONMENT = os.environ | {"TCP_NODELAY": "1"}
TITLE = "RECEIVER"
SHARES = "shares.json"

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
    with spool, Receiver(settings, Intake(spool, Came("bench", "bench"), 1 << 31, 0), folder):
        while True:
            spool.list_accepted()
            time.sleep(0.5)


def watched(folder: Path, port: int) -> None:
    """The same, which says in a file what it spent its time on when it is told to end."""
    from cohortium import sealed
    from cohortium.acquire import commands, intake, upper
    from cohortium.spool import Spool

    sealed.AESGCM = Cipher  # type: ignore[assignment, misc]
    shares = Shares()
    shares.watch("reading the socket", (upper.Connection, "_exactly"))
    shares.watch("messages and answers", (commands, "read"), (commands, "response"), (upper.Connection, "answer"))
    shares.watch("looking what it is", (intake, "kind_of"))
    shares.watch("AES-256-GCM", (Cipher, "encrypt"), (sealed, "_file_key"))
    shares.watch("keyed digest (HMAC-SHA-256)", (hmac.HMAC, "update"))
    shares.watch("writing and renaming", (os, "open"), (os, "write"), (os, "close"), (Path, "replace"))
    shares.watch("syncing (fsync)", (os, "fsync"))
    shares.watch("rows", (Spool, "list_accepted"))

    def end(*_: object) -> None:
        (folder.parent / SHARES).write_text(json.dumps(shares.spent))
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    cohortium(folder, port)


@dataclass(frozen=True)
class Raw:
    """Takes in for the acceptor without any of what the spool does: writes the bytes, or lets go of them."""

    folder: Path | None
    limit: int = 1 << 31

    def take(self, name: str, content: Iterable[bytes | memoryview]) -> None:
        if self.folder is None:
            deque(content, maxlen=0)
            return
        with (self.folder / f"{name}.dcm").open("wb", buffering=0) as file:
            for piece in content:
                file.write(piece)


def acceptor(folder: Path | None, port: int) -> None:
    """What reads the association, with nothing behind it."""
    from cohortium.acquire.receiver import Receiver
    from cohortium.config import Receiver as Settings

    settings = Settings("bench", TITLE, "127.0.0.1", port, ("SENDER@127.0.0.1",))
    with Receiver(settings, Raw(folder), HERE.parent):  # type: ignore[arg-type]
        signal.pause()


def let_go(_folder: Path, port: int) -> None:
    acceptor(None, port)


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


SERVED = {each.__name__: each for each in (cohortium, watched, acceptor, let_go, pynetdicom, our_pdu)}
RECEIVERS: dict[str, Command] = {
    "Cohortium, sealed and synced": ours(cohortium),
    "its acceptor alone, raw bytes": ours(acceptor),
    "its acceptor alone, none": ours(let_go),
    "pynetdicom, its PDU": ours(pynetdicom),
    "pynetdicom, our PDU": ours(our_pdu),
    "Orthanc": orthanc,
    "DCMTK storescp": storescp,
}


def received(command: Command, folder: Path, source: Path) -> tuple[float, float]:
    """CPU seconds of the receiver, and seconds."""
    folder.mkdir()
    port = free_port()
    process = subprocess.Popen(
        command(folder, port), env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not connected(port):
            assert process.poll() is None, "the receiver ended by itself"
            time.sleep(0.1)
        time.sleep(1)
        before, started = cpu_seconds(process.pid), time.perf_counter()
        send = ["storescu", "-aet", "SENDER", "-aec", TITLE, "--max-send-pdu", "131072", "+sd", "127.0.0.1", str(port)]
        subprocess.run([*send, str(source)], env=ENVIRONMENT, check=True)
        wall, cpu = time.perf_counter() - started, cpu_seconds(process.pid) - before
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder)
    return cpu, wall


def cpu_seconds(pid: int) -> float:
    """What the process has used, as user and in the kernel, in all its threads."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--slices", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--serve", nargs=3, metavar=("WHAT", "FOLDER", "PORT"))
    options = parser.parse_args()
    if options.serve:
        what, place, port = options.serve
        SERVED[what](Path(place), int(port))
        return
    build = HERE.parent.parent / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as name:
        root = Path(name)
        make(root, options.slices)
        found: dict[str, list[tuple[float, float]]] = {}
        for number in range(options.rounds):
            for what, command in RECEIVERS.items():
                found.setdefault(what, []).append(received(command, root / f"{number}-{len(found)}", root / "in"))
        show(found, options.slices)
        cpu, _ = received(ours(watched), root / "watched", root / "in")
        print(f"what Cohortium spends {cpu / options.slices * 1000:.2f} ms of CPU a file on:")
        shares = Shares()
        shares.spent.update(json.loads((root / SHARES).read_text()))
        print(*shares.show(cpu, options.slices), sep="\n")


def show(found: dict[str, list[tuple[float, float]]], count: int) -> None:
    cpu = {what: median(each for each, _ in rounds) for what, rounds in found.items()}
    print(f"{count} CT slices by C-STORE; median of the rounds (files a CPU second, a second, times bare pynetdicom)")
    for what, rounds in found.items():
        wall = median(each for _, each in rounds)
        print(f"{what:<32}{count / cpu[what]:8.0f}{count / wall:8.0f}{cpu['pynetdicom, our PDU'] / cpu[what]:8.2f}")


if __name__ == "__main__":
    main()
