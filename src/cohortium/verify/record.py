"""Which input became which output, and by which rules: what a run notes down, sealed under the site's key, for a proof.

Inputs are named by a keyed digest of their bytes: the record tells no file name and no patient, and nothing at all to
who lacks the key.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cohortium import sealed
from cohortium.dicom.redact import Areas, Rectangle
from cohortium.errors import ConfigError, Corrupt, Unavailable
from cohortium.keys import SiteKey

__all__ = ["Blank", "Entry", "Record", "blanks", "mark", "marking_key", "read", "write"]

FORMAT = "cohortium record 2"


@dataclass(frozen=True, slots=True)
class Blank:
    """A rectangle that was blanked in the frames `first` to `last`, counted from 0."""

    first: int
    last: int
    rectangle: Rectangle


@dataclass(frozen=True, slots=True)
class Entry:
    """One input: its mark (`mark` of its bytes), what became of it, and the output's path below DST and SHA-256.

    `blanks` are all places of its pictures that the run blanked.
    """

    source: str
    state: str
    output: str = ""
    digest: str = ""
    reason: str = ""
    blanks: tuple[Blank, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """A run: under which rules, and every input that could be read.

    `actions` are the rules for public attributes, by keyword: the code (PS3.15 Table E.1-1a) for all that are not kept.
    `sequences` are other actions of sequences, by SOP class, for what an IOD requires is not removed.
    `subjects` says what the incoming identifiers were, where they were no patient's own.
    """

    project: str
    protocol: str
    protocol_digest: str
    software: str
    entries: tuple[Entry, ...]
    actions: Mapping[str, str] = field(default_factory=dict)
    sequences: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    subjects: str = ""


def blanks(areas: Areas) -> Iterator[Blank]:
    """What was blanked by frame, as one `Blank` for a rectangle in consecutive frames."""
    open_: dict[Rectangle, Blank] = {}
    for index in sorted(areas):
        for rectangle in areas[index]:
            run = open_.get(rectangle)
            if run and run.last < index - 1:
                yield run
                run = None
            open_[rectangle] = Blank(run.first if run else index, index, rectangle)
    yield from open_.values()


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
    return Record(**head | {"entries": tuple(map(_entry, head["entries"]))})


def _entry(told: dict[str, Any]) -> Entry:
    runs = (Blank(each["first"], each["last"], Rectangle(**each["rectangle"])) for each in told["blanks"])
    return Entry(**told | {"blanks": tuple(runs)})
