"""A gateway as a process of its own, a sender that does not give up, and what both have to show at the end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread
from pynetdicom import AE

import nursery

PATIENCE = 60.0  # seconds
STORED = 0x0000


def free_port() -> int:
    """A port of loopback that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass
class Service:
    """`cohortium gateway run` on a configuration, listening for C-STORE at `port`."""

    file: Path
    port: int
    approval: bool = False  # whether protocols must be approved
    process: nursery.Process | None = field(default=None)

    def start(self) -> None:
        """Start it, and wait until it listens."""
        environment = {**os.environ, "COHORTIUM_GATEWAY__REQUIRE_APPROVAL": str(self.approval).lower()}
        command = ("gateway", "run", "--no-portal", "--config", self.file)
        self.process = nursery.start(*command, stdout=subprocess.DEVNULL, env=environment)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            assert self.process.poll() is None, "the gateway ended by itself"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("the gateway does not listen")

    def kill(self) -> None:
        """As a power cut would."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """As systemd does; it ends by itself and well."""
        assert self.process
        os.kill(self.process.pid, signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0


def send(port: int, files: Sequence[Path], *, pause: float = 0.0, title: str = "COHORTIUM") -> None:
    """Send each file until it is answered with success, over as many associations as that takes."""
    waiting = [dcmread(path) for path in files]
    until = time.monotonic() + PATIENCE
    while waiting:
        assert time.monotonic() < until, f"{len(waiting)} were not taken"
        ae = AE(ae_title="SENDER")
        for kind in {(each.SOPClassUID, each.file_meta.TransferSyntaxUID) for each in waiting}:
            ae.add_requested_context(*kind)
        association = ae.associate("127.0.0.1", port, ae_title=title)
        while association.is_established and waiting:
            try:
                status = association.send_c_store(waiting[0])
            except RuntimeError:  # the association broke meanwhile
                break
            if status and status.Status == STORED:
                waiting.pop(0)
                until = time.monotonic() + PATIENCE
            time.sleep(pause)
        if association.is_established:
            association.release()
        else:
            time.sleep(0.1)
