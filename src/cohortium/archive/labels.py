"""What people call a session or a scan: short, of plain characters, and of one thing alone in its project or session.

What comes without a label gets one that is made of the pseudonym and of numbers. What a person types must not look
like a name, a date or a number that somebody has elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

from sqlalchemy import Connection, select

from cohortium.archive.files.said import Said
from cohortium.archive.files.wording import objection
from cohortium.errors import Refused
from cohortium.store.schema import scan, session

__all__ = ["LONGEST", "demand", "of_scan", "of_session"]

LONGEST = 64
LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
OTHERS = re.compile(r"[^A-Za-z0-9._-]")
RUNS = re.compile(r"[A-Za-z]+|[0-9]+")
DATE = re.compile(
    r"(?<!\d)(18|19|20)\d\d[._-]?[01]\d[._-]?[0-3]\d(?!\d)|(?<!\d)[0-3]?\d[._-][01]?\d[._-](18|19|20)\d\d(?!\d)"
)
HASH = re.compile(r"(?=.*[0-9])(?=.*[a-f])[0-9a-f]{32,64}", re.IGNORECASE)
MOST_DIGITS, MOST_LETTERS = 6, 2  # of a run that may stand for anything: longer ones may stand for somebody
CUSTOMARY = re.compile(
    "anon|case|cohortium|ctrl|demo|expt?|hosp|pat|pilot|scan|sess?|session|site|subj?|subject|study|test|visit|xnat"
)


def demand(text: str, what: str) -> str:
    """The label that somebody types; `Refused` where it is of other characters or may tell who somebody is."""
    if not LABEL.fullmatch(text):
        raise Refused(f"a {what} is called by letters, digits and ._-, at most {LONGEST}, and begins with no mark")
    if DATE.search(text):
        raise Refused(f"what the {what} is called looks like a date; choose another label")
    if not HASH.fullmatch(text) and not all(map(_may_stay, RUNS.findall(text))):
        raise Refused(f"what the {what} is called looks like a name or a number of somebody; choose another label")
    return text


def of_session(connection: Connection, project_id: int, PatientID: str) -> str:
    """A label for the next session of a subject: the pseudonym and a number, free in the project."""
    begin = OTHERS.sub("_", PatientID)[: LONGEST - 12].lstrip(".-") or "session"
    held = select(session.c.label).where(
        session.c.project_id == project_id, session.c.label.startswith(begin, autoescape=True)
    )
    return _free(connection, held, (f"{begin}_{n}" for n in count(1)))


def of_scan(connection: Connection, session_id: int, SeriesNumber: int | None, Modality: str) -> str:
    """A label for a scan: its number, with what tells it from others of that number in the session."""
    number = str(SeriesNumber) if SeriesNumber is not None and SeriesNumber >= 0 else ""
    begin = "-".join(filter(None, (number, OTHERS.sub("_", Modality)[:16] or "OT")))
    held = select(scan.c.label).where(scan.c.session_id == session_id)
    numbered = (f"{begin}{n}" for n in count(1))
    return _free(connection, held, (each for some in ([number] if number else [], numbered) for each in some))


def _free(connection: Connection, held: object, wished: Iterator[str]) -> str:
    taken = set(connection.scalars(held))  # type: ignore[call-overload]
    return next(each for each in wished if each not in taken)


def _may_stay(run: str) -> bool:
    if run.isdigit():
        return len(run) <= MOST_DIGITS
    return len(run) <= MOST_LETTERS or bool(CUSTOMARY.fullmatch(run.casefold())) or not objection(Said("", run), ())
