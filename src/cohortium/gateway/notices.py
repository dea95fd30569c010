"""Tells systemd how the gateway is (sd_notify(3)): at work, alive, at its end. Nobody waits for it."""

from __future__ import annotations

import socket
from contextlib import suppress

__all__ = ["ALIVE", "NOBODY", "READY", "STOPPING", "Notices"]

READY, ALIVE, STOPPING = "READY=1", "WATCHDOG=1", "STOPPING=1"


class Notices:
    """To the datagram socket at that address, a path or `@` and an abstract name; empty: to nobody."""

    def __init__(self, address: str = "") -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def __call__(self, state: str) -> None:
        """Say it."""
        if not self._address:
            return
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to,
        ):  # who does not listen hears nothing
            to.setblocking(False)
            to.sendto(state.encode(), self._address)


NOBODY = Notices()
