"""What of a file's place may stand in a finding: names of files and folders may identify as much as what is inside.

What always holds: of a path only UIDs and names that follow the specification's pattern for tables are shown; what
else a provider called a folder or a file becomes an ellipsis.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import PurePosixPath

__all__ = ["HIDDEN", "is_uid", "masked", "pseudonym", "table", "uid"]

HIDDEN = "…"
LONGEST = 64  # characters of a UID
UID = re.compile(r"2\.25\.[0-9]{20,39}|[0-2](?:\.(?:0|[1-9][0-9]*)){4,}")  # a date has fewer dots
DOMAINS = (  # of SDTMIG 3.3 and 3.4
    "AE|AG|BE|BS|CE|CM|CO|CP|CV|DA|DD|DM|DS|DV|EC|EG|EX|FA|FT|GF|HO|IE|IS|LB|MB|MH|MI|MK|ML|MS|NV|OE|PC|PE|PP|PR|QS|RE|RP|RS|"
    "SC|SE|SM|SR|SS|SU|SV|TA|TD|TE|TI|TM|TR|TS|TU|TV|UR|VS"
)
TABLE = re.compile(rf"(?P<partner>[A-Z0-9-]{{1,20}})_(?P<domain>{DOMAINS})\.(?:csv|xpt)", re.IGNORECASE)
DOTTED = re.compile(r"[0-9.]{1,64}")
PSEUDONYM = re.compile(r"[A-Za-z0-9._-]{1,64}")


def masked(name: str) -> str:
    """A path below the delivery, with slashes, as it may be shown."""
    return "/".join(map(_masked, PurePosixPath(name).parts))


def is_uid(text: str) -> bool:
    """Whether it is a UID that cannot be taken for a date."""
    return len(text) <= LONGEST and UID.fullmatch(text) is not None


def pseudonym(PatientID: str) -> str:
    """A patient's identifier as it may be shown; a name, with its blanks and carets, is none."""
    return PatientID if PSEUDONYM.fullmatch(PatientID) else HIDDEN


def uid(text: str) -> str:
    """What stands in the place of a UID, as it may be shown: anything may stand there."""
    return text if not text or DOTTED.fullmatch(text) else HIDDEN


def table(name: str) -> tuple[str, str] | None:
    """Partner and domain (in capitals) of a clinical table called {partner}_{domain}.csv or .xpt."""
    match = TABLE.fullmatch(name)
    return (match["partner"], match["domain"].upper()) if match else None


@lru_cache(maxsize=4096)
def _masked(part: str) -> str:
    return part if is_uid(part.removesuffix(".dcm")) or TABLE.fullmatch(part) else HIDDEN
