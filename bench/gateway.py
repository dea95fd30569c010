"""`cohortium gateway run` as the process it is: its speed from receiving to the outbox, its memory, and its restart.

    python bench/gateway.py [--slices 300] [--small 4000] [--spool 10000]

DCMTK's storescu sends CT slices of 0.53 MB and then many small ones, with `TCP_NODELAY=1` on both ends, onto the disk
below `build/`. The destination is away, so all ends in the outbox, which is looked into from outside. CPU seconds are
those of the gateway in all its threads, from the first byte to the last item in the outbox. Then it is killed, and
started again over all that it has; and once more over a spool in which so many items wait to be made, as after a
weekend. The whole measure is `--slices 1000 --small 100000 --spool 100000`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
from receive import ENVIRONMENT, connected, cpu_seconds, free_port
from slices import make
from sqlalchemy import Engine, func, select

from cohortium import keys
from cohortium.acquire.intake import Intake
from cohortium.spool import Came, Spool
from cohortium.store import open_store
from cohortium.store.schema import item
from cohortium.values import State
from spool import fill

CONFIGURATION = """
[gateway]
egress = ["127.0.0.1:{away}"]
quiet_seconds = 5
require_approval = false
[[project]]
name = "study"
[[source.receiver]]
name = "pacs"
port = {port}
peers = ["SENDER@127.0.0.1"]
[[destination.dicom]]
name = "away"
ae_title = "AWAY"
host = "127.0.0.1"
port = {away}
[[pipeline]]
name = "ct"
sources = ["pacs"]
destinations = ["away"]
project = "study"
specification = "basic"
gate = false
"""
UID = "1.2.826.0.1.99.8.{}"
FIRST = 100_000_000  # UIDs are of one length
TOGETHER = 2000  # small ones over one association
SERIES = 200  # small ones in one
UNLISTED = 2000  # items that a gateway had no time to list


@dataclass
class Gateway:
    """The process on a site in that folder."""

    root: Path
    port: int
    process: subprocess.Popen[bytes] = field(init=False)

    def install(self) -> None:
        """Write the configuration, and the key."""
        (self.root / "cohortium.toml").write_text(CONFIGURATION.format(port=self.port, away=free_port()))
        keys.create(self.root / "keys" / "site.key")

    def start(self) -> tuple[float, float]:
        """Seconds until it listens, and until it went once through all that waits."""
        beat = self.root / "data" / "gateway.json"
        beat.unlink(missing_ok=True)
        cohortium = Path(sys.executable).with_name("cohortium")
        command = [cohortium, "gateway", "run", "--no-portal", "--config", self.root / "cohortium.toml"]
        started = time.perf_counter()
        self.process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        while not connected(self.port):
            assert self.process.poll() is None, "the gateway ended by itself"
            time.sleep(0.01)
        listens = time.perf_counter() - started
        while not beat.exists():
            time.sleep(0.01)
        return listens, time.perf_counter() - started

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def memory(self) -> float:
        """Megabytes that it has now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1000

    def cpu(self) -> float:
        return cpu_seconds(self.process.pid)

    def take(self, folder: Path) -> None:
        """Send it all that lies in the folder."""
        send = ["storescu", "-aet", "SENDER", "-aec", "COHORTIUM", "--max-send-pdu", "131072", "+sd", "127.0.0.1"]
        subprocess.run([*send, str(self.port), str(folder)], env=ENVIRONMENT, check=True)


def wait_for(engine: Engine, count: int) -> None:
    """Until so many are in the outbox."""
    while True:
        with engine.execution_options(reading=True).begin() as connection:
            states = dict(connection.execute(select(item.c.state, func.count()).group_by(item.c.state)).all())
        assert set(states) <= {State.RECEIVED, State.DEIDENTIFIED, State.OUTBOX}, states
        if states.get(State.OUTBOX) == count:
            return
        time.sleep(0.5)


def small(source: Path, folder: Path, first: int, count: int) -> None:
    """Write small slices of a matrix of 16 by 16, each with a name of its own."""
    dataset = pydicom.dcmread(source)
    dataset.Rows = dataset.Columns = 16
    dataset.PixelData = bytes(512)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID.format(FIRST * 8)
    dataset.SeriesInstanceUID = UID.format(FIRST * 9)
    dataset.save_as(folder.with_suffix(".dcm"), enforce_file_format=True)
    content = folder.with_suffix(".dcm").read_bytes()
    instance, series = UID.format(FIRST * 8).encode(), UID.format(FIRST * 9).encode()
    folder.mkdir()
    for number in range(first, first + count):
        named = content.replace(instance, UID.format(FIRST + number).encode())
        named = named.replace(series, UID.format(2 * FIRST + number // SERIES).encode())
        (folder / str(number)).write_bytes(named)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--small", type=int, default=4000)
    parser.add_argument("--spool", type=int, default=10_000)
    options = parser.parse_args()
    build = Path(__file__).parent.parent / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as name:
        gateway = Gateway(Path(name), free_port())
        gateway.install()
        make(gateway.root, options.slices)
        gateway.start()
        engine = open_store(gateway.root / "data")
        try:
            measure(gateway, engine, options.slices, options.small)
        finally:
            gateway.kill()
    with tempfile.TemporaryDirectory(dir=build) as name:
        gateway = Gateway(Path(name), free_port())
        gateway.install()
        restart(gateway, options.spool)


def restart(gateway: Gateway, count: int) -> None:
    """Start it over so many items that wait, the last of them in no row yet."""
    key = keys.load(gateway.root / "keys" / "site.key", gateway.root / "data")
    sync, os.fsync = os.fsync, lambda _: None
    with Spool(open_store(gateway.root / "data"), gateway.root / "data" / "spool", key) as spool:
        intake = Intake(spool, Came("pacs", "ct"), 1 << 30, 0)
        fill(intake, 1, count - UNLISTED, 500)
        fill(intake, count, UNLISTED, 1 << 62)
    os.fsync = sync
    listens, works = gateway.start()
    cpu = gateway.cpu()
    gateway.kill()
    print(f"started over {count} received, {UNLISTED} of them in no row: listens after {listens:.1f} s,", end=" ")
    print(f"works after {works:.1f} s, with {cpu:.1f} s of CPU")


def measure(gateway: Gateway, engine: Engine, slices: int, count: int) -> None:
    sent, before, started = slices, gateway.cpu(), time.perf_counter()
    gateway.take(gateway.root / "in")
    wait_for(engine, slices)
    cpu, wall = gateway.cpu() - before, time.perf_counter() - started
    print(
        f"{slices} CT slices, received to outbox: {slices / cpu:.0f} files a CPU second, {slices / wall:.0f} a second"
    )
    print(f"memory afterwards: {gateway.memory():.0f} MB")
    source = next((gateway.root / "in").iterdir())
    before, step = gateway.cpu(), max(TOGETHER, count // 10)
    for first in range(0, count, TOGETHER):
        folder = gateway.root / f"small-{first}"
        small(source, folder, first, min(TOGETHER, count - first))
        sent += len(list(folder.iterdir()))
        gateway.take(folder)
        subprocess.run(["rm", "-r", folder], check=True)
        if (sent - slices) % step == 0:
            print(f"{sent - slices:>7} small ones sent: {gateway.memory():.0f} MB", flush=True)
    wait_for(engine, sent)
    print(f"{count} small ones, received to outbox: {count / (gateway.cpu() - before):.0f} files a CPU second")
    print(f"all in the outbox: {gateway.memory():.0f} MB")
    gateway.kill()
    listens, works = gateway.start()
    print(f"killed, and started over {sent} in the outbox: listens after {listens:.1f} s, works after {works:.1f} s,")
    print(f"with {gateway.cpu():.1f} s of CPU, of which starting takes some; {gateway.memory():.0f} MB")


if __name__ == "__main__":
    main()
