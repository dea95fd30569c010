"""Another protocol tried on what waits in the spool: what would change, before it does.

What always holds: nothing is changed by it. Whoever would get a pseudonym gets it in a copy of the table of
correspondence, which lies sealed in the spool's folder and goes when the rehearsal ends.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, select

from cohortium.config import Config
from cohortium.deidentify import Deidentified, Deidentifier
from cohortium.deidentify.ctp.store import tables_for
from cohortium.deidentify.outcomes import differing
from cohortium.deidentify.rows import path_of
from cohortium.deidentify.subjects import Subjects
from cohortium.deidentify.table import means
from cohortium.dicom.filemeta import is_dicom
from cohortium.errors import ConfigError, Corrupt, Malformed
from cohortium.keys import SiteKey
from cohortium.spool import Item, Spool, items
from cohortium.spool.states import KEEPS
from cohortium.store.schema import item
from cohortium.values import Protocol, SetAside

__all__ = ["Rehearsal", "compare"]

PASSES = "goes on"
REHEARSAL = "rehearsal-"  # begins the names of folders in the spool that are of no use to another process


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Of how many items what would differ: `attributes` by name and what becomes of it under both, `ends` by both ends.

    An end is that it goes on, or why it is set aside.
    """

    items: int
    attributes: Counter[tuple[str, str, str]]
    ends: Counter[tuple[str, str]]


def compare(
    config: Config, key: SiteKey, spool: Spool, pipeline: str, both: tuple[Protocol, Protocol], most: int
) -> Rehearsal:
    """Make at most `most` items of the pipeline, spread over all that it has here, under both protocols."""
    project = next((each.project for each in config.pipelines if each.name == pipeline), None)
    if project is None:
        raise ConfigError(f"no pipeline {pipeline!r} is configured")
    with spool.reading() as connection:
        sample = _sample(connection, pipeline, most)
    rehearsal = Rehearsal(0, Counter(), Counter())
    with ExitStack() as copies:
        makers = [_maker(config, key, project, each, copies.enter_context(_table(config, spool))) for each in both]
        for each in sample:
            try:
                before = spool.incoming(each)
            except Corrupt:  # it went on meanwhile
                continue
            if not is_dicom(before[:256]):
                continue  # a table, of which the protocol itself says what becomes of each column
            rehearsal = replace(rehearsal, items=rehearsal.items + 1)
            _try(before, makers[0], makers[1], rehearsal)
    return rehearsal


@contextmanager
def _table(config: Config, spool: Spool) -> Iterator[Path]:
    """A folder with a copy of the table of correspondence, which goes with the block."""
    there = path_of(config.site.data)
    with tempfile.TemporaryDirectory(dir=spool.folder, prefix=REHEARSAL) as name:
        copy = path_of(Path(name))
        if there.exists():
            whole = f"file:{quote(str(there))}?mode=ro"
            with closing(sqlite3.connect(whole, uri=True)) as source, closing(sqlite3.connect(copy)) as target:
                source.backup(target)
        yield Path(name)


def _maker(config: Config, key: SiteKey, project: str, protocol: Protocol, data: Path) -> Deidentifier:
    if protocol.subject.kind == "fresh":
        raise ConfigError(f"{protocol.label}: fresh identifiers are for one batch, and cannot be tried here")
    secret, table = means(replace(config.site, data=data), key, project, protocol)
    subjects = Subjects(protocol, key, project, secret, table, config.site.issuer)
    return Deidentifier(protocol, key, project, subjects, tables_for(protocol, key, project, data))


def _sample(connection: Connection, pipeline: str, most: int) -> list[Item]:
    """Evenly spread, in order of arrival, over the items whose bytes are here."""
    here = item.c.pipeline == pipeline, item.c.state.in_([state for state, kept in KEEPS.items() if "incoming" in kept])
    ids = list(connection.scalars(select(item.c.id).where(*here).order_by(item.c.number)))
    chosen = [ids[number * len(ids) // most] for number in range(most)] if len(ids) > most else ids
    return items.of_ids(connection, chosen)


def _try(before: bytes, one: Deidentifier, other: Deidentifier, rehearsal: Rehearsal) -> None:
    made = one(before), other(before)
    rehearsal.ends[_end(made[0]), _end(made[1])] += 1
    if isinstance(made[0], Deidentified) and isinstance(made[1], Deidentified):
        try:
            found = differing(before, b"".join(made[0].slices), b"".join(made[1].slices))
        except Malformed:  # both go on, and pydicom cannot read what came
            found = {"(unreadable)": ("unknown", "unknown otherwise")}
        rehearsal.attributes.update((name, *outcomes) for name, outcomes in found.items())


def _end(made: Deidentified | SetAside) -> str:
    return made.reason.value if isinstance(made, SetAside) else PASSES
