"""A folder on a server of SFTP: PatientID/StudyInstanceUID/SeriesInstanceUID/*.dcm, each file whole or absent.

A server whose key is not in `known_hosts` is told nothing. A file bears its name after it was read back.
"""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cohortium import keys
from cohortium.config import SftpServer
from cohortium.deposit.laid import earlier_name, place
from cohortium.deposit.parcels import Answer, Confirmed, How, Parcel, TableParcel
from cohortium.errors import ConfigError, Refused, Unavailable

if TYPE_CHECKING:
    import asyncssh

__all__ = ["Sftp"]

TIMEOUT = 30  # seconds until a connection stands
SILENCE = 20  # seconds after which a silent server is asked whether it is there
PIECE = 1 << 22  # bytes read at once

Placed = Sequence[tuple[str, Parcel | TableParcel]]
"""What is to lie where, below the folder there."""
Value = TypeVar("Value")


class Sftp:
    """One server; `below` is the folder from which files of the settings are named."""

    def __init__(self, settings: SftpServer, below: Path) -> None:
        try:
            import asyncssh
        except ImportError:
            raise ConfigError("a destination by SFTP needs the extra: pip install 'cohortium[sftp]'") from None
        self._ssh = asyncssh
        self._folder = settings.folder or "."
        text = keys.read_private(below / settings.key_file, "the private key")
        if not (below / settings.known_hosts).is_file():
            raise ConfigError(f"destination {settings.name}: there is no file {settings.known_hosts}")
        try:
            key = asyncssh.import_private_key(text)
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
            raise ConfigError(f"destination {settings.name}: {settings.key_file} is no private key as it is") from None
        self._options = {
            "host": settings.host,
            "port": settings.port,
            "username": settings.user,
            "client_keys": [key],
            "known_hosts": str(below / settings.known_hosts),
            "config": None,  # nobody's ~/.ssh
            "agent_path": None,
            "password": None,
            "preferred_auth": "publickey",
            "connect_timeout": TIMEOUT,
            "login_timeout": TIMEOUT,
            "keepalive_interval": SILENCE,
        }
        self._loop = asyncio.new_event_loop()

    def send(self, project: str, parcels: Sequence[Parcel]) -> Sequence[Answer]:  # noqa: ARG002
        """See `Sender`."""
        return self._done(self._send([(place(each.instance), each) for each in parcels]))

    def send_table(self, project: str, parcel: TableParcel) -> Answer:  # noqa: ARG002
        """See `Sender`. It lies beside the folders of the patients, for it is about many."""
        (answer,) = self._done(self._send([(parcel.name, parcel)]))
        return answer

    def probe(self) -> None:
        """See `Sender`: the server is known, lets this site in, and speaks SFTP."""
        self._done(self._look())

    def _done(self, what: Coroutine[Any, Any, Value]) -> Value:
        try:
            return self._loop.run_until_complete(what)
        except self._ssh.HostKeyNotVerifiable:
            raise Unavailable("the server shows another key than known_hosts has; nothing was sent") from None
        except self._ssh.PermissionDenied:
            raise Unavailable("the server does not take this site's key") from None
        except (self._ssh.Error, OSError, TimeoutError) as error:
            raise Unavailable(f"the server cannot take it now ({type(error).__name__})") from None

    def close(self) -> None:
        """See `Sender`."""
        self._loop.close()

    async def _look(self) -> None:
        async with self._ssh.connect(**self._options) as connection, connection.start_sftp_client() as sftp:
            await sftp.stat(".")

    async def _send(self, parcels: Placed) -> list[Answer]:
        async with self._ssh.connect(**self._options) as connection, connection.start_sftp_client() as sftp:
            return [await self._lay(sftp, *each) for each in parcels]

    async def _lay(self, sftp: asyncssh.SFTPClient, at: str, parcel: Parcel | TableParcel) -> Answer:
        path, wanted = posixpath.join(self._folder, at), parcel.digest
        if not await sftp.exists(path):
            await self._write(sftp, path, parcel)
        elif (there := await _digest(sftp, path)) != wanted:
            if there not in parcel.earlier:
                return Refused("other bytes lie there under its name")
            await self._rename(sftp, path, earlier_name(path, there))
            await self._write(sftp, path, parcel)
        return Confirmed(wanted, How.READ_BACK)

    async def _write(self, sftp: asyncssh.SFTPClient, path: str, parcel: Parcel | TableParcel) -> None:
        folder, name = posixpath.split(path)
        part = posixpath.join(folder, f".{name}.part")
        await sftp.makedirs(folder, exist_ok=True)
        async with sftp.open(part, "wb") as file:
            await file.write(parcel.content())
            with suppress(self._ssh.SFTPOpUnsupported):
                await file.fsync()
        if await _digest(sftp, part) != parcel.digest:
            raise Unavailable("what was written to the server reads back otherwise; look at its disk")
        await self._rename(sftp, part, path)

    async def _rename(self, sftp: asyncssh.SFTPClient, path: str, to: str) -> None:
        """Where `to` is there, it holds the same bytes: a version that came back went this way before."""
        try:
            await sftp.posix_rename(path, to)
        except self._ssh.SFTPOpUnsupported:
            with suppress(self._ssh.SFTPNoSuchFile):
                await sftp.remove(to)
            await sftp.rename(path, to)


async def _digest(sftp: asyncssh.SFTPClient, path: str) -> str:
    found = sha256()
    async with sftp.open(path, "rb") as file:
        while piece := await file.read(PIECE):
            found.update(cast("bytes", piece))
    return found.hexdigest()
