"""Outputs conform to their IOD no worse than their inputs, by dciodvfy of dicom3tools where it is installed.

Some objects of each series are asked about, or all. The checker gets the object on its standard input, so that no name
of a file shows among the processes, and of its answers only tags and kinds of error are used, for they quote values.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cohortium.verify.pairs import Opened

__all__ = ["Conformance"]

PROGRAM = "dciodvfy"
SECONDS = 60
ERROR = re.compile(r"^Error - (?P<rest>.*)$", re.MULTILINE)
TAG = re.compile(r"\(([0-9a-fA-F]{4}),([0-9a-fA-F]{4})\)")
KINDS = (
    "Missing attribute for Type 1", "Missing attribute for Type 2", "Empty attribute", "Shall not be present",
    "Attribute present when condition unsatisfied", "Value invalid", "Unrecognized", "Bad Value", "Tags out of order",
    "present but Instance does not reference", "Information Object Not found", "Dicom dataset read failed",
)  # fmt: skip


class _Crashed(Exception):
    """The checker died or did not end: what it said is neither good nor bad news."""


class Conformance:
    """Errors of an output that its input does not have, in `objects` of each series (0: all); warnings do not count."""

    title = "IOD conformance is not worse than the input's"

    def __init__(self, objects: int) -> None:
        self._program = shutil.which(PROGRAM)
        self._objects = objects
        self._series: Counter[tuple[str, str]] = Counter()
        self._asked = self._crashes = self._before = self._after = 0

    def see(self, pair: Opened) -> Iterator[str]:
        series = str(pair.after.get("SeriesInstanceUID")), str(pair.after.get("SOPClassUID"))
        self._series[series] += 1
        if self._program is None or (self._objects and self._series[series] > self._objects):
            return
        try:
            before, after = (_errors(self._program, path) for path in (pair.pair.source, pair.pair.output))
        except _Crashed:
            self._crashes += 1
            return
        self._asked += 1
        self._before, self._after = self._before + before.total(), self._after + after.total()
        for error in sorted(after - before):
            yield f"dciodvfy: {error}"

    def looked_at(self) -> str:
        if not self._asked:
            return ""
        objects = f"{self._asked} of {self._series.total()} objects in {len(self._series)} series"
        return f"{objects}; {self._before} errors before, {self._after} after"

    def note(self) -> str:
        if self._program is None:
            return f"{PROGRAM} is not installed (Debian package dicom3tools)."
        return f"The checker crashed {self._crashes} times; those objects are not checked." if self._crashes else ""


def _errors(program: str, path: Path) -> Counter[str]:
    """How often each error, without values, stands in the checker's answer."""
    try:
        with path.open("rb") as file:
            answer = subprocess.run(  # noqa: S603
                [program, "-new"], stdin=file, capture_output=True, timeout=SECONDS, check=False
            )
    except (OSError, subprocess.TimeoutExpired):
        raise _Crashed from None
    if answer.returncode < 0:
        raise _Crashed
    return Counter(_silent(found["rest"]) for found in ERROR.finditer(answer.stderr.decode("latin-1")))


def _silent(message: str) -> str:
    """The tags of a message and the kind of error, if it is a known one: nothing that could be a value."""
    tags = "/".join(f"({group},{element})" for group, element in TAG.findall(message)) or "object"
    kind = next((kind for kind in KINDS if kind.lower() in message.lower()), "error")
    return f"{tags} {kind}"
