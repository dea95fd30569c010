"""From a study's own fields to SDTM's tables, by a mapping file that a data manager writes and a dry run explains."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

from cohortium.clinical.capture import Capture
from cohortium.clinical.mapping.account import Account
from cohortium.clinical.mapping.loading import load
from cohortium.clinical.mapping.making import rows
from cohortium.clinical.mapping.studymap import StudyMap
from cohortium.clinical.mapping.writing import write

__all__ = ["StudyMap", "load", "run"]


def run(capture: Capture, study: StudyMap, folder: Path | None = None) -> dict[str, Any]:
    """Make the tables, and write them unless it is a dry run; what went where, as `Account.as_dict` has it."""
    account = Account()
    made = rows(capture, study, account)
    if folder is None:
        deque(made, maxlen=0)
    else:
        write(folder, study, made)
    return account.as_dict(capture, study)
