"""CDISC CORE, the rules engine of CDISC, run over tables as a program of its own (extra `clinical`).

It is never installed by us: CDISC_CORE names its program (`/opt/core/core`, or a Python and its `core.py`), and
CDISC_CORE_CACHE the folder with its rules and terms, where that is not its own. What always holds: of its report no
value and no subject is read, only rules, variables and rows; what it could not carry out is told and no issue.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["CACHE", "PROGRAM", "Answer", "Failed", "Issue", "answered", "program", "validate"]

PROGRAM, CACHE = "CDISC_CORE", "CDISC_CORE_CACHE"
SECONDS = 3600.0  # for the tables of one partner
MOST = 100  # issues told row by row for a rule and a table; they are counted all the same
SHOWN = 300  # characters of a message
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a private folder is made below it
KEEP = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")  # no key to CDISC's library, no proxy


class Failed(Exception):
    """The program did not come to an end, or wrote no report; with why, which names no file."""


@dataclass(frozen=True, slots=True)
class Issue:
    """What a rule has against a table: in how many rows, 0 for none, the first of them, and the variables it shows."""

    rule: str
    dataset: str
    message: str
    count: int
    row: int
    variables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The issues, how many rules were carried out, and which could not be."""

    version: str
    issues: tuple[Issue, ...]
    carried_out: int
    broken: tuple[str, ...]


def program() -> list[str]:
    """The command that runs CORE; empty where none is named."""
    return shlex.split(os.environ.get(PROGRAM, ""))


def validate(datasets: Iterable[Path], version: str, terminology: str) -> Answer:
    """What CORE says of SAS transport files that are called by their domains; `Failed` where it says nothing."""
    with tempfile.TemporaryDirectory(prefix="core-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder:
        report = Path(folder) / "report"
        cache = os.environ.get(CACHE)
        command = [
            *program(),
            "validate",
            *("-s", "sdtmig", "-v", version, "-ct", terminology),
            *(each for path in datasets for each in ("-dp", str(path))),
            *("-o", str(report), "-of", "JSON", "-p", "disabled", "-me", str(MOST), "true"),
            *(("-ca", cache) if cache else ()),
        ]
        _run(command)
        try:
            return answered(json.loads(report.with_suffix(".json").read_text("utf-8")))
        except (OSError, ValueError):
            raise Failed("CDISC CORE wrote no report that can be read") from None


def _run(command: list[str]) -> None:
    """Its workers end with it, whatever becomes of it; it looks for its own resources where it stands."""
    environment = {name: os.environ[name] for name in KEEP if name in os.environ}
    try:
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=_home(command[command.index("validate") - 1]),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        raise Failed(f"the program that {PROGRAM} names cannot be started") from None
    try:
        code = process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        raise Failed(f"CDISC CORE took more than {SECONDS / 60:.0f} minutes") from None
    finally:
        _end(process)
    if code:
        raise Failed(f"CDISC CORE ended with {code}")


def _home(name: str) -> Path:
    """The folder of a program, or of the script that a Python is to run."""
    return Path(shutil.which(name) or name).resolve().parent


def _end(process: subprocess.Popen[bytes]) -> None:
    """Whatever the program left at work ends too."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def answered(report: Mapping[str, Any]) -> Answer:
    """What a report in JSON says; `ValueError` where it is none."""
    try:
        version = str(report["Conformance_Details"]["CORE_Engine_Version"])
        status = {str(each["core_id"]): str(each["status"]) for each in report["Rules_Report"]}
        told: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for each in report["Issue_Details"]:
            if isinstance(each["variables"], list):  # a rule that could not be carried out has none
                told.setdefault((str(each["core_id"]), str(each["dataset"] or "")), []).append(each)
        counts = {(str(each["core_id"]), str(each["dataset"])): int(each["issues"]) for each in report["Issue_Summary"]}
        issues = [_issue(rule, dataset, group, counts) for (rule, dataset), group in sorted(told.items())]
    except (AttributeError, KeyError, TypeError):
        raise ValueError("not a report") from None
    broken = tuple(rule for rule, each in sorted(status.items()) if each == "EXECUTION ERROR")
    carried_out = sum(each in ("SUCCESS", "ISSUE REPORTED") for each in status.values())
    return Answer(version, tuple(issues), carried_out, broken)


def _issue(rule: str, dataset: str, group: list[Mapping[str, Any]], counts: Mapping[tuple[str, str], int]) -> Issue:
    rows = [each["row"] for each in group if isinstance(each["row"], int)]
    count = max(counts.get((rule, dataset), 0), len(rows)) if rows else 0
    variables = tuple(str(each) for each in group[0]["variables"])
    message = " ".join(str(group[0]["message"]).split())[:SHOWN]
    return Issue(rule, dataset, message, count, min(rows, default=0), variables)
