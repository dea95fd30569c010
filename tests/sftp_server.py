"""A real server of SFTP, on loopback, over a folder: what the tests of that way out share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cohortium.config import SftpServer
from cohortium.deposit import Sftp

asyncssh = pytest.importorskip("asyncssh")

__all__ = ["Server", "asyncssh", "serving"]


@dataclass
class Server:
    """What it serves lies in `root`; the site's files in `below`."""

    root: Path
    below: Path
    port: int

    def sender(self, **changes: object) -> Sftp:
        named: dict[str, object] = {"user": "site", "key_file": "id", "known_hosts": "known_hosts", "folder": "study"}
        return Sftp(SftpServer("there", "127.0.0.1", self.port, **(named | changes)), self.below)


class Full(asyncssh.SFTPServer):
    """A server whose disk is full as long as a file says so."""

    root = ""

    def __init__(self, channel: object) -> None:
        super().__init__(channel, chroot=self.root)

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        if Path(self.root, "full").exists():
            raise asyncssh.SFTPNoSpaceOnFilesystem("full")
        return super().write(file_obj, offset, data)


@contextmanager
def serving(root: Path, below: Path) -> Iterator[Server]:
    """A server of what lies in `root`; in `below` are put the key to log in with, and the server's own."""
    root.mkdir()
    host, own = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    own.write_private_key(below / "id")
    (below / "id").chmod(0o600)
    own.write_public_key(below / "id.pub")
    loop = asyncio.new_event_loop()
    factory = type("Serving", (Full,), {"root": str(root)})

    async def listen() -> int:
        listener = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[host],
            authorized_client_keys=str(below / "id.pub"),
            sftp_factory=factory,
        )
        return listener.get_port()

    port = loop.run_until_complete(listen())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    public = host.export_public_key().decode().strip()
    (below / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}\n")
    try:
        yield Server(root, below, port)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
