"""Content-addressed bytes: an object's name is its SHA-256, checked whenever it is read.

`put` returns only after the object would survive a power cut. obstore writes under a temporary name and renames, but
flushes nothing to disk, so a name may outlive its bytes; therefore an object found in place is trusted only once it
has been read back, and is flushed too: whoever wrote it may have been killed before.
"""

from __future__ import annotations

import os
import re
from hashlib import sha256
from pathlib import Path

import obstore
from obstore.exceptions import GenericError
from obstore.store import LocalStore

from cohortium.errors import Corrupt, Malformed, Unavailable
from cohortium.sealed import sync_folder
from cohortium.store.room import FULL

__all__ = ["Objects"]

DIGEST = re.compile(r"[0-9a-f]{64}")


class Objects:
    """The objects below one local folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._store = LocalStore(folder)

    def put(self, content: bytes | memoryview) -> str:
        """Store the bytes, once; returns their digest."""
        digest = sha256(content).hexdigest()
        if not self._holds(digest):
            self._write(_name(digest), content)
        self._make_durable(digest)
        self._path(digest).with_name(f"{digest}#1").unlink(missing_ok=True)  # of an obstore that was killed here
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes named `digest`; `Corrupt` where they are gone or no longer have that digest."""
        try:
            content = obstore.get(self._store, _name(digest)).bytes().to_bytes()
        except FileNotFoundError:
            raise Corrupt(f"object {digest[:12]} is missing; restore it from a backup") from None
        if sha256(content).hexdigest() != digest:
            raise Corrupt(f"object {digest[:12]} is damaged; restore it from a backup")
        return content

    def _holds(self, digest: str) -> bool:
        try:
            self.get(digest)
        except Corrupt:
            return False
        return True

    def _write(self, name: str, content: bytes | memoryview) -> None:
        try:
            obstore.put(self._store, name, bytes(content), use_multipart=False)
        except GenericError as error:
            if "StorageFull" in str(error):
                raise Unavailable(FULL) from None
            raise

    def _make_durable(self, digest: str) -> None:
        path = self._path(digest)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(path.parent)
        sync_folder(self._folder)

    def _path(self, digest: str) -> Path:
        return self._folder / _name(digest)


def _name(digest: str) -> str:
    if not DIGEST.fullmatch(digest):
        raise Malformed("an object is named by 64 lower-case hexadecimal characters")
    return f"{digest[:2]}/{digest}"
