"""What a clinical table is called: which files are taken for one, and the domains of SDTM, which names may hold."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cohortium.clinical import sdtm

__all__ = ["ENDINGS", "Called", "called", "domains", "is_called_table"]

SUFFIXES = (".csv", ".tsv")
ENDINGS = (*SUFFIXES, ".xpt")
"""How names of tables of SDTM end."""
NAME = re.compile(
    r"(?:(?P<partner>[A-Z0-9-]{1,20})_)?(?P<domain>[A-Z]{2})(?:_(?P<number>[0-9]{1,4}))?\.(?:csv|tsv|xpt)",
    re.IGNORECASE,
)
TRIAL_DESIGN = frozenset({"TA", "TD", "TE", "TI", "TM", "TS", "TV"})  # domains that have no rows about subjects


@dataclass(frozen=True, slots=True)
class Called:
    """What the name of a table of SDTM says: `north_lb_2.csv` is the second of LB from `north`."""

    partner: str
    domain: str
    number: int


def called(name: str) -> Called | None:
    """What the name of a file says, if it is that of a table of SDTM. Names like these may be shown."""
    match = NAME.fullmatch(name)
    if not match or match["domain"].upper() not in domains() | TRIAL_DESIGN:
        return None
    return Called((match["partner"] or "").lower(), match["domain"].upper(), int(match["number"] or 0))


def is_called_table(name: str) -> bool:
    """Whether a file of that name is taken for a table, if it is no image."""
    return name.lower().endswith(SUFFIXES)


def domains() -> frozenset[str]:
    """The codes of SDTM's domains with rows about subjects."""
    return frozenset(sdtm.domains())
