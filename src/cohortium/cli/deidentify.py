"""De-identifying a folder or a table into another folder, and explaining what a protocol does."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cohortium import __version__, config
from cohortium.cli.options import DEFAULT, AsJson, ConfigFile
from cohortium.errors import ConfigError, Refused, Unavailable

if TYPE_CHECKING:  # help is instant without them
    from cohortium.deidentify.register import Register
    from cohortium.deidentify.tree import Outcome
    from cohortium.keys import SiteKey
    from cohortium.values import Protocol
    from cohortium.verify.record import Entry

__all__ = ["deidentify"]

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"


def deidentify(
    source: Annotated[
        Path | None,
        typer.Argument(metavar="SRC", help="Folder to read, or one table (CSV); never changed.", readable=False),
    ] = None,
    destination: Annotated[Path | None, typer.Argument(metavar="DST", help="Folder to write.")] = None,
    protocol: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="A shipped protocol, such as dragon, or the path of one.")
    ] = "basic",
    level: Annotated[
        str, typer.Option(metavar="NAME", help="Level of privacy, of a protocol that offers some.", show_default=False)
    ] = "",
    project: Annotated[
        str, typer.Option(metavar="NAME", help="Pseudonyms and UIDs agree within a project and with no other.")
    ] = "default",
    jobs: Annotated[
        int, typer.Option(min=1, metavar="N", show_default="one per core", help="Processes to work with.")
    ] = os.cpu_count() or 1,
    cluster: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Work on a Dask cluster instead: its scheduler, tls://host:port.")
    ] = "",
    manifest: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write SHA-256 of each output, as `sha256sum -c` reads it.")
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write, sealed, which input became which output, for `cohortium verify`."),
    ] = None,
    show_names: Annotated[
        bool, typer.Option("--show-names", help="Name files set aside by path, which may identify patients.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print what the protocol does to each attribute, and why; read nothing.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --explain: write it as a page to read, print and approve.")
    ] = None,
    sop_class: Annotated[
        str, typer.Option(metavar="UID", help="SOP class to explain the protocol for; CT Image by default.")
    ] = CT_IMAGE,
    file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """De-identify the DICOM files of SRC into DST, as PatientID/study/series/instance.dcm, and its clinical tables."""
    from cohortium.deidentify import load_protocol

    chosen = load_protocol(protocol, level)
    if html is not None and not explain:
        raise ConfigError("--html goes with --explain")
    if explain:
        _explain(chosen, [load_protocol(protocol, each) for each in ("", *chosen.levels)], sop_class, as_json, html)
        return
    if source is None or destination is None:
        raise ConfigError("SRC and DST are missing; see `cohortium deidentify --help`")

    from cohortium import keys
    from cohortium.acquire import folder
    from cohortium.cli import terminal
    from cohortium.cli.workers import workers
    from cohortium.deidentify import tree
    from cohortium.deidentify.ctp.store import tables_for
    from cohortium.deidentify.register import Register
    from cohortium.deidentify.rows import path_of
    from cohortium.deidentify.table import means
    from cohortium.verify.record import marking_key
    from cohortium.verify.secret import refuse_inside

    settings = config.load(file)
    source, destination = source.absolute(), destination.absolute()  # as workers elsewhere see them
    tree.refuse_overlap(source, destination)
    key = keys.load(settings.site.key, settings.site.data)
    if record is not None:
        refuse_inside(record, "--record", (source, destination))
    digests, marking = bool(manifest or record), marking_key(key) if record else b""
    fresh = chosen.subject.kind == "fresh"
    if fresh and record is not None:
        raise Refused("fresh identifiers are made to keep nothing; a record would keep which file became which")
    data = None if fresh else settings.site.data
    if data is not None:
        tables_for(chosen, key, project, data)  # a table that is missing shows here, and not in every worker
    secret, table = means(settings.site, key, project, chosen)
    task_key = _fresh(destination) if fresh else key
    task = tree.Task(chosen, task_key, project, destination, digests, marking, secret, settings.site.issuer, data)
    tally = _Tally(show_names)
    started = time.monotonic()
    files = [(source, "")] if source.is_file() else None
    total = len(files) if files else folder.count(source)
    with workers(jobs, cluster, source, destination) as executor, terminal.progress() as progress:
        for done, outcome in enumerate(tree.run(task, files or folder.walk(source), executor, table), 1):
            tally.add(outcome.number, outcome)
            progress("deidentify", done, total)
    if not fresh:
        tally.register(Register(path_of(settings.site.data), key), project, chosen)
    if manifest is not None:
        tally.write(manifest)
    if record is not None:
        tally.seal(record, key, project, chosen)
    result = tally.as_dict(time.monotonic() - started)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    else:
        terminal.show(terminal.deidentified(result), *terminal.tables(result["tables"]))


def _fresh(destination: Path) -> SiteKey:
    """A key for this run alone; a second run into the same folder would give everybody a second identifier."""
    from cohortium import keys

    if destination.is_dir() and any(destination.iterdir()):
        raise Refused("the destination is not empty, and fresh identifiers cannot be made twice; choose an empty one")
    return keys.ephemeral()


def _explain(protocol: Protocol, levels: list[Protocol], sop_class: str, as_json: bool, html: Path | None) -> None:
    from cohortium.cli import terminal
    from cohortium.deidentify.clinical.explain import explain_tables
    from cohortium.deidentify.explain import explain
    from cohortium.deidentify.standard import storage_sop_classes

    if sop_class not in storage_sop_classes():
        raise ConfigError(f"{sop_class} is not on the list of SOP classes")
    if html is not None:
        from cohortium.deidentify.page import page

        try:
            html.write_text(page(protocol, sop_class, levels), "utf-8")
        except OSError as error:
            raise Unavailable(f"the page cannot be written: {error.strerror}") from None
        return
    rows = [asdict(row) for row in explain(protocol, sop_class)]
    columns = [asdict(column) for column in explain_tables(protocol)]
    if as_json:
        head = {
            "protocol": protocol.name,
            "version": protocol.version,
            "level": protocol.level,
            "digest": protocol.digest,
        }
        listed = {"attributes": rows, "clinical": columns}
        typer.echo(json.dumps({**head, "sop_class": sop_class, **listed}, indent=2))
    else:
        title = f"{protocol.title}\n{protocol.label}, sha256:{protocol.digest}"
        parts = [terminal.rows(f"{title}\n{storage_sop_classes()[sop_class]}", rows)]
        parts += [terminal.rows("Clinical tables", columns)] if columns else []
        terminal.show(*parts)


class _Tally:
    """Counts outcomes; keeps what is needed to account for every file, and no identifying name unless asked."""

    def __init__(self, show_names: bool) -> None:
        self.show_names = show_names
        self.states: dict[str, int] = {}
        self.quarantined: dict[str, int] = {}
        self.findings: dict[str, int] = {}
        self.set_aside: list[dict[str, object]] = []
        self.tables: list[dict[str, object]] = []
        self.digests: list[tuple[str, str]] = []
        self.entries: list[Entry] = []
        self.people: set[str] = set()
        self.read = self.written = 0

    def add(self, number: int, outcome: Any) -> None:
        _count(self.states, outcome.state)
        self.read += outcome.size
        self.written += outcome.written
        for finding in outcome.findings:
            _count(self.findings, finding.rule)
        if outcome.rows:
            self.tables.append(_rows(number, outcome))
        if outcome.digest:
            self.digests.append((outcome.digest, outcome.output))
        if outcome.person:
            self.people.add(outcome.person)
        if outcome.mark:
            self.entries.append(_entry(outcome))
        if outcome.aside:
            _count(self.quarantined, outcome.aside.reason)
            name = {"path": str(outcome.path)} if self.show_names else {}
            self.set_aside.append(
                {"file": number, **name, "reason": outcome.aside.reason, "detail": outcome.aside.detail}
            )

    def register(self, register: Register, project: str, protocol: Protocol) -> None:
        """Note who is in the project now, and count whose dates another project undoes."""
        for finding in register.enter(self.people, project, protocol.dates).values():
            _count(self.findings, finding.rule)

    def write(self, manifest: Path) -> None:
        manifest.write_text("".join(f"{digest}  {output}\n" for digest, output in sorted(set(self.digests))), "ascii")

    def seal(self, path: Path, key: SiteKey, project: str, protocol: Protocol) -> None:
        from cohortium.deidentify.explain import changes, sequences
        from cohortium.verify.record import Record, write

        rules = changes(protocol), sequences(protocol), protocol.subject.provenance
        write(path, key, Record(project, protocol.label, protocol.digest, __version__, tuple(self.entries), *rules))

    def as_dict(self, seconds: float) -> dict[str, Any]:
        files = sum(self.states.values())
        return {
            "files": files,
            "states": self.states,
            "quarantined": self.quarantined,
            "findings": self.findings,
            "set_aside": self.set_aside,
            "tables": self.tables,
            "bytes_in": self.read,
            "bytes_out": self.written,
            "seconds": round(seconds, 3),
            "files_per_second": round(files / seconds, 1),
        }


def _entry(outcome: Outcome) -> Entry:
    from cohortium.verify.record import Entry, blanks

    reason, places = outcome.aside.reason if outcome.aside else "", tuple(blanks(outcome.areas))
    return Entry(outcome.mark, outcome.state, outcome.output, outcome.digest, reason, places)


def _rows(number: int, outcome: Any) -> dict[str, object]:
    """What became of a table's rows and columns; every row that stayed behind by its number and the reason."""
    account = outcome.rows
    return {
        "file": number,
        "output": outcome.output,
        "rows": account.rows,
        "written": account.written,
        "set_aside": {reason: {"rows": each.count, "numbers": str(each)} for reason, each in account.aside.items()},
        "findings": [{"rule": finding.rule, "message": finding.message} for finding in outcome.findings],
    }


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1
