"""The package itself: a folder with a file for each table, define.xml and package.json, which names every digest.

What always holds: the folder appears under its name in one step, when all of it is on the disk; a run that was broken
off leaves at most a folder whose name begins with a dot and ends with `.part`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyreadstat

from cohortium import __version__
from cohortium.clinical import sdtm, tables
from cohortium.clinical.reading import ROW
from cohortium.clinical.submission import define
from cohortium.clinical.submission.described import Group, group
from cohortium.clinical.submission.faults import Told
from cohortium.clinical.submission.joining import FILE, Form, Joined, Source, joined
from cohortium.clinical.submission.supplemental import supplement
from cohortium.errors import Refused
from cohortium.values import Finding

__all__ = ["About", "Package", "below", "write"]

SDTMIG = ("3.3", "3.4")
HEADER_DATES = (144, 160, 464, 480)  # bytes of a transport file that say when it was made
KIND = "cohortium submission 1"

Advance = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class About:
    """What is known of the tables as a whole.

    `study` is empty where STUDYID is to say it; `dataset` and `digest` name the dataset version that they are of.
    """

    sdtmig: str = SDTMIG[0]
    study: str = ""
    dataset: str = ""
    digest: str = ""
    made: datetime | None = None


@dataclass(frozen=True, slots=True)
class Package:
    """What was written: names of files with their rows; nothing where `findings` hold an error."""

    files: dict[str, int]
    findings: tuple[Finding, ...]
    errors: int


def below(folder: Path) -> list[Source]:
    """The tables in a folder and those below it; links are not followed."""
    places = (Path(at, name) for at, _, names in os.walk(folder) for name in names)
    found = ((path, tables.called(path.name)) for path in places if path.is_file() and not path.is_symlink())
    return sorted((Source(called, path) for path, called in found if called), key=lambda source: source.path)


def write(sources: Sequence[Source], into: Path, form: Form, about: About, advance: Advance) -> Package:
    """Write the package of these tables as a folder `into`, which must not be there."""
    if into.exists():
        raise Refused("--to is there already; a package is never written over another")
    if not sources:
        raise Refused("there is no clinical table: none is called {partner}_{domain}.csv, .tsv or .xpt")
    into.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{into.name}.", suffix=".part", dir=into.parent))
    try:
        told = Told()
        groups, studies = _tables(sources, part, form, about, told, advance)
        if told.errors:
            return Package({}, tuple(told.findings), told.errors)
        names = [f"{each.name.lower()}{form.suffix}" for each in groups]
        study = _study(about, studies, _digests(part, names))
        (part / "define.xml").write_bytes(define.define(study, groups, names))
        (part / "package.json").write_bytes(_manifest(sources, part, names, groups, form, study, about))
        for path in part.iterdir():
            _sync(path)
        _sync(part)
        part.rename(into)
        _sync(into.parent)
        return Package({name: each.rows for name, each in zip(names, groups, strict=True)}, tuple(told.findings), 0)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _tables(
    sources: Sequence[Source], part: Path, form: Form, about: About, told: Told, advance: Advance
) -> tuple[list[Group], set[str]]:
    """Write a file for each domain and its SUPP--, one domain in memory at a time."""
    by_domain: dict[str, list[Source]] = defaultdict(list)
    for each in sources:
        by_domain[each.called.domain].append(each)
    groups, studies = [], set[str]()
    for each in sources:
        if each.called.domain not in sdtm.domains():
            told.tell("submission.left-out", f"{each.called.domain} has no rows about subjects", each.path.name)
    ordered = [domain for domain in sdtm.domains() if domain in by_domain]
    for number, domain in enumerate(ordered):
        advance("tables", number, len(ordered))
        for made in _domain(by_domain[domain], domain, form, told):
            if "STUDYID" in made.frame.columns:
                studies |= set(made.frame["STUDYID"].drop_nulls().unique())
            if not told.errors:
                groups.append(group(made))
                _write(made, part / f"{made.domain.lower()}{form.suffix}", groups[-1], form, about)
    advance("tables", len(ordered), len(ordered))
    relations = [each for each in groups if each.domain.observations == "RELATIONSHIP"]
    return [*(each for each in groups if each not in relations), *relations], studies


def _domain(sources: Sequence[Source], domain: str, form: Form, told: Told) -> Iterator[Joined]:
    if len({each.called for each in sources}) < len(sources):
        told.tell("submission.file", f"two tables of {domain} have one name", sources[0].path.name)
        return
    made = joined(domain, sources, form, told)
    if made is not None:
        supp = supplement(made, form)
        yield made
        if supp is not None:
            yield supp


def _write(made: Joined, path: Path, table: Group, form: Form, about: About) -> None:
    """The rows as a file; they are let go of, for most of the memory is theirs."""
    names = [each.name for each in made.variables]
    frame = made.frame.select(names)
    made.frame = made.frame.select(ROW, FILE)
    if form is Form.CSV:
        shortest = pl.col(pl.Float64).cast(pl.String).str.strip_suffix(".0")
        frame.with_columns(shortest).write_csv(path, line_terminator="\r\n")  # RFC 4180
        return
    frame = frame.with_columns(pl.col(pl.Int64).cast(pl.Float64))
    labels: list[str | None] = [each.label or each.name for each in made.variables]
    pyreadstat.write_xport(
        frame,
        path,
        file_label=table.domain.label,
        column_labels=labels,
        table_name=table.name,
        file_format_version=5,
    )
    moment = (about.made or _now()).strftime("%d%b%y:%H:%M:%S").upper().encode("ascii")
    with path.open("r+b") as file:  # the library writes the clock's time, so that no package would ever equal another
        for at in HEADER_DATES:
            file.seek(at)
            file.write(moment)


def _study(about: About, studies: set[str], digests: dict[str, str]) -> define.Study:
    if not about.study and len(studies) != 1:
        raise Refused(f"STUDYID names {len(studies)} studies; say by --study what the package is of")
    identity = about.digest or hashlib.sha256("".join(sorted(digests.values())).encode()).hexdigest()
    whence = "Made from a folder of tables."
    if about.digest:
        whence = f"Made from dataset version {about.dataset}, sha256:{about.digest}."
    return define.Study(
        about.study or studies.pop(), about.sdtmig, whence, identity[:16], __version__, about.made or _now()
    )


def _manifest(
    sources: Sequence[Source],
    part: Path,
    names: Sequence[str],
    groups: Sequence[Group],
    form: Form,
    study: define.Study,
    about: About,
) -> bytes:
    rows = {name: each.rows for name, each in zip(names, groups, strict=True)}
    written = _digests(part, [*names, "define.xml"])
    document = {
        "kind": KIND,
        "software": f"cohortium {__version__}",
        "made": study.made.isoformat(timespec="seconds"),
        "study": study.name,
        "format": form.value,
        "standards": {"SDTMIG": about.sdtmig, "CDISC/NCI SDTM": sdtm.TERMINOLOGY, "Define-XML": "2.1"},
        "dataset": {"name": about.dataset, "digest": about.digest} if about.digest else None,
        "tables": [
            {"name": each.path.name, "digest": _digest(each.path)}
            for each in sorted(sources, key=lambda each: each.path.name)
        ],
        "files": [{"name": name, "digest": digest, "rows": rows.get(name)} for name, digest in written.items()],
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def _digests(folder: Path, names: Sequence[str]) -> dict[str, str]:
    return {name: _digest(folder / name) for name in names}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders, and makes renames durable by itself
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _now() -> datetime:
    return datetime.now(UTC)
