"""The site's key, and the table of correspondence, on their way into two safes: each encrypted to who keeps it.

An envelope is a file of the age format (age-encryption.org/v1) to X25519 recipients, so that any program of that format
opens it on the day when nothing else is left. What always holds: no envelope has both, the table in its envelope is
still sealed under the site's key, and neither is ever written over one that is there.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyrage
from pyrage.x25519 import Identity, Recipient

from cohortium import keys
from cohortium.config import Site
from cohortium.errors import ConfigError, Corrupt, Refused, Unavailable
from cohortium.keys import SiteKey

__all__ = [
    "KeyLetter",
    "encrypted",
    "export_key",
    "export_table",
    "import_key",
    "import_table",
    "make_identity",
    "read_recipients",
]

KEY, TABLE = "site key", "table of correspondence"


@dataclass(frozen=True, slots=True)
class KeyLetter:
    """What stands in the envelope of a key: the key itself, and the secrets of projects by name."""

    what: str
    key: str
    fingerprint: str
    secrets: dict[str, str]


def make_identity(path: Path) -> str:
    """Make a key pair, its private part in a new file at `path`; returns the recipient, which anybody may know."""
    identity = Identity.generate()
    recipient = str(identity.to_public())
    keys.write_once(path, f"# public key: {recipient}\n{identity}\n", "identity")
    return recipient


def read_recipients(path: Path) -> list[Recipient]:
    """The recipients in a file, one a line; lines that begin with # are for people."""
    try:
        lines = path.read_text("utf-8").splitlines()
        found = [Recipient.from_str(line) for line in _told(lines)]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {type(error).__name__}") from None
    except pyrage.RecipientError:
        raise ConfigError(f"{path}: a line is no recipient; each begins with age1, one a line") from None
    if not found:
        raise ConfigError(f"{path}: there is no recipient in it")
    return found


def encrypted(content: bytes, recipients: Sequence[Recipient]) -> bytes:
    """The content as a file of the age format, which any of the recipients opens."""
    sealed: bytes = pyrage.encrypt(content, recipients)
    return sealed


def export_key(site: Site, recipients: Sequence[Recipient], output: Path) -> str:
    """Write the site's key and the projects' secrets into an envelope; returns the key's fingerprint."""
    key = keys.load(site.key, site.data)
    secrets = {path.name: keys.read_private(path, "the secret") for path in sorted(site.key.parent.glob("*.secret"))}
    letter = KeyLetter(KEY, keys.read_private(site.key, "the site key"), key.fingerprint(), secrets)
    _write(output, json.dumps(asdict(letter)).encode(), recipients)
    return letter.fingerprint


def import_key(envelope: Path, identity: Path, to: Path) -> str:
    """Put the key at `to`, and the secrets beside it; returns the key's fingerprint. Secrets that are there stay."""
    letter = _letter(_open(envelope, identity))
    if to.exists():
        raise Refused(f"{to} exists; a key is never overwritten, move it away first")
    for name, text in letter.secrets.items():
        path = to.parent / name
        if path.exists() and keys.read_private(path, "the secret") != text:
            raise Refused(f"{path} exists and is another; move it away first, nothing was taken over")
    for name, text in letter.secrets.items():
        if not (to.parent / name).exists():
            keys.write_once(to.parent / name, text + "\n", "secret")
    keys.write_once(to, letter.key + "\n", "site key")  # last: with the key in place, all of it is
    return letter.fingerprint


def export_table(source: Path, key: SiteKey, recipients: Sequence[Recipient], output: Path) -> None:
    """Write the table of correspondence at `source`, as it is between two changes, into an envelope."""
    if not source.exists():
        raise Refused("this site has no table of correspondence; its pseudonyms follow from its key alone")
    try:
        with closing(sqlite3.connect(source, timeout=60)) as table, closing(sqlite3.connect(":memory:")) as copy:
            table.backup(copy)
            content = copy.serialize()
    except sqlite3.Error as error:
        raise Unavailable(f"the table of correspondence cannot be copied ({error.sqlite_errorname})") from None
    head = json.dumps({"what": TABLE, "key": key.fingerprint()}).encode()
    _write(output, head + b"\n" + content, recipients)


def import_table(to: Path, key: SiteKey, envelope: Path, identity: Path) -> None:
    """Put the table at `to`, where none is; `Refused` where it was sealed under another key."""
    head, _, content = _open(envelope, identity).partition(b"\n")
    told = _json(head)
    if told.get("what") != TABLE:
        raise Refused(f"{envelope} holds no {TABLE}")
    if told.get("key") != key.fingerprint():
        raise Refused(f"the table is sealed under the key {told.get('key')}, and this site's is {key.fingerprint()}")
    _demand_whole(content)
    keys.write_once(to, content, TABLE)


def _demand_whole(content: bytes) -> None:
    try:
        with closing(sqlite3.connect(":memory:")) as table:
            table.deserialize(content)
            (said,) = table.execute("PRAGMA integrity_check").fetchone()
    except sqlite3.Error:
        said = "damaged"
    if said != "ok":
        raise Corrupt("the table in the envelope is damaged; take another copy")


def _write(output: Path, content: bytes, recipients: Sequence[Recipient]) -> None:
    keys.write_once(output, pyrage.encrypt(content, recipients, armored=True), "envelope")


def _open(envelope: Path, identity: Path) -> bytes:
    try:
        mine = [Identity.from_str(line) for line in _told(keys.read_private(identity, "the identity").splitlines())]
    except pyrage.IdentityError:
        raise ConfigError(f"{identity}: a line is no identity; each begins with AGE-SECRET-KEY-1") from None
    try:
        content: bytes = pyrage.decrypt(envelope.read_bytes(), mine)
    except OSError as error:
        raise ConfigError(f"{envelope} cannot be read: {type(error).__name__}") from None
    except pyrage.DecryptError:
        raise Refused(
            f"{envelope} does not open: it was encrypted to somebody else, or was changed; try another identity, "
            "then another copy"
        ) from None
    return content


def _letter(content: bytes) -> KeyLetter:
    told = _json(content)
    if told.get("what") != KEY:
        raise Refused("the envelope holds no site key")
    try:
        letter = KeyLetter(**told)
        key = SiteKey(bytes.fromhex(letter.key))
    except (TypeError, ValueError):
        raise Corrupt("the envelope holds no whole site key; take another copy") from None
    if key.fingerprint() != letter.fingerprint:
        raise Corrupt("the key in the envelope has another fingerprint than stands there; take another copy")
    if any(Path(name).name != name or not name.endswith(".secret") for name in letter.secrets):
        raise Corrupt("the envelope names a file that is no project's secret; nothing was taken over")
    return letter


def _json(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def _told(lines: Sequence[str]) -> list[str]:
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
