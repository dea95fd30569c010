"""Labels that people type must not look like a name, a date, or a number that somebody has elsewhere."""

from __future__ import annotations

import re

from cohortium.errors import Refused
from cohortium.texts.said import Said
from cohortium.texts.wording import objection

__all__ = ["demand_label"]

LONGEST = 64
LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
RUNS = re.compile(r"[A-Za-z]+|[0-9]+")
DATE = re.compile(
    r"(?<!\d)(18|19|20)\d\d[._-]?[01]\d[._-]?[0-3]\d(?!\d)|(?<!\d)[0-3]?\d[._-][01]?\d[._-](18|19|20)\d\d(?!\d)"
)
HASH = re.compile(r"(?=.*[0-9])(?=.*[a-f])[0-9a-f]{32,64}", re.IGNORECASE)
MOST_DIGITS, MOST_LETTERS = 6, 2  # of a run that may stand for anything: longer ones may stand for somebody
CUSTOMARY = re.compile(
    "anon|case|ctrl|demo|expt?|hosp|import|new|pat|pilot|scan|sess?|session|site|subj?|subject|study|test|visit|xnat"
)
NUMBERS = "COHORTIUM_"  # what the site's own numbers of subjects and sessions begin with


def demand_label(text: str, what: str) -> str:
    """The label; `Refused` where it is of other characters, may tell who somebody is, or is a number of the site's."""
    if not LABEL.fullmatch(text):
        raise Refused(f"a {what} is called by letters, digits and ._-, at most {LONGEST}, and begins with no mark")
    if text.upper().startswith(NUMBERS):
        raise Refused(f"what begins with {NUMBERS} is a number that the archive gives; choose another label")
    if DATE.search(text):
        raise Refused(f"what the {what} is called looks like a date; choose another label")
    if not HASH.fullmatch(text) and not all(map(_may_stay, RUNS.findall(text))):
        raise Refused(f"what the {what} is called looks like a name or a number of somebody; choose another label")
    return text


def _may_stay(run: str) -> bool:
    if run.isdigit():
        return len(run) <= MOST_DIGITS
    return len(run) <= MOST_LETTERS or bool(CUSTOMARY.fullmatch(run.casefold())) or not objection(Said("", run), ())
