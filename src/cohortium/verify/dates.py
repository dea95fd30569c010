"""Dates are as the object says of itself (0028,0303): kept, moved by one number of days per patient, or gone.

Times of day are not compared. A date cut to its year or month counts as moved, for it keeps no interval.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from cohortium.verify.elements import both, each, texts
from cohortium.verify.pairs import Opened

__all__ = ["Dates"]

PLAIN = re.compile(r"(\d{4})(\d\d)(\d\d)")
UNMODIFIED, MODIFIED, REMOVED = "UNMODIFIED", "MODIFIED", "REMOVED"
DUMMY = "19000101"
DATED = ("DA", "DT")
NOT_OF_THE_PATIENT = ("ContextGroupVersion", "ContextGroupLocalVersion")  # versions of code lists
NO_DATE = "19000101"  # what stands where a date must be and none may: it is gone


class Dates:
    """Every date that is on both sides of a pair, at every depth."""

    title = "Dates are as declared"

    def __init__(self) -> None:
        self._dates = self._gone = self._cut = 0
        self._said: dict[str, int] = {}
        self._days: dict[str, int] = {}  # by new PatientID

    def see(self, pair: Opened) -> Iterator[str]:
        said = str(pair.after.get("LongitudinalTemporalInformationModified") or "")
        self._said[said or "nothing"] = self._said.get(said or "nothing", 0) + 1
        subject = str(pair.after.get("PatientID") or "")
        self._gone += sum(len(texts(element)) for _, element in each(pair.before) if element.VR in DATED)
        for where, old, new in _dates(pair):
            if new == DUMMY != old:
                continue  # gone, where the object may not be without one
            self._dates, self._gone = self._dates + 1, self._gone - 1
            if said == UNMODIFIED:
                if old != new:
                    yield f"{where}: changed, although dates are declared unmodified"
            elif old == new:
                yield f"{where}: as it was, although dates are declared {said or 'nothing at all'}"
            elif said == MODIFIED:
                yield from self._moved(subject, where, old, new)

    def _moved(self, subject: str, where: str, old: str, new: str) -> Iterator[str]:
        if new in (f"{old[:4]}0101", f"{old[:6]}01"):
            self._cut += 1
            return
        before, after = _day(old), _day(new)
        if before is None or after is None:
            return
        days = (after - before).days
        if self._days.setdefault(subject, days) != days:
            yield f"{where}: moved by another number of days than this subject's other dates"

    def looked_at(self) -> str:
        said = ", ".join(f"{name} in {count}" for name, count in sorted(self._said.items()))
        return f"{self._dates} dates, {self._gone} more are gone; declared {said}" if self._said else ""

    def note(self) -> str:
        moved = f"{len(self._days)} subjects were moved by one number of days each. " if self._days else ""
        return moved + (f"{self._cut} dates were cut to the month or year." if self._cut else "")


def _dates(pair: Opened) -> Iterator[tuple[str, str, str]]:
    """(where, old, new) as YYYYMMDD where they have that form."""
    for where, before, after in both(pair.before, pair.after):
        if before.VR not in DATED or before.keyword in NOT_OF_THE_PATIENT:
            continue
        old, new = texts(before), texts(after)
        if len(old) == len(new):
            found = ((where, o[:8], n[:8]) for o, n in zip(old, new, strict=True))
            yield from (each_ for each_ in found if each_[2] != NO_DATE)


def _day(text: str) -> date | None:
    found = PLAIN.fullmatch(text)
    try:
        return date(*map(int, found.groups())) if found else None
    except ValueError:
        return None
