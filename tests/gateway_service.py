"""A gateway as a process of its own, a sender that does not give up, and what both have to show at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread
from pynetdicom import AE

import nursery
from waiting import PATIENCE, listens, until

STORED = 0x0000


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
        until(lambda: self.process.poll() is not None or listens(self.port))
        assert self.process.poll() is None, "the gateway ended by itself"

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


def send(
    port: int, files: Sequence[Path], *, may: Callable[[int], None] = lambda _: None, title: str = "COHORTIUM"
) -> None:
    """Send each file until it is answered with success, over as many associations as that takes.

    `may` is called before each is offered, with how many were taken already, and may keep it waiting.
    """
    waiting = [dcmread(path) for path in files]
    end = time.monotonic() + PATIENCE
    while waiting:
        assert time.monotonic() < end, f"{len(waiting)} were not taken"
        ae = AE(ae_title="SENDER")
        for kind in {(each.SOPClassUID, each.file_meta.TransferSyntaxUID) for each in waiting}:
            ae.add_requested_context(*kind)
        association = ae.associate("127.0.0.1", port, ae_title=title)
        while association.is_established and waiting:
            may(len(files) - len(waiting))
            try:
                status = association.send_c_store(waiting[0])
            except RuntimeError:  # the association broke meanwhile
                break
            if status and status.Status == STORED:
                waiting.pop(0)
                end = time.monotonic() + PATIENCE
        if association.is_established:
            association.release()
        else:
            time.sleep(0.1)
