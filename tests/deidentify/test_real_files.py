"""Real files: what comes out shows the same picture as what came in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom.data
import pytest

import factory
from cohortium.deidentify import Deidentified, Deidentifier
from cohortium.values import SetAside

PYDICOM = Path(pydicom.data.__file__).parent / "test_files"
IDENTIFYING = ("PatientName", "PatientID", "PatientBirthDate", "AccessionNumber", "InstitutionName", "StationName")
NOBODY = {"TOSHIBA", "REMOVED"}  # a manufacturer that stands in for the institution; our own word for what is gone
CHANGED = ("pixels.unused-bits",)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def array(content: bytes) -> np.ndarray | None:
    """The decoded picture; None where there is none, or where pydicom cannot decode it."""
    try:
        return factory.read(content).pixel_array
    except (AttributeError, NotImplementedError, RuntimeError, ValueError):
        return None


def differences(by: Deidentifier, paths: list[Path]) -> Iterator[str]:
    for path in paths:
        content = path.read_bytes()
        result = by(content)
        if isinstance(result, SetAside):
            continue
        output = factory.joined(result.slices)
        factory.listed(output)
        if any(finding.rule in CHANGED for finding in result.findings):
            continue
        before, after = array(content), array(output)
        if before is not None and (after is None or not np.array_equal(before, after)):
            yield path.name


def survivors(by: Deidentifier, paths: list[Path]) -> Iterator[str]:
    """Names of files whose identifying values of some length are found in the output."""
    for path in paths:
        content = path.read_bytes()
        result = by(content)
        if isinstance(result, Deidentified):
            dataset = factory.read(content)
            values = {str(dataset.get(keyword, "")) for keyword in IDENTIFYING} - NOBODY
            if factory.planted_in(factory.joined(result.slices), {value for value in values if len(value) > 6}):
                yield path.name


def test_pictures_of_pydicoms_files_stay(basic: Deidentifier) -> None:
    paths = sorted(PYDICOM.glob("*.dcm"))
    assert len(paths) > 70
    assert list(differences(basic, paths)) == []


def test_identity_in_pydicoms_files_goes(basic: Deidentifier) -> None:
    assert list(survivors(basic, sorted(PYDICOM.glob("*.dcm")))) == []


@pytest.mark.shared_data
def test_pictures_of_real_files_stay(
    dragon: Deidentifier, shared_data: Path, sample: Callable[[int, int], int]
) -> None:
    """Every tenth file by default, each one in full."""
    paths = sorted(path for path in (shared_data / "dicom").rglob("*") if path.is_file())
    assert list(differences(dragon, paths[:: sample(10, 1)])) == []


@pytest.mark.shared_data
def test_identity_in_real_files_goes(basic: Deidentifier, shared_data: Path, sample: Callable[[int, int], int]) -> None:
    """Every tenth file by default, each one in full."""
    paths = sorted(path for path in (shared_data / "dicom").rglob("*") if path.is_file())
    assert list(survivors(basic, paths[:: sample(10, 1)])) == []
