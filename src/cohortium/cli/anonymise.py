"""The second of two steps: a frozen folder of de-identified files into another that nothing joins to it."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cohortium import __version__, config
from cohortium.cli.options import DEFAULT, FAILED, FOUND, AsJson, ConfigFile
from cohortium.errors import ConfigError, Refused

if TYPE_CHECKING:  # help is instant without them
    from cohortium.cli.terminal import Advance
    from cohortium.config import Config
    from cohortium.deidentify.workfolder import Frozen, Receipt, WorkFolder
    from cohortium.keys import SiteKey
    from cohortium.values import Protocol
    from cohortium.verify.record import Entry

__all__ = ["anonymise"]

DESTROYED = "batch destroyed"
NEXT = (
    "The batch's key is destroyed. A later batch gives the same patients other identifiers and other dates, by design. "
    "Whoever holds SRC and DST can still join them by their pictures: erase SRC once DST is accepted."
)


def anonymise(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="Folder to read, of step 1; never changed.")],
    destination: Annotated[Path, typer.Argument(metavar="DST", help="Folder to write; empty when the batch begins.")],
    work: Annotated[
        Path, typer.Option(metavar="DIR", help="Encrypted folder of the batch: a killed run goes on there.")
    ],
    protocol: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="A protocol with fresh identifiers and moved dates.")
    ] = "chaimeleon-anonymise",
    project: Annotated[str, typer.Option(metavar="NAME", help="The project that provenance names.")] = "default",
    jobs: Annotated[
        int, typer.Option(min=1, metavar="N", show_default="one per core", help="Processes to work with.")
    ] = os.cpu_count() or 1,
    verify: Annotated[bool, typer.Option("--verify", help="Prove the outputs before anything is destroyed.")] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="With --verify: write report.html and report.json, secrets.")
    ] = None,
    abandon: Annotated[
        bool, typer.Option("--abandon", help="Destroy the batch's key and state instead; DST is of no use then.")
    ] = False,
    show_names: Annotated[
        bool, typer.Option("--show-names", help="Name files set aside by their path in SRC.")
    ] = False,
    file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Anonymise a frozen folder as one batch: new identifiers, moved dates, and no table kept.

    The batch's key lives in the work folder alone, and is destroyed with it at the end. Exits with 7 or 8, and destroys
    nothing, if --verify finds something.
    """
    from cohortium import keys
    from cohortium.cli import terminal
    from cohortium.deidentify import batch, load_protocol, tree, workfolder

    if report is not None and not verify:
        raise ConfigError("--report goes with --verify")
    chosen = load_protocol(protocol)
    batch.refuse_joinable(chosen)
    settings = config.load(file)
    key = keys.load(settings.site.key, settings.site.data)
    for one, other in ((source, destination), (source, work), (destination, work)):
        tree.refuse_overlap(one, other)
    if abandon:
        _abandon(work)
        return
    run = _Run(settings, key, chosen, project, source.resolve(), destination.resolve(), jobs)
    if not workfolder.is_one(work) and (known := _finished(run)):
        workfolder.forget(work)  # an empty one, where a run was stopped at its last step
        typer.echo(json.dumps(known) if as_json else f"dataset {known['output']} is complete already")
        return
    aside: list[dict[str, object]] = []
    result = workfolder.conclusion(work, key)
    if result is None:
        result, aside = _made(run, work, show_names, report if verify else None, verify=verify)
        workfolder.conclude(work, key, result)
    _conclude(run, work, result)
    result |= {"set_aside": aside, "note": NEXT}
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    else:
        terminal.show(terminal.deidentified(result), *terminal.tables(result["tables"]))
        terminal.show(f"dataset {result['output']}: {result['outputs']} instances", NEXT)


@dataclass
class _Run:
    """One call of the command: where from, where to, and by which rules."""

    settings: Config
    key: SiteKey
    protocol: Protocol
    project: str
    source: Path
    destination: Path
    jobs: int
    total: int = 0

    def opened(self, work: Path) -> AbstractContextManager[WorkFolder]:
        from cohortium.deidentify.workfolder import Batch, opened

        folders = str(self.source), str(self.destination)
        return opened(work, self.key, Batch(*folders, self.project, self.protocol.digest, __version__))

    def make(self, folder: WorkFolder, progress: Advance) -> None:
        """Everything up to the point where outputs are whole and the tree still is as it was frozen."""
        from cohortium.acquire.folder import count, walk
        from cohortium.cli.workers import workers
        from cohortium.deidentify import batch, tree
        from cohortium.verify.record import marking_key

        marking = marking_key(self.key)
        self.total = count(self.source)
        if not folder.says("frozen"):
            if self.destination.exists() and any(self.destination.iterdir()):
                raise Refused("DST is not empty; a batch begins with an empty folder")
            step = partial(self.step, progress, "freeze")
            batch.freeze(folder, self.key, marking, self.source, walk(self.source), step)
        batch.refuse_changed(folder, marking, self.source, walk(self.source))
        batch.settle(folder, self.destination)
        task = tree.Task(
            self.protocol,
            folder.key,
            self.project,
            self.destination,
            digests=True,
            marking=marking,
            own_issuer=self.settings.site.issuer,
        )
        with workers(self.jobs, "", self.source, self.destination) as executor:
            batch.carry_out(folder, task, self.source, executor, partial(self.step, progress, "anonymise"))
        batch.refuse_changed(folder, marking, self.source, walk(self.source))

    def step(self, progress: Advance, stage: str, done: int) -> None:
        progress(stage, done, self.total)

    def account(self, folder: WorkFolder) -> dict[str, Any]:
        """Where every file went, in numbers."""
        states, reasons, findings = Counter[str](), Counter[str](), Counter[str]()
        sizes = [0, 0]
        for _, _, receipt in folder.receipts():
            states[receipt.state] += 1
            reasons.update([receipt.reason] if receipt.reason else [])
            findings.update(receipt.findings)
            sizes = [sizes[0] + receipt.size, sizes[1] + receipt.written]
        counts = {"states": dict(states), "quarantined": dict(reasons), "findings": dict(findings)}
        return {**counts, "bytes_in": sizes[0], "bytes_out": sizes[1]}

    def tables(self, folder: WorkFolder) -> list[dict[str, object]]:
        """What became of the rows of each clinical table."""
        found = ((frozen, receipt) for _, frozen, receipt in folder.receipts() if receipt.rows)
        return [{"file": frozen.number, "output": receipt.output, **receipt.rows} for frozen, receipt in found]

    def set_aside(self, folder: WorkFolder, show_names: bool) -> list[dict[str, object]]:
        """Each file set aside and why, in the order of the tree."""
        found = sorted((frozen.number, frozen, receipt) for _, frozen, receipt in folder.receipts() if receipt.reason)
        return [
            {
                "file": number,
                **({"path": frozen.path} if show_names else {}),
                "reason": receipt.reason,
                "detail": receipt.detail,
            }
            for number, frozen, receipt in found
        ]


def _made(
    run: _Run, work: Path, show_names: bool, report: Path | None, *, verify: bool
) -> tuple[dict[str, Any], list[dict[str, object]]]:
    """The whole batch but for the destruction: what came of it, and what was set aside."""
    from cohortium.cli import terminal
    from cohortium.deidentify import batch

    started = time.monotonic()
    with run.opened(work) as folder, terminal.progress() as progress:
        run.make(folder, progress)
        if verify:
            _prove(run, folder, report, progress)
        dataset = batch.finish(folder, run.destination, partial(run.step, progress, "seal"))
        seconds = round(time.monotonic() - started, 3)
        speed = {"seconds": seconds, "files_per_second": round(dataset.files / max(seconds, 0.001), 1)}
        result = {**asdict(dataset), "protocol": run.protocol.digest, **run.account(folder), **speed}
        return result | {"tables": run.tables(folder)}, run.set_aside(folder, show_names)


def _abandon(work: Path) -> None:
    from cohortium.deidentify import workfolder

    if not workfolder.is_one(work):
        raise ConfigError("--work is no work folder; there is no batch to abandon")
    workfolder.destroy(work)
    workfolder.forget(work)
    typer.echo("The batch is abandoned, and its key destroyed. Delete DST: nothing can complete it.")


def _finished(run: _Run) -> dict[str, str] | None:
    """From which dataset DST was made, and which it is, if a batch ended in it and all else is destroyed."""
    from cohortium.deidentify import batch
    from cohortium.prove import provenance
    from cohortium.store import open_store

    if not run.destination.is_dir() or not any(run.destination.iterdir()):
        return None
    with open_store(run.settings).begin() as connection:
        made = provenance.of(connection, batch.name_of(run.destination))
    return {"source": made[-1].source, "output": made[-1].output} if made else None


def _prove(run: _Run, folder: WorkFolder, report: Path | None, progress: Advance) -> None:
    """Hold every output against its input while the receipts are there; leave, and destroy nothing, if one fails."""
    from cohortium.acquire.folder import walk
    from cohortium.cli import terminal
    from cohortium.deidentify.explain import changes
    from cohortium.verify import proof, secret
    from cohortium.verify import report as reports
    from cohortium.verify.record import Record

    if report is not None:
        secret.refuse_inside(report, "--report", (run.source, run.destination))
    entries = tuple(_entry(frozen, receipt) for _, frozen, receipt in folder.receipts() if frozen.mark)
    record = Record(run.project, run.protocol.label, run.protocol.digest, __version__, entries, changes(run.protocol))
    inputs = [path for path, problem in walk(run.source) if not problem]
    outputs = [(path.relative_to(run.destination).as_posix(), path) for path, _ in walk(run.destination)]
    extent = proof.Extent(secrets.randbelow(1 << 32))
    proved = proof.prove(inputs, outputs, (record, run.key), extent, progress, show=report is not None)
    if report is not None:
        reports.write(report, proved)
    if proved.leaked or proved.failed:
        terminal.show(*terminal.verified(proved))
        typer.echo("cohortium: the proof failed; nothing was destroyed", err=True)
        raise typer.Exit(FOUND if proved.leaked else FAILED)


def _entry(frozen: Frozen, receipt: Receipt) -> Entry:
    from cohortium.dicom.redact import Rectangle
    from cohortium.verify.record import Entry, blanks

    areas: dict[int, list[Rectangle]] = {}
    for frame, *sides in receipt.areas:
        areas.setdefault(frame, []).append(Rectangle(*sides))
    places = tuple(blanks(areas))
    return Entry(frozen.mark, receipt.state, receipt.output, receipt.digest, receipt.reason, places)


def _conclude(run: _Run, work: Path, result: dict[str, Any]) -> None:
    """From dataset to dataset in the store; then destroy all that knew more, and write down that it was done."""
    from cohortium.deidentify import workfolder
    from cohortium.prove import audit, provenance
    from cohortium.store import open_store

    made = provenance.Provenance(
        output=result["output"],
        source=result["source"],
        protocol=run.protocol.label,
        protocol_digest=run.protocol.digest,
        software=f"Cohortium {__version__}",
        site=run.settings.site.name,
        project=run.project,
        created=result["created"],
    )
    store = open_store(run.settings)
    with store.begin() as connection:
        provenance.record(connection, made)
    workfolder.destroy(work)
    what = f"dataset {result['output']}: key, state, receipts of {result['files']} files"
    with store.begin() as connection:
        if not audit.says(connection, DESTROYED, what):
            audit.record(connection, getuser(), DESTROYED, what)
    workfolder.forget(work)
