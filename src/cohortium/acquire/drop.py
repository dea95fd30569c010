"""A drop by SFTP: files can be put there by who holds a listed key, and nothing can be read, listed or replaced.

There is no folder behind it. What a sender writes is sealed as it comes, and it comes in when the sender closes it, or
gives it its final name; an answer that all is well means that it is durable. What is cut off leaves nothing.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from pathlib import Path

import asyncssh
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cohortium import keys
from cohortium.acquire.intake import Intake
from cohortium.acquire.session import Session
from cohortium.config import Config
from cohortium.config import Drop as Settings
from cohortium.errors import CohortiumError, ConfigError, Refused, Unavailable

__all__ = ["Drop"]

log = logging.getLogger(__name__)
logging.getLogger("asyncssh").setLevel(logging.CRITICAL + 1)  # its messages quote names of files

PATIENCE = 10  # seconds for senders to take leave


class Drop:
    """One listening server; a context manager while which it takes in. It runs in a thread with a loop of its own."""

    def __init__(self, settings: Settings, config: Config, intake: Intake) -> None:
        self._settings = settings
        self._intake = intake
        self._senders = config.file.parent / settings.keys_file
        self._host_key = _host_key(config, settings.name)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"source {settings.name}")
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self.port = settings.port

    def __enter__(self) -> Drop:
        demand_senders(self._senders)
        self._thread.start()
        try:
            self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        except OSError as error:
            self._end()
            raise Unavailable(f"source {self._settings.name} cannot listen at its port: {error.strerror}") from None
        self.port = self._server.get_port()
        log.info("source %s: its key is %s", self._settings.name, self._host_key.get_fingerprint())
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._end()

    async def _listen(self) -> asyncssh.SSHAcceptor:
        return await asyncssh.create_server(
            lambda: _Door(self._senders, self._connections),
            self._settings.host,
            self._settings.port,
            server_host_keys=[self._host_key],
            sftp_factory=lambda channel: Session(channel, self._intake),
            allow_scp=False,
            allow_pty=False,
            agent_forwarding=False,
            x11_forwarding=False,
            password_auth=False,
            kbdint_auth=False,
            host_based_auth=False,
            gss_host=None,
            encoding=None,
            keepalive_interval=60,
            login_timeout=30,
        )

    async def _close(self) -> None:
        self._server.close()
        for each in list(self._connections):
            each.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(each.wait_closed() for each in self._connections)), PATIENCE)
        await self._loop.shutdown_default_executor()  # what is being taken in

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def demand_senders(path: Path) -> asyncssh.SSHAuthorizedKeys:
    """The keys of those who may send; refused where others than the owner could add theirs."""
    try:
        if path.stat().st_mode & 0o022:
            raise Refused(f"others can write to the keys of senders {path}; run `chmod go-w {path}`")
        return asyncssh.read_authorized_keys(str(path))
    except (OSError, ValueError) as error:
        raise ConfigError(f"the keys of senders {path} cannot be read: {type(error).__name__}") from None


def _host_key(config: Config, name: str) -> asyncssh.SSHKey:
    """The key by which senders know this drop; it follows from the site's, and lies in no file."""
    derived = keys.load(config.site.key, config.site.data).derive("sftp host key", name)
    formats = Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
    return asyncssh.import_private_key(Ed25519PrivateKey.from_private_bytes(derived).private_bytes(*formats))


class _Door(asyncssh.SSHServer):
    """Who may come in: the keys are read for each login, so that one that was taken off the list opens nothing."""

    def __init__(self, senders: Path, connections: set[asyncssh.SSHServerConnection]) -> None:
        self._senders = senders
        self._connections = connections

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002
        """By a key, whoever it is."""
        try:
            self._connection.set_authorized_keys(demand_senders(self._senders))
        except CohortiumError as error:
            log.error("%s", error)
        return True
