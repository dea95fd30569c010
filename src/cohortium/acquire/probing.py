"""Whether a way in would take something now, as somebody from outside would find it; nothing is sent or taken in."""

from __future__ import annotations

import os
import socket
from ipaddress import ip_address
from pathlib import Path

from cohortium import keys
from cohortium.config import Drop, Receiver, Upload, Watched
from cohortium.errors import Unavailable

__all__ = ["drop", "receiver", "upload", "watched"]

PATIENCE = 8  # seconds
SILENT = "it does not answer at its address and port; is the gateway at work, and does another program use the port?"


def receiver(way: Receiver) -> None:
    """Return where it listens; who is no peer, as this site itself, it turns away before a word of DICOM."""
    _greeting(_reached(way.host), way.port, 0)


def drop(way: Drop) -> None:
    """Return where it listens and speaks SSH."""
    if not _greeting(_reached(way.host), way.port, 4).startswith(b"SSH-"):
        raise Unavailable("what listens at its port does not speak SSH; another program uses it")


def watched(way: Watched) -> None:
    """Return where the folder is there and can be read."""
    try:
        with os.scandir(way.path) as entries:
            next(entries, None)
    except OSError as error:
        raise Unavailable(f"its folder cannot be read: {error.strerror}") from None


def upload(way: Upload, below: Path) -> None:
    """Return where there is a token that senders can show; `ConfigError` where there is none."""
    keys.read_private(below / way.token_file, "the token")


def _reached(host: str) -> str:
    """Where who listens on that address is found from here."""
    try:
        found = ip_address(host)
    except ValueError:
        return host
    return ("127.0.0.1" if found.version == 4 else "::1") if found.is_unspecified else host


def _greeting(host: str, port: int, length: int) -> bytes:
    """The first bytes that whoever listens there says by itself."""
    try:
        with socket.create_connection((host, port), PATIENCE) as connection:
            return connection.recv(length) if length else b""
    except OSError:
        raise Unavailable(SILENT) from None
