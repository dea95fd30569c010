"""What dicom3tools says of objects: dciodvfy of one by itself, dcentvfy of several that should agree.

No value of an object comes out: of a message only tags, how it begins (by `conformance.toml`) and the module are used.
No name of a file shows among the processes, for both programs get on their standard input what they work on.
"""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydicom.datadict import keyword_for_tag, tag_for_keyword

from cohortium.values import Severity

__all__ = ["ENTITIES", "OBJECTS", "Crashed", "Fault", "differences", "faults", "version"]

OBJECTS, ENTITIES = "dciodvfy", "dcentvfy"
SECONDS = 60  # for one call
LINE = re.compile(r"^(?P<severity>Error|Warning) - (?:<(?P<path>/[^>]*)> - )?(?P<message>.*)$", re.MULTILINE)
TAG = re.compile(r"\(([0-9a-fA-F]{4}),([0-9a-fA-F]{4})[,)]")
QUOTED = re.compile(r'"[^"]*"')  # who made a private element
VALUE = re.compile(r" = <|\bfor file <")  # from here on a message quotes the object, or names it
MODULE = re.compile(r"\b(?:Module|IE)=<(\w+)")
ELEMENT = re.compile(r"\bElement=<(\w+)>")
VERSION = re.compile(r"Version: ([\w.]+)")
ABORT = "Abort - "  # it could not go on, and says so
ANOTHER = "another fault"


class Crashed(Exception):
    """A program is not there, died or did not end, so that what it said is neither good nor bad news."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """`path`: tags from the outermost sequence to the element, empty for the object; `part`: module or entity."""

    severity: Severity
    path: tuple[str, ...]
    kind: str
    part: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The path in keywords, and in tags where the standard has none."""
        return tuple(keyword_for_tag(tag.strip("()").replace(",", "")) or tag for tag in self.path)


def faults(path: Path) -> Counter[Fault]:
    """How often dciodvfy says what of an object."""
    try:
        with path.open("rb") as file:
            return _told(_answer([OBJECTS, "-new"], stdin=file))
    except OSError:
        raise Crashed from None


def differences(paths: Sequence[Path]) -> Counter[Fault]:
    """How many objects say otherwise than another what those of one patient, study or series share, by dcentvfy."""
    lines = [*map(os.fsencode, paths), b""]
    if any(b"\n" in line for line in lines):
        raise Crashed
    return _told(_answer([ENTITIES, "-f", "/dev/stdin"], input=b"\n".join(lines)))


@cache
def version() -> str:
    """The release of dicom3tools; empty where it is not installed or does not say."""
    try:
        said = VERSION.search(_answer([OBJECTS, "-version"], stdin=subprocess.DEVNULL))
    except Crashed:
        said = None
    return f"dicom3tools {said[1]}" if said else ""


def _answer(command: list[str], **given: Any) -> str:
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False, **given)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        raise Crashed from None
    told: str = done.stderr.decode("latin-1")
    if done.returncode < 0 or told.startswith(ABORT) or f"\n{ABORT}" in told:
        raise Crashed
    return told


def _told(answer: str) -> Counter[Fault]:
    return Counter(_fault(line) for line in LINE.finditer(answer))


def _fault(line: re.Match[str]) -> Fault:
    said = VALUE.split(line["message"], maxsplit=1)[0]
    element, part = ELEMENT.search(said), MODULE.search(said)
    tag = tag_for_keyword(element[1]) if element else None
    path = [f"({group},{number})".lower() for group, number in TAG.findall(QUOTED.sub("", line["path"] or ""))]
    path += [f"({tag >> 16:04x},{tag & 0xFFFF:04x})"] if tag is not None else []
    return Fault(Severity(line["severity"].lower()), tuple(path), _kind(said), part[1] if part else "")


def _kind(message: str) -> str:
    """How a message begins, in the words of `conformance.toml`: nothing that could be a value."""
    known = _vocabulary()
    found = [each for each in known["beginnings"] if message.startswith(each)]
    more = [each for each in known["types"] if each in message]
    return " ".join([max(found, key=len, default=ANOTHER), *more])


@cache
def _vocabulary() -> dict[str, list[str]]:
    return tomllib.loads(files(__package__).joinpath("conformance.toml").read_text("utf-8"))
