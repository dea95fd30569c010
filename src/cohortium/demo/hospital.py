"""A made-up hospital's export: real sample images, two made-up patients, and the odd files that every disk has.

The same bytes every time, and identity planted in every place where hospitals have it; `make` returns all of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pydicom.data

from cohortium.demo.people import patients, planted, site
from cohortium.demo.series import series
from cohortium.demo.strays import strays

__all__ = ["make"]


def make(folder: Path, slices: int = 60) -> tuple[str, ...]:
    """Fill `folder`, unless it is there already, and return every identifying value planted in it.

    The folder appears whole or not at all. Below four slices a series lacks some of the planted places.
    """
    if not folder.exists():
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)  # what a killed run left
        for path, content in _contents(slices):
            target = part / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        part.rename(folder)
    return planted()


def _contents(slices: int) -> Iterator[tuple[Path, bytes]]:
    disk = Path("DISK_01")
    duplicate = disk / site()["folder"] / "IM000001"
    for patient in patients():
        home = disk / "DICOM" / patient.identity["folder"]
        for study, index, content in series(patient, slices):
            yield home / f"ST{study:06d}" / "SE000003" / f"IM{index + 1:06d}", content
            if (patient.number, study, index) == (1, 0, 0):
                yield duplicate, content
    for name, content in strays():
        yield disk / name, content
    for path in _samples():
        yield Path("DISK_02") / path, (Path(pydicom.data.__file__).parent / path).read_bytes()


def _samples() -> Iterator[Path]:
    """The sample files of pydicom that are DICOM or pretend to be."""
    root = Path(pydicom.data.__file__).parent
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix in ("", ".dcm") and path.name != "README":
            yield path.relative_to(root)
