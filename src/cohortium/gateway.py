"""The hospital's main loop: acquire, deidentify, check, deposit. Start reading here.

Each stage finishes what is waiting for it, in order of arrival, before the next begins, and commits it batch by batch.
So a run that was killed anywhere and started again ends where an undisturbed one would have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from time import perf_counter

from cohortium import __version__, keys
from cohortium.acquire import folder
from cohortium.archive import Archive, storage_of
from cohortium.check import Specification, check
from cohortium.check import load as load_specification
from cohortium.config import Config, Pipeline
from cohortium.deidentify import Deidentified, Deidentifier
from cohortium.deidentify.ctp.store import tables_for
from cohortium.deidentify.protocol import load as load_protocol
from cohortium.deidentify.register import Register
from cohortium.deidentify.rows import path_of
from cohortium.deidentify.subjects import Subjects
from cohortium.deidentify.table import means
from cohortium.deposit import Depositor
from cohortium.dicom import meta
from cohortium.dicom.slow import peek
from cohortium.errors import ConfigError, Malformed
from cohortium.keys import SiteKey
from cohortium.prove.provenance import Provenance
from cohortium.spool import Item, Made, Spool, Summary, arrived, summarise
from cohortium.store import now, open_store
from cohortium.store.room import room
from cohortium.values import Protocol, Reason, SetAside, Severity, State

__all__ = ["Progress", "Summary", "run"]

Progress = Callable[[str, int, int], None]
"""Called with a stage, how many files or series it has done, and how many there are."""


def run(config: Config, progress: Progress) -> Summary:
    """Take all that lies in the pipelines' sources as far as it may go, and account for all of it."""
    started = perf_counter()
    key = keys.load(config.site.key, config.site.data)
    with room():
        engine = open_store(config)
        archive = Archive(engine, storage_of(config), key)
        with Spool(engine, config.site.data / "spool", key) as spool:
            gateway = Gateway(config, key, spool, archive, progress)
            with spool.reading() as connection:
                before = arrived(connection)
            gateway.acquire()
            gateway.deidentify()
            gateway.forget()
            gateway.check()
            gateway.deposit()
            with spool.reading() as connection:
                return summarise(connection, perf_counter() - started, before)


@dataclass(frozen=True, slots=True)
class Line:
    """One pipeline, ready to run; `rivals` are all pipelines into its project: they share its UIDs and pseudonyms."""

    pipeline: Pipeline
    source: Path
    project_id: int
    rivals: tuple[str, ...]
    protocol: Protocol
    deidentifier: Deidentifier
    specification: Specification


class Gateway:
    """One run's stages, over the spool that they share."""

    def __init__(self, config: Config, key: SiteKey, spool: Spool, archive: Archive, progress: Progress) -> None:
        self._config = config
        self._spool = spool
        self._archive = archive
        self._register = Register(path_of(config.site.data), key)
        self._progress = progress
        self._depositor = Depositor(config.site.name, key, spool, archive)
        archive.enrol(config.site.name, key.signer().public_key().public_bytes_raw().hex())
        self._lines = {pipeline.name: self._line(pipeline, key) for pipeline in config.pipelines}
        if lost := spool.pipelines() - self._lines.keys():
            raise ConfigError(f"pipeline {', '.join(sorted(lost))} still has items on their way; configure it again")

    def acquire(self) -> None:
        """Bring the files of every source into the spool."""
        limit = self._config.limits.file_megabytes * 1_000_000
        first = {line.source: name for name, line in reversed(self._lines.items())}
        total, done = sum(folder.count(source) for source in first), 0
        for source, name in reversed(first.items()):
            for _ in folder.acquire(source, self._spool, name, limit):
                done += 1
                self._progress("acquire", done, total)

    def deidentify(self) -> None:
        """De-identify what was received, or set it aside."""
        total, done = self._spool.count(State.RECEIVED), 0
        for batch in self._spool.waiting(State.RECEIVED):
            with self._spool.together():
                for item in batch:
                    self._deidentify(item)
                    done += 1
                    self._progress("deidentify", done, total)

    def forget(self) -> None:
        """Let go of all bytes of subjects who withdrew, once it is known whose they are."""
        gone = {name: self._archive.withdrawn(line.pipeline.project) for name, line in self._lines.items()}
        if not any(gone.values()):
            return
        for state in (State.DEIDENTIFIED, State.HELD, State.OUTBOX, State.QUARANTINED):
            for batch in self._spool.waiting(state):
                with self._spool.together():
                    for item in batch:
                        if item.instance and item.instance.PatientID in gone.get(item.pipeline, ()):
                            self._spool.settle(item, State.WITHDRAWN)

    def check(self) -> None:
        """Check every series that has something new, or was held; let it go on, or hold it."""
        waiting = self._spool.unchecked()
        for done, (name, uid) in enumerate(waiting, start=1):
            line = self._lines[name]
            items = self._spool.series(line.rivals, uid)
            found = check([item.instance for item in items if item.instance], line.specification)
            findings = [finding for item in items for finding in item.findings] + found
            errors = sorted({finding.rule for finding in findings if finding.severity is Severity.ERROR})
            held = SetAside(Reason.CHECK, ", ".join(errors)) if errors and line.pipeline.gate else None
            self._archive.note(line.project_id, uid, findings)
            with self._spool.together():
                for item in items:
                    if item.state in (State.DEIDENTIFIED, State.HELD):
                        self._spool.settle(item, State.HELD if held else State.OUTBOX, held)
            self._progress("check", done, len(waiting))

    def deposit(self) -> None:
        """Hand over what is in the outbox."""
        total, done = self._spool.count(State.OUTBOX), 0
        for batch in self._spool.waiting(State.OUTBOX):
            for name, items in groupby(batch, key=lambda item: item.pipeline):
                line = self._lines[name]
                done += self._depositor.deposit(list(items), line.pipeline.project, line.protocol.digest)
                self._progress("deposit", done, total)

    def _line(self, pipeline: Pipeline, key: SiteKey) -> Line:
        project = self._config.project(pipeline.project)
        protocol = load_protocol(self._shipped_or_path(pipeline.protocol), pipeline.level)
        return Line(
            pipeline=pipeline,
            source=pipeline.source.resolve(),
            project_id=self._archive.open_project(project, protocol),
            rivals=tuple(each.name for each in self._config.pipelines if each.project == project.name),
            protocol=protocol,
            deidentifier=self._deidentifier(protocol, key, project.name),
            specification=load_specification(self._shipped_or_path(pipeline.specification)),
        )

    def _deidentifier(self, protocol: Protocol, key: SiteKey, project: str) -> Deidentifier:
        tables = tables_for(protocol, key, project, self._config.site.data)
        return Deidentifier(protocol, key, project, self._subjects(protocol, key, project), tables)

    def _subjects(self, protocol: Protocol, key: SiteKey, project: str) -> Subjects:
        if protocol.subject.kind == "fresh":
            raise ConfigError(f"project {project}: fresh identifiers are for one batch, `cohortium deidentify`")
        secret, table = means(self._config.site, key, project, protocol)
        return Subjects(protocol, key, project, secret, table, self._config.site.issuer)

    def _shipped_or_path(self, name: str) -> str | Path:
        return self._config.file.parent / name if name.endswith(".toml") else name

    def _line_for(self, item: Item, content: bytes) -> Line | None:
        """The first pipeline of the item's source that takes its modality; unreadable ones go to one that takes all."""
        try:
            modality = peek(content).Modality
        except Malformed:
            modality = ""
        source = self._lines[item.pipeline].source
        for line in self._lines.values():
            wanted = line.pipeline.modalities
            if line.source == source and (not wanted or modality in wanted):
                return line
        return None

    def _deidentify(self, item: Item) -> None:
        content = self._spool.incoming(item)
        line = self._line_for(item, content)
        made = line.deidentifier(content) if line else SetAside(Reason.NO_PIPELINE)
        if isinstance(made, SetAside):
            self._spool.settle(item, State.QUARANTINED, made)
        elif line:
            self._keep(item, line, made)

    def _keep(self, item: Item, line: Line, deidentified: Deidentified) -> None:
        content = b"".join(deidentified.slices)
        digest = sha256(content).hexdigest()
        try:
            instance = meta.describe(content, digest)
        except Malformed as error:
            self._spool.settle(item, State.QUARANTINED, SetAside(Reason.MALFORMED, str(error)))
            return
        origin = Provenance(
            output=digest,
            source=item.id,
            protocol=line.protocol.label,
            protocol_digest=line.protocol.digest,
            software=f"Cohortium {__version__}",
            site=self._config.site.name,
            project=line.pipeline.project,
            created=now(),
            subjects=line.protocol.subject.provenance,
        )
        people = self._register.enter([deidentified.person], line.pipeline.project, line.protocol.dates)
        findings = (*deidentified.findings, *people.values())
        made = Made(line.pipeline.name, instance, findings, deidentified.subject_mark, origin)
        self._spool.keep(item, made, content, line.rivals)
