"""The option Clean Recognizable Visual Features, from a folder to a folder."""

from __future__ import annotations

import hashlib
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pydicom
import pytest

import phantom_head
from cohortium.deidentify import Deidentified, Deidentifier, faces, load_protocol, tree
from cohortium.dicom import codecs
from cohortium.errors import ConfigError
from cohortium.keys import SiteKey
from cohortium.values import Protocol, Reason, SetAside, State
from factory import JPEG_LS, MR_IMAGE, ct, joined, planted_in, read

KEY = SiteKey(bytes(range(32)))
PROTOCOL = """
name = "faceless"
version = "1"
title = "Heads without faces"
edition = "2026c"
base = "basic"
options = ["Clean Recognizable Visual Features"]
"""

needs_faces = pytest.mark.skipif(not faces.available(), reason="the extra `faces` is not installed")


@pytest.fixture
def protocol(tmp_path: Path) -> Protocol:
    path = tmp_path / "faceless.toml"
    path.write_text(PROTOCOL, encoding="utf-8")
    return load_protocol(path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A head, one of its slices twice, and another scan of a knee."""
    folder = tmp_path / "in"
    folder.mkdir()
    head = phantom_head.series()
    for number, content in enumerate(head):
        (folder / f"{number:03}.dcm").write_bytes(content)
    (folder / "030 again.dcm").write_bytes(head[30])
    (folder / "knee.dcm").write_bytes(ct(SeriesInstanceUID="1.2.276.0.4711.2.2", BodyPartExamined="KNEE"))
    return folder


def run(protocol: Protocol, source: Path, destination: Path, executor: ProcessPoolExecutor | None = None) -> list:
    task = tree.Task(protocol, KEY, "p", destination, digests=True)
    return list(tree.run(task, [(path, "") for path in sorted(source.iterdir())], executor))


def outputs(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def codes(dataset: pydicom.Dataset) -> list[str]:
    return [item.CodeValue for item in dataset.DeidentificationMethodCodeSequence]


@needs_faces
def test_a_head_comes_out_whole_faceless_and_stamped_and_a_knee_as_it_is(protocol, source, tmp_path):
    found = run(protocol, source, tmp_path / "out")
    assert Counter(each.state for each in found) == {State.DEIDENTIFIED: 61, State.DUPLICATE: 1}
    assert sorted(each.number for each in found) == list(range(1, 63))
    assert all(Path(each.path) == sorted(source.iterdir())[each.number - 1] for each in found)
    made = outputs(tmp_path / "out")
    assert len(made) == 61
    assert set(made) == {each.output for each in found}
    for content in made.values():
        assert not planted_in(content)
        dataset = read(content)
        cleaned = dataset.Rows == 128
        assert dataset.get("RecognizableVisualFeatures") == ("NO" if cleaned else None)
        assert codes(dataset) == (["113100", "113102"] if cleaned else ["113100"])
    assert all(hashlib.sha256(made[each.output]).hexdigest() == each.digest for each in found)


@needs_faces
def test_again_and_with_more_processes_it_makes_the_same_bytes(protocol, source, tmp_path):
    run(protocol, source, tmp_path / "one")
    before = outputs(tmp_path / "one")
    again = run(protocol, source, tmp_path / "one")
    assert {each.state for each in again} == {State.DUPLICATE}
    with ProcessPoolExecutor(2) as executor:
        run(protocol, source, tmp_path / "two", executor)
    assert outputs(tmp_path / "two") == before == outputs(tmp_path / "one")


@needs_faces
def test_a_series_that_cannot_be_cleaned_stays_whole_in_quarantine(protocol, source, tmp_path):
    (source / "030.dcm").unlink()
    (source / "030 again.dcm").unlink()
    (source / "031.dcm").unlink()
    found = run(protocol, source, tmp_path / "out")
    assert Counter(each.state for each in found) == {State.QUARANTINED: 58, State.DEIDENTIFIED: 1}
    asides = {each.aside for each in found if each.aside}
    assert asides == {SetAside(Reason.FACE, "slices are missing between the others")}
    assert len(outputs(tmp_path / "out")) == 1  # the knee


@needs_faces
def test_compressed_slices_are_compressed_again_without_loss(protocol, source, tmp_path):
    for path in source.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.compress(JPEG_LS, generate_instance_uid=False)
        dataset.save_as(path)
    made = run(protocol, source, tmp_path / "compressed")
    assert {each.state for each in made} == {State.DEIDENTIFIED, State.DUPLICATE}
    dataset = next(read(content) for content in outputs(tmp_path / "compressed").values() if read(content).Rows == 128)
    assert dataset.file_meta.TransferSyntaxUID == JPEG_LS
    samples = codecs.decode(dataset)[0]
    assert (samples == 24).mean() > 0.3


@needs_faces
def test_an_enhanced_object_is_a_series_of_its_own(protocol, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "head.dcm").write_bytes(enhanced())
    (outcome,) = run(protocol, tmp_path / "in", tmp_path / "out")
    assert outcome.state is State.DEIDENTIFIED, outcome.aside
    dataset = read((tmp_path / "out" / outcome.output).read_bytes())
    assert dataset.RecognizableVisualFeatures == "NO"
    frame = codecs.decode(dataset, 25)[0]
    assert frame[0, 0] == 24
    assert (frame == 24).mean() > 0.4


def enhanced() -> bytes:
    """The head as one Enhanced CT, its frames from head to foot."""
    slices = [read(each) for each in phantom_head.series()][::-1]
    first = slices[0]
    shared = {
        "PixelMeasuresSequence": [{"SliceThickness": "4", "PixelSpacing": ["2", "2"]}],
        "PlaneOrientationSequence": [{"ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"]}],
        "PixelValueTransformationSequence": [{"RescaleIntercept": "-1024", "RescaleSlope": "1"}],
    }
    frames = [
        {"PlanePositionSequence": [{"ImagePositionPatient": list(map(str, s.ImagePositionPatient))}]} for s in slices
    ]
    return ct(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1",
        StudyDescription="HEAD",
        BurnedInAnnotation="NO",
        NumberOfFrames=str(len(slices)),
        Rows=first.Rows,
        Columns=first.Columns,
        ImagePositionPatient=None,
        ImageOrientationPatient=None,
        PixelSpacing=None,
        SliceThickness=None,
        RescaleIntercept=None,
        RescaleSlope=None,
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=frames,
        PixelData=b"".join(each.PixelData for each in slices),
    )


def test_a_single_object_that_may_show_a_face_is_set_aside_wherever_series_are_not_whole(protocol):
    deidentify = Deidentifier(protocol, KEY, "p")
    result = deidentify(ct(StudyDescription="HEAD", SOPClassUID=MR_IMAGE, Modality="MR"))
    assert isinstance(result, SetAside)
    assert result.reason is Reason.FACE
    plain = deidentify(ct(BodyPartExamined="KNEE"))
    assert isinstance(plain, Deidentified)
    assert not plain.face
    assert codes(read(joined(plain.slices))) == ["113100"]


def test_on_a_persons_word_that_no_face_shows_nothing_is_removed_and_nothing_said_to_be(protocol):
    made = Deidentifier(protocol, KEY, "p")(ct(StudyDescription="HEAD"), faceless=True)
    assert isinstance(made, Deidentified)
    assert not made.face
    assert "faces.looked-at" in [finding.rule for finding in made.findings]
    assert codes(read(joined(made.slices))) == ["113100"]
    knee = Deidentifier(protocol, KEY, "p")(ct(BodyPartExamined="KNEE"), faceless=True)
    assert isinstance(knee, Deidentified)
    assert "faces.looked-at" not in [finding.rule for finding in knee.findings]


def test_without_the_extra_nothing_is_started(protocol, source, tmp_path, monkeypatch):
    monkeypatch.setattr(faces, "available", lambda: False)
    with pytest.raises(ConfigError, match=r"pip install 'cohortium\[faces\]'"):
        run(protocol, source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@needs_faces
@pytest.mark.shared_data
def test_a_real_head_loses_its_face_and_keeps_its_brain(protocol, shared_data, tmp_path):
    found = run(protocol, shared_data / "dicom/ct_ge_tilt/GE", tmp_path / "out")
    assert {each.state for each in found} == {State.DEIDENTIFIED}
    deep, kept = np.s_[200:320, 220:300], 0
    for each in found:
        old, new = (codecs.decode(pydicom.dcmread(path))[0] for path in (each.path, tmp_path / "out" / each.output))
        assert 0.4 < (old != new).mean() < 0.95
        if old[deep].min() > -100:  # no sinus and no air: well inside the head
            kept += 1
            assert np.array_equal(old[deep], new[deep])
    assert kept >= 10
