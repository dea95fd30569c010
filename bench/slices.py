"""What the benchmarks work on: plain CT slices, raw and compressed, and what copying them costs."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from pathlib import Path

import pydicom
from openjpeg.utils import encode_pixel_data
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from cohortium.demo import hospital

__all__ = ["SYNTAXES", "children", "compressed", "copy", "files", "linked", "make"]

ELEMENTS = 120
SYNTAXES = {"raw": None, "JPEG-LS": JPEGLSLossless, "JPEG 2000": JPEG2000Lossless}


def make(folder: Path, count: int) -> int:
    """Write `count` slices to `folder`/in; returns how many top-level elements each has."""
    source = folder / "hospital"
    hospital.make(source)
    ct = [path for path in sorted(source.rglob("IM*")) if 500_000 < path.stat().st_size < 600_000]
    (folder / "in").mkdir()
    for number in range(count):
        dataset = pydicom.dcmread(ct[number % len(ct)])
        dataset.remove_private_tags()
        optional = [element.tag for element in dataset if element.tag.group in (0x32, 0x38, 0x40, 0x5000, 0x6000)]
        for tag in (tag for tag in [*optional, *_least_wanted(dataset)] if len(dataset) > ELEMENTS and tag in dataset):
            del dataset[tag]
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.826.0.1.99.{number}"
        dataset.save_as(folder / "in" / f"{number:04d}.dcm", enforce_file_format=True)
    return len(dataset)


def _least_wanted(dataset: pydicom.Dataset) -> list[int]:
    """Tags that a plain CT slice rarely has, from the back: what stands behind the pixels first."""
    return [element.tag for element in reversed(list(dataset)) if element.tag > 0x7FE00010 or element.tag.group == 0x10]


def compressed(source: Path, target: Path, syntax: str) -> None:
    """The slices of `source` again, in another transfer syntax."""
    target.mkdir()
    for path in sorted(source.iterdir()):
        dataset = pydicom.dcmread(path)
        if syntax == JPEG2000Lossless:
            _jpeg2000(dataset)
        else:
            dataset.compress(syntax, generate_instance_uid=False)
        dataset.save_as(target / path.name, enforce_file_format=True)


def _jpeg2000(dataset: pydicom.Dataset) -> None:
    frame = encode_pixel_data(
        dataset.PixelData[: 2 * dataset.Rows * dataset.Columns],  # what stands behind the samples goes
        rows=dataset.Rows,
        columns=dataset.Columns,
        samples_per_pixel=1,
        bits_stored=dataset.BitsStored,
        pixel_representation=dataset.PixelRepresentation,
        photometric_interpretation=dataset.PhotometricInterpretation,
    )
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless


def copy(source: Path, target: Path) -> float:
    """CPU seconds of `cp -r`."""
    before = children()
    subprocess.run(["cp", "-r", "--reflink=never", source, target], check=True)
    seconds = children() - before
    shutil.rmtree(target)
    return seconds


def children() -> float:
    """CPU seconds of the processes that ended so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def files(folder: Path) -> list[tuple[Path, str]]:
    return [(path, "") for path in sorted(folder.iterdir())]


def linked(source: Path, target: Path, count: int) -> None:
    """`count` files in `target`, each a link to one of `source`."""
    target.mkdir()
    sources = sorted(source.iterdir())
    for number in range(count):
        os.link(sources[number % len(sources)], target / f"{number:06d}.dcm")
