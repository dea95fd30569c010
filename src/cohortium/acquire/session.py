# ruff: noqa: ARG002  the protocol says what each method is handed
"""What one sender by SFTP sees: the folders it made and the files it wrote, by name and size, and nothing else."""

from __future__ import annotations

import asyncio
import logging
import posixpath
import stat
from collections.abc import AsyncIterator, Awaitable

import asyncssh

from cohortium.acquire.intake import Intake
from cohortium.acquire.writing import Writing
from cohortium.errors import CohortiumError, Malformed, Refused, Unavailable

__all__ = ["Session"]

log = logging.getLogger(__name__)

UNFINISHED = (b".filepart", b".part", b".partial", b".tmp")  # to be renamed once it is whole, as WinSCP does
MOST = 100_000  # names that one session is told apart by
FOLDER = asyncssh.SFTPAttrs(permissions=stat.S_IFDIR | 0o700, size=0)
WRITE_ONLY = "files can only be put here"


class Session(asyncssh.SFTPServer):
    """Whatever is not written out here would ask `map_path` for a path of this machine, and is refused."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], intake: Intake) -> None:
        super().__init__(channel)
        self._channel = channel
        self._intake = intake
        self._folders = {b"/"}
        self._written: dict[bytes, int] = {}
        self._unfinished: dict[bytes, Writing] = {}

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Writing:
        """A new file; none that is there, none to be read."""
        name = _absolute(path)
        if pflags & (asyncssh.FXF_READ | asyncssh.FXF_APPEND) or not pflags & asyncssh.FXF_WRITE:
            raise asyncssh.SFTPPermissionDenied(WRITE_ONLY)
        return self._new(name)

    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        """The next bytes; nothing that was written is written again."""
        assert isinstance(file_obj, Writing)
        await _told(asyncio.to_thread(file_obj.write, offset, data))
        return len(data)

    async def close(self, file_obj: object) -> None:
        """The file is whole, unless its name says that it will be renamed or its sender is gone."""
        assert isinstance(file_obj, Writing)
        if self._channel.is_closing() or self._channel._recv_state != "open":  # asyncssh closes what was left open
            file_obj.close()
        elif file_obj.name.endswith(UNFINISHED):
            self._unfinished[file_obj.name] = file_obj
        else:
            await self._take(file_obj, file_obj.name)

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """The final name of a file that this session wrote."""
        old, new = _absolute(oldpath), _absolute(newpath)
        if self._is_there(new):
            raise asyncssh.SFTPFailure("a file has that name")
        if writing := self._unfinished.pop(old, None):
            await self._take(writing, new)
        elif old in self._written:
            self._written[new] = self._written.pop(old)  # it came in when it was closed
        else:
            raise asyncssh.SFTPNoSuchFile("no such file")

    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        await self.rename(oldpath, newpath)

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Folders are names alone."""
        if len(self._folders) >= MOST:
            raise asyncssh.SFTPFailure("too many folders in one session")
        self._folders.add(_absolute(path))

    def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        """Of what this session made."""
        name = _absolute(path)
        if name in self._folders:
            return FOLDER
        if name in self._unfinished:
            return _file(self._unfinished[name].size)
        if name in self._written:
            return _file(self._written[name])
        raise asyncssh.SFTPNoSuchFile("no such file")

    lstat = stat

    def fstat(self, file_obj: object) -> asyncssh.SFTPAttrs:
        assert isinstance(file_obj, Writing)
        return _file(file_obj.size)

    def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Times and rights are of no interest."""
        self.stat(path)

    lsetstat = setstat

    def fsetstat(self, file_obj: object, attrs: asyncssh.SFTPAttrs) -> None:
        """See `setstat`."""

    def realpath(self, path: bytes) -> bytes:
        return _absolute(path)

    def fsync(self, file_obj: object) -> None:
        """Its end makes a file durable."""

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        """Always empty: some clients demand a list before they send."""
        nothing: tuple[asyncssh.SFTPName, ...] = ()
        for name in nothing:
            yield name

    def exit(self) -> None:
        """What was not given its final name is gone."""
        for writing in self._unfinished.values():
            writing.close()

    def map_path(self, path: bytes) -> bytes:
        """There is none."""
        raise asyncssh.SFTPPermissionDenied(WRITE_ONLY)

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        """Nothing, not even what was just written."""
        raise asyncssh.SFTPPermissionDenied(WRITE_ONLY)

    def fstatvfs(self, file_obj: object) -> asyncssh.SFTPVFSAttrs:
        """Nothing about the disk."""
        raise asyncssh.SFTPOpUnsupported(WRITE_ONLY)

    def _new(self, name: bytes) -> Writing:
        if self._is_there(name) or len(self._written) >= MOST:
            raise asyncssh.SFTPFailure("a file has that name, or there are too many in one session")
        return Writing(name, self._intake)

    def _is_there(self, name: bytes) -> bool:
        return name in self._written or name in self._unfinished or name in self._folders

    async def _take(self, writing: Writing, name: bytes) -> None:
        try:
            await _told(asyncio.to_thread(writing.take, name))
        finally:
            writing.close()
        self._written[name] = writing.size


async def _told(work: Awaitable[object]) -> None:
    """Let the sender hear in the protocol's words what did not work."""
    try:
        await work
    except Unavailable as error:
        log.error("%s", error)
        raise asyncssh.SFTPNoSpaceOnFilesystem(str(error)) from None
    except (Refused, Malformed) as error:
        raise asyncssh.SFTPFailure(str(error)) from None
    except (CohortiumError, OSError) as error:
        log.error("a file could not be taken in (%s)", type(error).__name__)
        raise asyncssh.SFTPFailure("it could not be taken in") from None


def _absolute(path: bytes) -> bytes:
    """A name below the drop, which has nothing above it."""
    return posixpath.normpath(posixpath.join(b"/", path)).replace(b"//", b"/")


def _file(size: int) -> asyncssh.SFTPAttrs:
    return asyncssh.SFTPAttrs(permissions=stat.S_IFREG | 0o200, size=size)
