"""The site's key, and every secret that follows from it.

One 256-bit key lies in a file outside the data root, readable by its owner alone. Everything else
(sealing keys, UID and pseudonym keys, the signing key) is derived from it by HKDF with a label of its own, so
that no two uses and no two projects can be joined. The key never leaves this module's objects.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import stat
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cohortium.errors import ConfigError, Refused, Unavailable
from cohortium.sealed import sync_folder

__all__ = ["Ed25519PublicKey", "SiteKey", "create", "ephemeral", "load", "read_private", "read_token", "write_once"]

BYTES = 32
SHORTEST = 32  # characters of a token
CREDENTIALS = Path("/run/credentials")  # systemd's: what it loads for a service, whose user alone can enter


class SiteKey:
    """Derives; never shows itself."""

    def __init__(self, key: bytes) -> None:
        if len(key) != BYTES:
            raise ConfigError(f"a site key has {BYTES} bytes, not {len(key)}; restore it from its backup")
        self._key = key

    def __repr__(self) -> str:
        return "SiteKey(...)"

    def derive(self, label: str, *context: str) -> bytes:
        """32 bytes for one use (`label`) in one context (such as a project); RFC 5869."""
        info = json.dumps(["cohortium", label, *context]).encode()  # no two lists of texts are written alike
        return HKDF(algorithm=hashes.SHA256(), length=BYTES, salt=None, info=info).derive(self._key)

    def signer(self) -> Ed25519PrivateKey:
        """The key with which this site signs receipts."""
        return Ed25519PrivateKey.from_private_bytes(self.derive("sign receipts"))

    def fingerprint(self) -> str:
        """16 hex characters by which people can tell two keys apart."""
        return hmac.digest(self._key, b"cohortium fingerprint", "sha256").hex()[:16]


def create(path: Path) -> SiteKey:
    """Make a new key file with mode 0600, durable and whole or not at all; refuse to touch one that exists."""
    key = secrets.token_bytes(BYTES)
    write_once(path, key.hex() + "\n", "site key")
    return SiteKey(key)


def ephemeral() -> SiteKey:
    """A key that is written nowhere: what follows from it cannot be made twice."""
    return SiteKey(secrets.token_bytes(BYTES))


def load(path: Path, data: Path) -> SiteKey:
    """Read the key at `path`; refuse one inside the data root `data` or readable by others."""
    if path.resolve().is_relative_to(data.resolve()):
        raise Refused(
            f"the site key {path} lies inside the data root {data}; move it outside, so backups never hold both"
        )
    if not path.exists():
        raise ConfigError(f"no site key at {path}; run `cohortium init` first, or restore the key")
    try:
        return SiteKey(bytes.fromhex(read_private(path, "the site key")))
    except ValueError:
        raise ConfigError(f"{path} is not a site key: 64 hexadecimal characters are expected") from None


def read_private(path: Path, what: str) -> str:
    """The text of a file that its owner alone can read; refuse one that others can."""
    try:
        mode = path.stat().st_mode
        text = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{what} {path} cannot be read: {type(error).__name__}") from None
    by_systemd = path.absolute().is_relative_to(CREDENTIALS)  # where an access list shows as a right of the group
    if stat.S_IMODE(mode) & (0o037 if by_systemd else 0o077):
        raise Refused(f"others can read {what} {path}; run `chmod 600 {path}`")
    return text


def read_token(path: Path, what: str) -> str:
    """The same, of what a program shows; refuse one that could be guessed."""
    token = read_private(path, what)
    if len(token) < SHORTEST:
        raise ConfigError(f"{what} has less than {SHORTEST} characters; make one with `openssl rand -hex 32`")
    return token


def write_once(path: Path, content: str | bytes, what: str) -> None:
    """Write a file with mode 0600, durable and whole or not at all, that replaces none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_once(path, content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise Unavailable(f"no {what} could be made at {path}: {error.strerror}") from None


def _write_once(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)  # unlike a rename, this never replaces what is there
    except FileExistsError:
        raise Refused(f"{path} exists; a key or secret is made once and never overwritten") from None
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)
