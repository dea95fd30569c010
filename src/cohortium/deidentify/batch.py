"""A frozen tree anonymised as one batch: new identifiers and shifts under a key that is destroyed with the batch.

What always holds: whoever has only the files cannot bring inputs and outputs together. Names, order, and times of
files follow from the batch's key, which lives in the work folder alone. Every step may be killed and run again, and
the outputs are those of a run that was not.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.filereader import read_partial

from cohortium.deidentify import standard, tree
from cohortium.deidentify.placing import STAGING
from cohortium.deidentify.subjects import UNREADABLE_FILE
from cohortium.deidentify.tree import File, Outcome, Task
from cohortium.deidentify.workfolder import Frozen, Receipt, WorkFolder
from cohortium.errors import Corrupt, Refused, Unavailable
from cohortium.keys import SiteKey
from cohortium.values import Action, Protocol, State

__all__ = ["Dataset", "carry_out", "finish", "freeze", "name_of", "refuse_changed", "refuse_joinable", "settle"]

Advance = Callable[[int], None]
"""Called with how many files are done."""

PIECE = 1 << 20
SOP_INSTANCE_UID = 0x00080018
OUTPUTS = {(4, ".dcm"), (1, ".csv")}  # how deep what lies: PatientID/study/series/instance.dcm, and tables


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a batch read and made, as wholes: `source` is a keyed digest of the frozen tree's manifest, `output` the
    SHA-256 of the sorted digests of the outputs."""

    source: str
    output: str
    files: int
    outputs: int
    created: str


def refuse_joinable(protocol: Protocol) -> None:
    """Refuse a protocol under which outputs carry what joins them to their inputs."""
    dates, kept = protocol.dates, (each for each, action in protocol.elements.items() if action is Action.KEEP)
    reasons = [
        (protocol.subject.kind != "fresh", 'subjects are not of kind "fresh"'),
        (dates.rule == "keep", "dates are kept"),
        (dates.rule != "remove" and dates.times == "keep", "times of day are kept"),
        ("Retain UIDs" in protocol.options or any(map(_is_uid, kept)), "UIDs are kept"),
        (protocol.compat or protocol.ctp is not None, "a CTP script, or hashes without a key, decide"),
    ]
    if found := [reason for holds, reason in reasons if holds]:
        raise Refused(f"{protocol.name} leaves what joins outputs to inputs: {', '.join(found)}")


def _is_uid(keyword: str) -> bool:
    return standard.vr(int(tag_for_keyword(keyword) or 0)) == "UI"


def freeze(
    work: WorkFolder, site_key: SiteKey, marking: bytes, source: Path, files: Iterable[File], advance: Advance
) -> None:
    """Freeze the tree, unless that was done: every file's path and a keyed digest of its bytes, under `marking`."""
    if work.says("frozen"):
        return
    manifest = hmac.new(site_key.derive("frozen trees"), digestmod="sha256")
    number = 0
    with work.freezing():
        for number, (path, problem) in enumerate(files, start=1):
            file, instance = _look(number, path, problem, source, marking)
            work.freeze(file, instance)
            manifest.update(os.fsencode(f"{file.mark or file.problem}  {file.path}\0"))
            advance(number)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        work.say("frozen", {"manifest": manifest.hexdigest(), "files": number, "created": created})


def refuse_changed(work: WorkFolder, marking: bytes, source: Path, files: Iterable[File]) -> None:
    """Refuse to go on with a tree that is not as it was frozen."""
    count = changed = 0
    for number, (path, problem) in enumerate(files, start=1):
        count += 1
        frozen = work.frozen(_below(path, source))
        if frozen is None or not _untouched(path, frozen):
            now, _ = _look(number, path, problem, source, marking)
            changed += frozen is None or (now.problem, now.mark) != (frozen.problem, frozen.mark)
    changed += abs(_said(work)["files"] - count)
    if changed:
        raise Refused(
            f"SRC is not as it was frozen: {changed} files came, went or changed; put it back as it was and run "
            "again, or run with --abandon and begin anew with an empty DST"
        )


def settle(work: WorkFolder, destination: Path) -> None:
    """Make receipts and outputs agree, after a run was killed: what only one of them knows is done again."""
    for place, _, receipt in work.receipts():
        if receipt.written and _size(destination / receipt.output) != receipt.written:
            (destination / receipt.output).unlink(missing_ok=True)
            work.undo(place)
    for path in _files(destination):
        name = path.relative_to(destination).as_posix()
        if name.startswith(STAGING) or work.has_made(name):
            continue
        if (name.count("/") + 1, path.suffix) not in OUTPUTS:
            raise Refused("DST holds files that this batch did not write; choose an empty folder")
        path.unlink()


def carry_out(work: WorkFolder, task: Task, source: Path, executor: Executor | None, advance: Advance) -> None:
    """De-identify every frozen file that is not done; `Refused` where one is not as it was frozen."""
    done = sum(1 for _ in work.receipts())
    for again, hands in ((False, executor), (True, None)):
        waiting: dict[Path, tuple[bytes, Frozen]] = {}
        for outcome in tree.run(task, _queued(work, source, waiting, again=again), hands):
            place, frozen = waiting.pop(outcome.path)
            if outcome.mark != frozen.mark:
                raise Refused("a file of SRC changed while the batch ran; put it back as it was and run again")
            if outcome.rows and outcome.output:
                outcome = replace(outcome, digest=_unordered(work, task.destination, outcome.output))
            work.note(place, _receipt(work, task.destination, outcome))
            done += 1
            advance(done)
        work.settle()


def finish(work: WorkFolder, destination: Path, advance: Advance) -> Dataset:
    """Read every output back, take from the folder what its times tell, and name the dataset."""
    said = _said(work)
    moment = datetime.fromisoformat(said["created"]).timestamp()
    digests, files = [], 0
    for _, _, receipt in work.receipts():
        files += 1
        if receipt.written:
            path = destination / receipt.output
            if _digest(path) != receipt.digest:
                raise Corrupt("an output is not what was written; look at the disk, remove the file and run again")
            os.utime(path, (moment, moment))
            digests.append(receipt.digest)
        advance(files)
    present = sum(1 for _ in _files(destination))
    if files != said["files"] or present != len(digests):
        raise Corrupt("outputs and receipts do not agree; run again")
    for folder, _, _ in os.walk(destination, topdown=False):
        os.utime(folder, (moment, moment))
    if hasattr(os, "sync"):  # what follows cannot be undone
        os.sync()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Dataset(said["manifest"], _named(digests), files, len(digests), now)


def name_of(folder: Path) -> str:
    """The name of the dataset that the files of a folder are."""
    return _named(_digest(path) for path in _files(folder))


def _named(digests: Iterable[str]) -> str:
    return hashlib.sha256("".join(f"{digest}\n" for digest in sorted(digests)).encode()).hexdigest()


def _queued(
    work: WorkFolder, source: Path, waiting: dict[Path, tuple[bytes, Frozen]], *, again: bool
) -> Iterator[File]:
    for place, frozen in work.waiting(again=again):
        path = source / frozen.path
        waiting[path] = place, frozen
        yield path, frozen.problem


def _unordered(work: WorkFolder, destination: Path, output: str) -> str:
    """Put the rows of a table into an order that tells nothing; the new digest. Otherwise row by row would join."""
    path, part = destination / output, destination / STAGING / "unordered"
    with path.open(encoding="utf-8", newline="") as file:
        heading, *rows = csv.reader(file)
    with part.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([heading, *sorted(rows, key=work.order)])
    part.replace(path)
    return _digest(path)


def _receipt(work: WorkFolder, destination: Path, outcome: Outcome) -> Receipt:
    """The first that wrote an output, or found it as its killed self had written it, has made it."""
    made = bool(outcome.output) and not work.has_made(outcome.output)
    state = State.DEIDENTIFIED if made else outcome.state
    aside = outcome.aside
    return Receipt(
        state,
        outcome.size,
        outcome.output,
        _size(destination / outcome.output) if made else 0,
        outcome.digest,
        aside.reason if aside else "",
        aside.detail if aside else "",
        tuple(dict.fromkeys(finding.rule for finding in outcome.findings)),
        tuple((frame, *astuple(area)) for frame, areas in outcome.areas.items() for area in areas),
        _rows(outcome),
    )


def _rows(outcome: Outcome) -> dict[str, Any]:
    """What became of a table's rows, and what was found in its columns."""
    account = outcome.rows
    if account is None:
        return {}
    aside = {reason: {"rows": each.count, "numbers": str(each)} for reason, each in account.aside.items()}
    findings = [{"rule": finding.rule, "message": finding.message} for finding in outcome.findings]
    return {"rows": account.rows, "written": account.written, "set_aside": aside, "findings": findings}


def _look(number: int, path: Path, problem: str, source: Path, marking: bytes) -> tuple[Frozen, str]:
    """The file as it is now, and its SOPInstanceUID where it has one."""
    below = _below(path, source)
    if problem:
        return Frozen(number, below, problem), ""
    digest, head = hmac.new(marking, digestmod="sha256"), b""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            while piece := file.read(PIECE):
                head = head or piece
                digest.update(piece)
    except OSError as error:
        return Frozen(number, below, error.strerror or type(error).__name__), ""
    return Frozen(number, below, "", status.st_size, status.st_mtime_ns, digest.hexdigest()), _instance(head)


def _instance(head: bytes) -> str:
    try:
        found = read_partial(BytesIO(head), stop_when=lambda tag, _vr, _length: tag > SOP_INSTANCE_UID)
        return str(found.get("SOPInstanceUID", ""))
    except UNREADABLE_FILE:
        return ""


def _untouched(path: Path, frozen: Frozen) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return not frozen.problem and (status.st_size, status.st_mtime_ns) == (frozen.size, frozen.changed)


def _said(work: WorkFolder) -> dict[str, Any]:
    said = work.says("frozen")
    if said is None:
        raise Refused("the tree was not frozen")
    return said


def _below(path: Path, source: Path) -> str:
    return path.relative_to(source).as_posix()


def _files(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):
        yield from (Path(root, name) for name in names)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return -1
    except OSError as error:
        raise Unavailable(f"the destination cannot be read: {error.strerror}") from None


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Unavailable(f"the destination cannot be read: {error.strerror}") from None
