"""A folder tree de-identified into another: PatientID/StudyInstanceUID/SeriesInstanceUID/SOPInstanceUID.dcm.

Clinical tables lie beside these folders, under the names that the protocol gives them.

Every file has one outcome. An output appears whole or not at all and is never replaced; running again writes nothing
twice. Work goes to any `concurrent.futures.Executor` in batches, a bounded number ahead, so memory does not grow with
the tree. A series whose faces are removed waits in the staging folder, de-identified, until all files were read.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

from cohortium.deidentify import Deidentified, Deidentifier, faces
from cohortium.deidentify.clinical.files import is_table, table
from cohortium.deidentify.clinical.table import Account
from cohortium.deidentify.contents import Buffer
from cohortium.deidentify.ctp.store import tables_for
from cohortium.deidentify.identifiers import Tokens
from cohortium.deidentify.pixels import Hold
from cohortium.deidentify.placing import STAGING, place, settle
from cohortium.deidentify.plan import CLEAN_FEATURES
from cohortium.deidentify.secret import Secret
from cohortium.deidentify.subjects import Assigner, Known, Subjects, read
from cohortium.dicom.filemeta import is_dicom
from cohortium.dicom.redact import Areas, Redacted, redact
from cohortium.errors import ConfigError, Malformed, Refused, Unavailable
from cohortium.keys import SiteKey
from cohortium.values import Finding, Protocol, Reason, SetAside, Severity, State

__all__ = ["Outcome", "Task", "run"]

BATCH = 32
AHEAD = 8  # batches in flight
WAITING = "series"
PIECE = 1 << 20
FULL = (errno.ENOSPC, errno.EDQUOT)
OTHER_TABLE = Finding(
    "clinical.same-name",
    Severity.WARNING,
    "another table of this kind lies in the destination; this one is named by its digest too, mind its rows twice",
)

File = tuple[Path, str]
"""A file and what keeps it from being read (empty: nothing)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one input: `state` is de-identified, duplicate, quarantined (with `aside`) or not DICOM.

    `output` is below the destination; `size` and `written` are bytes; `mark` is the keyed digest that was asked for,
    `areas` what was blanked in its pictures, `person` whom the site's register knows. Of a clinical table `rows`
    accounts for each row. `number` counts inputs in their order, from 1. Held is what waits in the staging folder for
    the rest of its series; it never leaves `run`.
    """

    path: Path
    state: State
    size: int = 0
    written: int = 0
    output: str = ""
    digest: str = ""
    aside: SetAside | None = None
    findings: tuple[Finding, ...] = ()
    mark: str = ""
    areas: Areas = field(default_factory=dict)
    rows: Account | None = None
    person: str = ""
    number: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class Task:
    """What every worker needs to know. Tasks with the same rules, key and project share one compiled plan.

    Under `marking`, a key, every input gets a keyed digest. `secret` is what subjects of kind hash need,
    `own_issuer` the issuer of patient IDs that counts as none, `data` where a CTP script's tables are kept.
    """

    protocol: Protocol
    key: SiteKey
    project: str
    destination: Path
    digests: bool = False
    marking: bytes = b""
    secret: Secret | None = None
    own_issuer: str = ""
    data: Path | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[object, ...]:
        rules = self.protocol.digest, self.protocol.label, self.project, self.key.fingerprint()
        return *rules, self.own_issuer, self.data, self.secret


@dataclass(frozen=True, slots=True, repr=False)
class _Work:
    """One batch, as it is handed to a worker; it shows nothing of itself, for clusters log what they fail to do."""

    task: Task
    files: list[File]
    known: Mapping[str, Known]
    assigner: Assigner | None = None  # only where it is done: a worker is told what is known

    def __call__(self) -> list[Outcome]:
        deidentifier, buffer = _deidentifier(self.task, self.assigner), Buffer()
        deidentifier.subjects.learn(self.known)
        return [
            Outcome(path, State.QUARANTINED, aside=SetAside(Reason.UNREADABLE, problem))
            if problem
            else _file(self.task, deidentifier, buffer, path)
            for path, problem in self.files
        ]


@dataclass(frozen=True, slots=True, repr=False)
class _Series:
    """One series whose faces are to be removed, whole in the staging folder; every input has one outcome."""

    task: Task
    held: list[Outcome]

    def __call__(self) -> list[Outcome]:
        staged = {each.output: _staged(self.task, each.output).read_bytes() for each in self.held}
        found = faces.deface(list(staged.values()))
        if isinstance(found, Hold):
            return [self._aside(each, SetAside(Reason.FACE, str(found))) for each in self.held]
        try:
            redacted = {name: redact(staged[name], {}, each) for name, each in zip(staged, found, strict=True)}
        except Malformed as error:
            return [self._aside(each, SetAside(Reason.FACE, str(error))) for each in self.held]
        return [self._out(each, redacted[each.output]) for each in self.held]

    def _aside(self, held: Outcome, aside: SetAside) -> Outcome:
        return replace(held, state=State.QUARANTINED, output="", aside=aside, findings=(), areas={})

    def _out(self, held: Outcome, redacted: Redacted) -> Outcome:
        new = _put(self.task, held.output, redacted.slices)
        if new is None:
            return self._aside(held, SetAside(Reason.OTHER_BYTES))
        return replace(
            held,
            state=State.DEIDENTIFIED if new else State.DUPLICATE,
            written=sum(map(len, redacted.slices)) if new else 0,
            digest=hashlib.sha256(b"".join(redacted.slices)).hexdigest() if self.task.digests else "",
            findings=tuple(dict.fromkeys((*held.findings, *redacted.findings))),
        )


def run(
    task: Task, files: Iterable[File], executor: Executor | None = None, assigner: Assigner | None = None
) -> Iterator[Outcome]:
    """De-identify `files`; one outcome each. Without an executor the work is done here.

    Outcomes come in the order of their files, except for series whose faces are removed, and tables, which come last.
    New subjects are assigned in this process alone: when they are met or, where workers do the work, before a batch
    goes to one of them, which is told what it needs to know.
    Tables are done in this process too, and after the images, whose dates an anchor needs.
    """
    if CLEAN_FEATURES in task.protocol.options and not faces.available():
        raise ConfigError(f"{CLEAN_FEATURES} needs the extra `faces`: pip install 'cohortium[faces]'")
    staging = task.destination / STAGING
    try:
        shutil.rmtree(staging, ignore_errors=True)  # a killed run's half files
        staging.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise Unavailable(f"the destination cannot be written: {error.strerror}") from None
    tables: list[tuple[int, Path]] = []
    numbers: deque[int] = deque()
    series: dict[str, list[Outcome]] = {}
    batches = _batches(_images(files, numbers, tables))
    try:
        if executor is None:
            works = (_Work(task, batch, {}, assigner) for batch in batches)
        else:
            works = (_Work(task, batch, _known(batch, assigner)) for batch in batches)
        for made in _done(executor, works):
            outcome = replace(made, number=numbers.popleft())
            if outcome.state is State.HELD:
                series.setdefault(outcome.output.rpartition("/")[0], []).append(outcome)
            else:
                yield outcome
        yield from _done(executor, (_Series(task, outcomes) for outcomes in series.values()))
        subjects = Subjects(task.protocol, task.key, task.project, task.secret, assigner, task.own_issuer)
        for number, path in tables:
            yield replace(_table(task, subjects, path), number=number)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _batches(files: Iterable[File]) -> Iterator[list[File]]:
    source = iter(files)
    while batch := list(islice(source, BATCH)):
        yield batch


def _images(files: Iterable[File], numbers: deque[int], tables: list[tuple[int, Path]]) -> Iterator[File]:
    """The files that are no tables, their numbers noted in `numbers`; the others are added to `tables`."""
    for number, (path, problem) in enumerate(files, 1):
        if not problem and is_table(path):
            tables.append((number, path))
        else:
            numbers.append(number)
            yield path, problem


def _known(batch: list[File], assigner: Assigner | None) -> Mapping[str, Known]:
    """What is known of the batch's patients; files that cannot be read are left to those who say so."""
    known: dict[str, Known] = {}
    for path, problem in batch if assigner else ():
        try:
            if not problem and assigner:
                with path.open("rb") as stream:
                    known.update(assigner.admit(read(stream)))
        except (Malformed, OSError):
            continue
    return known


def refuse_overlap(source: Path, destination: Path) -> None:
    """Identifiable and de-identified files must not lie in each other's folders."""
    inner, outer = source.resolve(), destination.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise Refused("the destination and the source lie in one another; choose a folder apart")


def _done(executor: Executor | None, works: Iterator[Callable[[], list[Outcome]]]) -> Iterator[Outcome]:
    if executor is None:
        for work in works:
            yield from work()
    else:
        yield from _ahead(executor, works)


def _ahead(executor: Executor, works: Iterator[Callable[[], list[Outcome]]]) -> Iterator[Outcome]:
    pending: deque[Future[list[Outcome]]] = deque()
    try:
        for work in works:
            pending.append(executor.submit(work))
            if len(pending) > AHEAD:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


@lru_cache(maxsize=4)
def _deidentifier(task: Task, assigner: Assigner | None) -> Deidentifier:
    subjects = Subjects(task.protocol, task.key, task.project, task.secret, assigner, task.own_issuer)
    tables = tables_for(task.protocol, task.key, task.project, task.data) if task.data else None
    return Deidentifier(task.protocol, task.key, task.project, subjects, tables, by_series=True)


def _file(task: Task, deidentifier: Deidentifier, buffer: Buffer, path: Path) -> Outcome:
    try:
        with buffer.reading(path) as content:
            mark = hmac.digest(task.marking, content, "sha256").hex() if task.marking else ""
            return replace(_outcome(task, deidentifier, path, content), mark=mark)
    except OSError as error:
        aside = SetAside(Reason.UNREADABLE, error.strerror or type(error).__name__)
        return Outcome(path, State.QUARANTINED, aside=aside)


def _outcome(task: Task, deidentifier: Deidentifier, path: Path, content: memoryview) -> Outcome:
    size = len(content)
    if not size:
        return Outcome(path, State.QUARANTINED, aside=SetAside(Reason.EMPTY))
    if not is_dicom(content[:256]):
        return Outcome(path, State.NOT_DICOM, size)
    result = deidentifier(content)
    if isinstance(result, SetAside):
        return Outcome(path, State.QUARANTINED, size, aside=result)
    return _written(task, path, size, result)


def _written(task: Task, path: Path, size: int, result: Deidentified) -> Outcome:
    output = f"{result.PatientID}/{result.StudyInstanceUID}/{result.SeriesInstanceUID}/{result.SOPInstanceUID}.dcm"
    new = _put(task, str(_staged(task, output).relative_to(task.destination)) if result.face else output, result.slices)
    if new is None:
        return Outcome(path, State.QUARANTINED, size, aside=SetAside(Reason.OTHER_BYTES))
    made = Outcome(
        path, State.HELD, size, 0, output, findings=result.findings, areas=result.areas, person=result.person
    )
    if result.face:
        return made
    state = State.DEIDENTIFIED if new else State.DUPLICATE
    return replace(
        made, state=state, written=result.size() if new else 0, digest=result.digest() if task.digests else ""
    )


def _staged(task: Task, output: str) -> Path:
    """Where an output waits for the rest of its series."""
    return task.destination / STAGING / WAITING / output


def _put(task: Task, output: str, slices: list[bytes | memoryview]) -> bool | None:
    """`_place`, in words that tell a person what to do where that fails."""
    try:
        return place(task.destination, output, slices)
    except OSError as error:
        raise _unwritable(error) from None


def _unwritable(error: OSError) -> Unavailable:
    action = "make room" if error.errno in FULL else "mend it"
    return Unavailable(f"the destination cannot be written ({error.strerror}); {action} and run again, nothing is lost")


def _table(task: Task, subjects: Subjects, path: Path) -> Outcome:
    """A clinical table. Its output is named by the protocol, and by its digest too where another has that name."""
    part = task.destination / STAGING / "table"
    try:
        size = path.stat().st_size
        mark = _digest(path, hmac.new(task.marking, digestmod="sha256")) if task.marking else ""
        account = table(path, task.protocol, subjects, Tokens(task.key, task.project), part)
    except OSError as error:
        if error.errno in FULL:
            raise _unwritable(error) from None
        return Outcome(path, State.QUARANTINED, aside=SetAside(Reason.UNREADABLE, error.strerror or ""))
    if isinstance(account, SetAside):
        return Outcome(path, State.QUARANTINED, size, aside=account, mark=mark)
    if account.rows and not account.written:
        return Outcome(path, State.QUARANTINED, size, aside=SetAside(Reason.NO_ROW), mark=mark, rows=account)
    try:
        return replace(_placed(task, path, account, part), size=size, mark=mark)
    except OSError as error:
        raise _unwritable(error) from None


def _placed(task: Task, path: Path, account: Account, part: Path) -> Outcome:
    digest, written = _digest(part, hashlib.sha256()), part.stat().st_size
    output, findings = f"{account.name}.csv", account.findings
    new = settle(part, task.destination / output)
    if new is None:
        output, findings = f"{account.name}-{digest[:12]}.csv", (*findings, OTHER_TABLE)
        new = settle(part, task.destination / output)
    part.unlink()
    state = State.DEIDENTIFIED if new else State.DUPLICATE
    shown = digest if task.digests else ""
    return Outcome(path, state, 0, written if new else 0, output, shown, findings=findings, rows=account)


def _digest(path: Path, hasher: hashlib._Hash | hmac.HMAC) -> str:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            hasher.update(piece)
    return hasher.hexdigest()
