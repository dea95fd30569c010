"""Which input became which output: what a run notes down, sealed under the site's key, so that a proof can pair them.

Inputs are named by a keyed digest of their bytes: the record tells no file name and no patient, and nothing at all to
who lacks the key.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from cohortium import sealed
from cohortium.errors import ConfigError, Corrupt, Unavailable
from cohortium.keys import SiteKey

__all__ = ["Entry", "Record", "mark", "marking_key", "read", "write"]

FORMAT = "cohortium record 1"


@dataclass(frozen=True, slots=True)
class Entry:
    """One input: its mark (`mark` of its bytes), what became of it, and the output's path below DST and SHA-256."""

    source: str
    state: str
    output: str = ""
    digest: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A run: under which rules, and every input that could be read."""

    project: str
    protocol: str
    protocol_digest: str
    software: str
    entries: tuple[Entry, ...]


def marking_key(key: SiteKey) -> bytes:
    """The key under which inputs are marked."""
    return key.derive("record inputs")


def mark(content: bytes | memoryview, key: bytes) -> str:
    """The keyed digest that stands for an input."""
    return hmac.digest(key, content, "sha256").hex()


def write(path: Path, key: SiteKey, record: Record) -> None:
    """Seal the record into `path` (mode 0600), whole or not at all."""
    head = {"format": FORMAT, **asdict(record)}
    try:
        sealed.write(path, key.derive("records"), [json.dumps(head, separators=(",", ":")).encode()])
    except OSError as error:
        raise Unavailable(f"the record cannot be written: {error.strerror}") from None


def read(path: Path, key: SiteKey) -> Record:
    """The record in `path`; `Corrupt` where it was changed or sealed under another site's key."""
    try:
        head = json.loads(sealed.read(path, key.derive("records")))
    except OSError as error:
        raise ConfigError(f"the record cannot be read: {error.strerror}") from None
    except ValueError:
        raise Corrupt(f"{path.name} is sealed but holds no record") from None
    if head.pop("format", None) != FORMAT:
        raise ConfigError(f"{path.name} is a record of another version")
    return Record(**head | {"entries": tuple(Entry(**each) for each in head["entries"])})
