"""A small hospital: a folder of identifiable slices, a site that takes them, and everything it remembers afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import select

import dying
from cohortium import config, gateway, keys
from cohortium.prove import audit
from cohortium.store import open_store, schema
from hospital import PLANTED, slice_of

CONFIGURATION = """
[[project]]
name = "study"
[[pipeline]]
name = "all"
source = "{source}"
project = "study"
specification = "strict.toml"
"""
STRICT = """
name = "strict"
version = "1"
title = "Missing slices hold a series"
[completeness.missing]
severity = "error"
explanation = "No slice is missing."
mend = "send it again"
"""


RUN = """
# Batches are small, so that most kills fall between two of them or into one that is not the first.
from pathlib import Path
from cohortium import config, gateway
from cohortium.acquire import folder
from cohortium.spool import items
folder.BATCH = items.BATCH = 4
def act(file):
    gateway.run(config.load(Path(file)), lambda *_: None)
"""


@dataclass(frozen=True)
class Hospital:
    """Its source folder, and a site whose data root is `root / "data"`."""

    source: Path
    root: Path

    @property
    def file(self) -> Path:
        return self.root / "cohortium.toml"

    def put(self, name: str, content: bytes) -> Path:
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def run(self) -> gateway.Summary:
        return gateway.run(config.load(self.file), lambda stage, done, total: None)

    def another(self, root: Path) -> Hospital:
        """A site of its own on the same source and with the same key, so that both must come to the same end."""
        other = replace(self, root=root)
        shutil.copytree(self.root, root, ignore=shutil.ignore_patterns("data"))
        return other

    def rows(self, table: Any, *leave_out: str) -> list[dict[str, Any]]:
        with open_store(self.root / "data").begin() as connection:
            found = [dict(row) for row in connection.execute(select(table)).mappings()]
        return [{key: value for key, value in row.items() if key not in leave_out} for row in found]

    def memory(self) -> dict[str, Any]:
        """All that the site remembers, but for random salts and keys and the time of day."""
        data = self.root / "data"
        files = [path for path in (data / "objects").rglob("*") if path.is_file()]
        objects = [path for path in files if "#" not in path.name]  # else half-written by obstore, for fsck to clear
        with open_store(data).begin() as connection:
            entries = audit.verify_chain(connection)
        return {
            "items": sorted(self.rows(schema.item, "received", "changed"), key=str),
            "arrivals": sorted(self.rows(schema.arrival, "path"), key=str),
            "subjects": sorted(self.rows(schema.subject, "id"), key=str),
            "instances": sorted(self.rows(schema.instance, "id", "key_id"), key=str),
            "findings": sorted(self.rows(schema.finding, "id"), key=str),
            "audit entries": entries,
            "provenance": sorted(row["output"] for row in self.rows(schema.provenance)),
            "objects": len(objects),  # their names are keyed
            "spool": sorted(str(path.relative_to(data)) for path in (data / "spool").rglob("*") if path.is_file()),
        }


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    root, source = tmp_path / "site", tmp_path / "WARD-SEVEN"
    root.mkdir()
    source.mkdir()
    (root / "cohortium.toml").write_text(CONFIGURATION.format(source=source))
    (root / "strict.toml").write_text(STRICT)
    keys.create(root / "keys" / "site.key")
    return Hospital(source, root)


@pytest.fixture
def make() -> Callable[..., bytes]:
    return slice_of


@pytest.fixture
def planted() -> tuple[str, ...]:
    return PLANTED


@pytest.fixture
def crowded(hospital: Hospital) -> Hospital:
    """The same with something of everything: good, held, twice, in conflict, broken, and not DICOM at all."""

    def other_pixels(dataset: Dataset) -> None:
        dataset.PixelData = b"\7" * 512

    for number in range(1, 7):
        hospital.put(f"good/TULIPAN-{number}.dcm", slice_of(number))
    for number in (1, 2, 3, 5, 6):  # the fourth is missing
        hospital.put(f"gap/{number}.dcm", slice_of(number, series=2))
    hospital.put("copy.dcm", slice_of(3))
    hospital.put("conflict/1.dcm", slice_of(1, series=3))
    hospital.put("conflict/2.dcm", slice_of(1, other_pixels, series=3))
    hospital.put("same-but-for-the-ward.dcm", slice_of(2, lambda d: setattr(d, "PatientAddress", ""), series=1))
    hospital.put("cut.dcm", slice_of(9)[:-100])
    hospital.put("empty.dcm", b"")
    hospital.put("letter.txt", b"Dear colleague, Ottilie ...")
    return hospital


@pytest.fixture(scope="session")
def run_mortal() -> Iterator[dying.AtWork]:
    """`run_mortal(configuration, at=moment)`: a run of a gateway, which may be killed."""
    with dying.at_work(RUN) as at_work:
        yield at_work
