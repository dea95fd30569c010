"""A whole script in the shape of CTP's own, on real files: output or set aside with a reason, no exception, no leak."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pydicom.data
import pytest

import factory
from cohortium.deidentify import Deidentified, Deidentifier, ctp, load_protocol
from cohortium.keys import SiteKey
from cohortium.values import SetAside
from ctp_stock import script

PYDICOM = Path(pydicom.data.__file__).parent / "test_files"
IDENTIFYING = [
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "AccessionNumber",
    "InstitutionName",
    "StationName",
    "StudyDate",
]
IDENTIFYING += ["SOPInstanceUID", "StudyInstanceUID", "ReferringPhysicianName"]
NOBODY = {"TOSHIBA", "REMOVED", "1.2.840.10008"}
HEAD = 'name = "hospital"\nversion = "1"\ntitle = "T"\nedition = "2026c"\nbase = "basic"\n[ctp]\nscript = "script"\n'

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(params=["", "unspecifiedelements"])
def stock(request: pytest.FixtureRequest, tmp_path: Path) -> Deidentifier:
    text = script("privategroups", "overlays", *filter(None, [request.param]))
    assert ctp.read(text).problems == ()
    (tmp_path / "script").write_text(text)
    (tmp_path / "protocol.toml").write_text(HEAD)
    return Deidentifier(load_protocol(tmp_path / "protocol.toml"), SiteKey(bytes(32)), "p")


def survivors(by: Deidentifier, paths: list[Path]) -> Iterator[str]:
    """Names of files whose identifying values are found in what the script made of them."""
    for path in paths:
        content = path.read_bytes()
        result = by(content)
        if isinstance(result, Deidentified):
            output = factory.joined(result.slices)
            factory.listed(output)
            dataset = factory.read(content)
            values = {str(dataset.get(keyword, "")) for keyword in IDENTIFYING} - NOBODY
            if factory.planted_in(output, {value for value in values if len(value) > 6}):
                yield path.name


def test_pydicoms_files(stock: Deidentifier) -> None:
    paths = sorted(PYDICOM.glob("*.dcm"))
    assert len(paths) > 70
    assert list(survivors(stock, paths)) == []


@pytest.mark.shared_data
def test_real_files(stock: Deidentifier, shared_data: Path, sample: Callable[[int, int], int]) -> None:
    paths = [path for path in sorted((shared_data / "dicom").rglob("*")) if path.is_file()]
    assert list(survivors(stock, paths[:: sample(9, 1)])) == []


def test_damaged_files_end_in_an_outcome(stock: Deidentifier, sample: Callable[[int, int], int]) -> None:
    """150 mutated headers, 5,000 in full."""
    chance, content = random.Random(7), factory.ct()
    for _ in range(sample(150, 5000)):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 6)):
            damaged[chance.randrange(132, len(damaged) - len(factory.samples()))] = chance.randrange(256)
        result = stock(bytes(damaged))
        assert isinstance(result, Deidentified | SetAside)


def test_references_between_objects_stay_in_step(stock: Deidentifier) -> None:
    one = stock(factory.ct())
    items = [{"ReferencedSOPClassUID": factory.CT_IMAGE, "ReferencedSOPInstanceUID": factory.INSTANCE}]
    contours = [{"ContourSequence": [{"ContourImageSequence": items}]}]
    structures = {"SOPClassUID": factory.RT_STRUCTURE_SET, "Modality": "RTSTRUCT", "PixelData": None}
    other = stock(factory.ct(**structures, SOPInstanceUID="1.2.276.9", ROIContourSequence=contours))
    assert isinstance(one, Deidentified)
    assert isinstance(other, Deidentified)
    assert (one.PatientID, one.StudyInstanceUID) == (other.PatientID, other.StudyInstanceUID)
    output = factory.read(factory.joined(other.slices))
    if "ROIContourSequence" in output:
        reference = output.ROIContourSequence[0].ContourSequence[0].ContourImageSequence[0]
        assert reference.ReferencedSOPInstanceUID == one.SOPInstanceUID
