"""Outputs conform to their IOD no worse than their inputs, by dciodvfy of dicom3tools where it is installed.

Some objects of each series are asked about, or all.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cohortium.dicom import conformance
from cohortium.values import Severity
from cohortium.verify.pairs import Opened

__all__ = ["Conformance"]

PROGRAM = conformance.OBJECTS


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
            before, after = (_errors(path) for path in (pair.pair.source, pair.pair.output))
        except conformance.Crashed:
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


def _errors(path: Path) -> Counter[str]:
    """How often each error, without values, stands in the checker's answer."""
    errors: Counter[str] = Counter()
    for fault, count in conformance.faults(path).items():
        if fault.severity is Severity.ERROR:
            errors[f"{'/'.join(fault.path) or 'object'} {fault.kind}"] += count
    return errors
