"""What happens to an item in between: deidentify, check, deposit. Start reading here.

Each stage takes what waits for it, in order of arrival, and commits batch by batch. So whatever was killed anywhere and
started again ends where an undisturbed run would have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from io import BytesIO

from cohortium import __version__
from cohortium.archive import Archive, inspections
from cohortium.check import check
from cohortium.clinical.tables import is_called_table
from cohortium.config import Config
from cohortium.deidentify import Deidentified
from cohortium.deidentify.outline import outline
from cohortium.deidentify.register import Register
from cohortium.deidentify.rows import path_of
from cohortium.deposit import Outbox, Sender
from cohortium.dicom import meta
from cohortium.dicom.filemeta import is_dicom
from cohortium.dicom.redact import Rectangle
from cohortium.errors import ConfigError, Corrupt, Malformed
from cohortium.gateway import thorough
from cohortium.gateway.lines import Line, Lines
from cohortium.gateway.tables import Tables, Told, is_outdated, left
from cohortium.govern import approvals
from cohortium.keys import SiteKey
from cohortium.prove.provenance import Provenance
from cohortium.spool import Item, Made, Spool, Word
from cohortium.store import now
from cohortium.values import Reason, SetAside, Severity, State

__all__ = ["Chain", "Progress", "Ready"]

Progress = Callable[[str, int, int], None]
"""Called with a stage, how many files or series it has done, and how many there are."""

Ready = Callable[[str, str], bool]
"""Whether a series is complete, by its pipeline and SeriesInstanceUID."""


class Chain:
    """The stages of one site, over its spool."""

    def __init__(
        self,
        config: Config,
        key: SiteKey,
        spool: Spool,
        archive: Archive,
        progress: Progress,
        *,
        approval: bool = False,
    ) -> None:
        self._site = config.site
        self._spool = spool
        self._archive = archive
        self._register = Register(path_of(config.site.data), key)
        self._progress = progress
        archive.enrol(config.site.name, key.signer().public_key().public_bytes_raw().hex())
        self.lines = Lines(config, key, archive)
        self._tables = Tables(config.site.name, key, archive, self._register)
        self._outbox = Outbox(config.site.name, key, spool, self._word)
        self._demands_approval = approval
        self._public_key = key.signer().public_key()
        self._approved: frozenset[str] = frozenset()
        self._keep_days = config.gateway.keep_days
        self._look_again = dict.fromkeys(spool.held())  # another configuration may let it go
        if lost := spool.pipelines() - self.lines.by_name.keys():
            raise ConfigError(f"pipeline {', '.join(sorted(lost))} still has items on their way; configure it again")

    def deidentify(self) -> int:
        """De-identify what was received, or set it aside; returns how many there were."""
        total, done = self._spool.count(State.RECEIVED), 0
        for batch in self._spool.waiting(State.RECEIVED):
            words = self._spool.words(batch)
            with self._spool.together():
                for item in batch:
                    beat = partial(self._progress, "deidentify", done, total)
                    self._deidentify(item, words.get(item.id, Word()), beat)
                    done += 1
                    self._progress("deidentify", done, total)
        return done

    def forget(self) -> None:
        """Let go of all bytes of subjects who withdrew, once it is known whose they are."""
        gone = {name: self._archive.withdrawn(line.pipeline.project) for name, line in self.lines.by_name.items()}
        if not any(gone.values()):
            return
        for state in (State.DEIDENTIFIED, State.HELD, State.OUTBOX, State.QUARANTINED):
            for batch in self._spool.waiting(state):
                with self._spool.together():
                    for item in batch:
                        self._forget(item, gone.get(item.pipeline, frozenset()))

    def _forget(self, item: Item, gone: frozenset[str]) -> None:
        if item.instance and item.instance.PatientID in gone:
            self._spool.settle(item, State.WITHDRAWN)
        elif item.table and item.state is not State.QUARANTINED and is_outdated(item.table, gone):
            self._spool.make_anew(item)

    def check(self, ready: Ready) -> int:
        """Check each complete series with something new, and once in a run those held; let it go on, or hold it."""
        if self._demands_approval:
            self._look_for_approvals()
        waiting = [each for each in dict.fromkeys((*self._spool.unchecked(), *self._look_again)) if ready(*each)]
        for done, (name, uid) in enumerate(waiting, start=1):
            self._check(self.lines.by_name[name], uid)
            self._look_again.pop((name, uid), None)
            self._progress("check", done, len(waiting))
        return len(waiting)

    def expire(self, moment: datetime) -> int:
        """Reject what was set aside longer than gateway.keep_days before; returns how much it was."""
        done = 0
        for state in (State.HELD, State.QUARANTINED) if self._keep_days else ():
            for batch in self._spool.waiting(state):
                overdue = [item for item in batch if _since(item) < moment - timedelta(days=self._keep_days)]
                with self._spool.together():
                    for item in overdue:
                        self._spool.expire(item)
                done += len(overdue)
        return done

    def deposit(self, destination: str, sender: Sender) -> int:
        """Hand over the next items that wait for the destination; returns how many, 0 where none is due."""
        return self._outbox.deliver(destination, sender)

    def _word(self, pipeline: str) -> tuple[str, str]:
        line = self.lines.by_name[pipeline]
        return line.pipeline.project, line.protocol.digest

    def _check(self, line: Line, SeriesInstanceUID: str) -> None:
        items = self._spool.series(line.rivals, SeriesInstanceUID)
        if not items:  # people decided about all of it meanwhile
            return
        images = [item.instance for item in items if item.instance]
        found = check(images, line.specification) if images else []
        if line.pipeline.thorough and images:
            found += thorough.look(self._spool, items, line.specification)
        findings = [finding for item in items for finding in item.findings] + found
        errors = sorted({finding.rule for finding in findings if finding.severity is Severity.ERROR})
        held = SetAside(Reason.CHECK, ", ".join(errors)) if errors and line.pipeline.gate else None
        held = held or next((aside for item in items if item.table and (aside := left(item.table))), None)
        if held is None and line.pipeline.hold:
            held = SetAside(Reason.INSPECTION)
        with self._spool.reading() as connection:
            if seen := inspections.identifying(connection, line.project_id).get(SeriesInstanceUID):
                held = seen.aside
        if self._demands_approval and line.protocol.digest not in self._approved:
            held = SetAside(Reason.PROTOCOL, f"{line.protocol.label}, {line.protocol.digest[:12]}")
        self._archive.note(line.project_id, SeriesInstanceUID, findings)
        words = self._spool.words(items) if held else {}
        with self._spool.together():
            for item in items:
                if item.state not in (State.DEIDENTIFIED, State.HELD):
                    continue
                if held is None or words.get(item.id, Word()).released == held:
                    self._spool.address(item, line.tables if item.table else line.destinations)
                elif item.set_aside != held:
                    self._spool.settle(item, State.HELD, held)

    def _look_for_approvals(self) -> None:
        """Know what is approved now; what was held is looked at again where that changed."""
        digests = {line.protocol.digest for line in self.lines.by_name.values()}
        with self._spool.reading() as connection:
            approved = approvals.approved(connection, self._public_key, digests)
        if approved != self._approved:
            self._approved = approved
            self._look_again |= dict.fromkeys(self._spool.held())

    def _deidentify(self, item: Item, word: Word, beat: Callable[[], None]) -> None:
        try:
            content = self._spool.incoming(item)
        except Corrupt:
            self._spool.settle(item, State.QUARANTINED, SetAside(Reason.DAMAGED))
            return
        names = [] if is_dicom(content[:256]) else list(filter(is_called_table, self._spool.names(item)))
        if names:
            self._make_table(item, names, word, Told(content, beat))
            return
        line = self.lines.by_name.get(word.pipeline) or self.lines.taking(item, content)
        if line is None:
            self._spool.settle(item, State.QUARANTINED, SetAside(Reason.NO_PIPELINE), outline=outline(content))
            return
        looked = [Rectangle(*each) for each in word.areas] if word.reviewer is not None else None
        made = line.deidentifier(content, looked, faceless=word.faceless is not None)
        if isinstance(made, SetAside):
            series = line.deidentifier.series(content)
            self._spool.settle(item, State.QUARANTINED, made, series=series, outline=outline(content))
        else:
            self._keep(item, line, made, word)

    def _make_table(self, item: Item, names: Sequence[str], word: Word, content: BytesIO) -> None:
        found = self.lines.taking_table(item, names, word.pipeline)
        if found is None:
            self._spool.settle(item, State.QUARANTINED, SetAside(Reason.NO_TABLE_RULE))
            return
        line, name = found
        made = self._tables.make(line, item, name, content)
        if isinstance(made, SetAside):
            self._spool.settle(item, State.QUARANTINED, made)
            return
        versions = line.pipeline.transfer == "cumulative"
        self._spool.keep(item, *made, line.rivals, versions=versions)

    def _keep(self, item: Item, line: Line, deidentified: Deidentified, word: Word) -> None:
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
            site=self._site.name,
            project=line.pipeline.project,
            created=now(),
            subjects=line.protocol.subject.provenance,
            reviewer=word.reviewer or word.faceless or "",
        )
        people = self._register.enter([deidentified.person], line.pipeline.project, line.protocol.dates)
        findings = (*deidentified.findings, *people.values())
        made = Made(line.pipeline.name, instance, findings, deidentified.subject_mark, origin)
        versions = line.pipeline.transfer == "cumulative"
        self._spool.keep(item, made, content, line.rivals, versions=versions)


def _since(item: Item) -> datetime:
    """When the item was set aside."""
    return datetime.fromisoformat(item.changed) if item.changed else datetime.max.replace(tzinfo=UTC)
