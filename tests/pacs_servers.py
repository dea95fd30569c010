"""What hospitals have as PACS: Debian's Orthanc, and DCMTK's dcmqrscp, each on free ports of the loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from waiting import free_port, listens, until

__all__ = ["Server", "dcmqrscp", "orthanc"]


@dataclass(frozen=True)
class Server:
    """A PACS that listens."""

    title: str
    port: int
    process: subprocess.Popen[bytes]

    def store(self, folder: Path, secured: Sequence[object] = ()) -> None:
        """Send it every file of the folder, as a scanner does; `secured` are the options of TLS."""
        command = [
            "storescu",
            *map(str, secured),
            "+sd",
            "+r",
            "-aet",
            "SCANNER",
            "-aec",
            self.title,
            "127.0.0.1",
            str(self.port),
        ]
        subprocess.run([*command, str(folder)], check=True, capture_output=True, timeout=300)


@contextmanager
def orthanc(folder: Path, receiver: int, calling: str = "COHORTIUM", **more: object) -> Iterator[Server]:
    """An Orthanc that sends to the AE COHORTIUM at the port `receiver`."""
    if shutil.which("Orthanc") is None:
        pytest.skip("no Orthanc: apt-get install orthanc")
    port, http = free_port(), free_port()
    settings = {
        "StorageDirectory": str(folder / "orthanc"),
        "IndexDirectory": str(folder / "orthanc"),
        "HttpPort": http,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomServerEnabled": True,
        "DicomAet": "ORTHANC",
        "DicomPort": port,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowMove": True,
        "DicomAlwaysAllowGet": True,
        "DicomModalities": {"cohortium": [calling, "127.0.0.1", receiver]},
        "TcpNoDelay": True,
        "DefaultEncoding": "Utf8",
        "MaximumStorageCacheSize": 0,  # what its disk has lost, it has lost
    }
    file = folder / "orthanc.json"
    file.write_text(json.dumps(settings | more), "utf-8")
    with _running(["Orthanc", str(file)], port) as process:
        yield Server("ORTHANC", port, process)


@contextmanager
def dcmqrscp(folder: Path, receiver: int, options: Sequence[str] = ()) -> Iterator[Server]:
    """A dcmqrscp that sends to the AE COHORTIUM at the port `receiver`."""
    if shutil.which("dcmqrscp") is None:
        pytest.skip("no dcmqrscp: apt-get install dcmtk")
    port = free_port()
    (folder / "dcmqrscp").mkdir()
    file = folder / "dcmqrscp.cfg"
    file.write_text(
        f"""
NetworkTCPPort = {port}
MaxPDUSize = 131072
MaxAssociations = 16
HostTable BEGIN
gateway = (COHORTIUM, 127.0.0.1, {receiver})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
DCMQRSCP {folder / "dcmqrscp"} RW (500, 1024mb) ANY
AETable END
"""
    )
    with _running(["dcmqrscp", "-c", str(file), *options], port) as process:
        yield Server("DCMQRSCP", port, process)


@contextmanager
def _running(command: Sequence[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command,
        env={**os.environ, "TCP_NODELAY": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until(lambda: process.poll() is not None or listens(port))
        yield process
    finally:
        process.terminate()
        process.wait(300)
