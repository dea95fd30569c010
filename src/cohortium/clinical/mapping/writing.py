"""Tables in a folder, all of them or none: they are written beside it, and the folder gets its name at the end."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from cohortium.clinical import sdtm
from cohortium.clinical.mapping.account import mapped
from cohortium.clinical.mapping.making import Row
from cohortium.clinical.mapping.studymap import StudyMap
from cohortium.clinical.sdtm import Core
from cohortium.errors import Refused

__all__ = ["write"]


def write(folder: Path, study: StudyMap, rows: Iterable[tuple[str, Row]]) -> None:
    """Write `{partner}_{domain}.csv` for each domain that has rows; the folder must be new, or empty."""
    if folder.is_dir() and any(folder.iterdir()):
        raise Refused("the output folder is not empty; name a new one")
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)  # of a run that was stopped
    unfinished.mkdir(parents=True)
    try:
        _write(unfinished, study, rows)
    except BaseException:
        shutil.rmtree(unfinished)
        raise
    if folder.is_dir():
        folder.rmdir()
    unfinished.rename(folder)


def _write(folder: Path, study: StudyMap, rows: Iterable[tuple[str, Row]]) -> None:
    columns = {domain: _columns(study, domain) for domain in {each.domain for each in study.templates}}
    writers: dict[str, csv.DictWriter[str]] = {}
    with ExitStack() as stack:
        for domain, row in rows:
            if domain not in writers:
                path = folder / f"{study.partner}_{domain.lower()}.csv"
                file = stack.enter_context(path.open("w", encoding="utf-8", newline=""))
                stack.callback(os.fsync, file.fileno())
                stack.callback(file.flush)
                writers[domain] = csv.DictWriter(file, columns[domain], restval="")
                writers[domain].writeheader()
            writers[domain].writerow(row)


def _columns(study: StudyMap, domain: str) -> list[str]:
    """What is mapped, and what SDTM requires or expects though nothing fills it, in SDTM's order."""
    known: Mapping[str, sdtm.Variable] = sdtm.variables(domain)
    there = mapped(study, domain)
    return [name for name, each in known.items() if name in there or each.core is not Core.PERMISSIBLE]
