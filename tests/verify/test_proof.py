"""The proof of a folder: good outputs pass every check, and each thing that can be wrong with one is told apart."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.uid import RLELossless

import factory
from cohortium import keys
from cohortium.deidentify import load_protocol
from cohortium.deidentify.explain import changes, sequences
from cohortium.deidentify.tree import Task, run
from cohortium.dicom.redact import Rectangle
from cohortium.verify import conformance, mapping, record, report
from cohortium.verify.checks import Checked, Status
from cohortium.verify.proof import PAIRED, Extent, Proof, prove
from cohortium.verify.record import Blank, Entry, Record

KEY = keys.SiteKey(bytes(range(32)))
MARKING = record.marking_key(KEY)
SPARING = Extent(seed=0, pictures=0)
Change = Callable[[Dataset], None]


class Folder:
    """Inputs, their outputs, and the record that pairs them; outputs may be changed before the record is written."""

    def __init__(self, root: Path) -> None:
        self.source, self.destination = root / "in", root / "out"
        self.source.mkdir()
        self.blanks: tuple[Blank, ...] = ()

    def put(self, name: str, content: bytes) -> None:
        (self.source / name).write_bytes(content)

    def run(self, protocol: str = "basic") -> None:
        self.protocol = load_protocol(protocol)
        task = Task(self.protocol, KEY, "test", self.destination, digests=True, marking=MARKING)
        files = [(path, "") for path in sorted(self.source.iterdir())]
        outcomes = list(run(task, files))
        assert {each.state for each in outcomes} == {"de-identified"}
        self.made = {each.mark: each.output for each in outcomes}

    def change(self, which: int, change: Change) -> None:
        path = self.destination / list(self.made.values())[which]
        dataset = dcmread(path)
        change(dataset)
        dataset.save_as(path)

    def prove(self, extent: Extent | None = None) -> Proof:
        entries = (
            Entry(mark, "de-identified", output, digest(self.destination / output), blanks=self.blanks)
            for mark, output in self.made.items()
        )
        known = Record(
            "test", "basic 1.0", "0" * 64, "0", tuple(entries), changes(self.protocol), sequences(self.protocol)
        )
        return self.prove_with(known, extent)

    def prove_with(self, found: Record | None, extent: Extent | None = None) -> Proof:
        files = sorted(path for path in self.destination.rglob("*") if path.is_file())
        outputs = [(path.relative_to(self.destination).as_posix(), path) for path in files]
        inputs = sorted(self.source.iterdir())
        run = (found, KEY) if found else None
        return prove(inputs, outputs, run, extent or SPARING, lambda *_: None, show=extent is not None)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Three slices of one patient, one of another."""
    made = Folder(tmp_path)
    for number in range(3):
        made.put(f"{number}.dcm", factory.ct(SOPInstanceUID=f"{factory.INSTANCE}.{number}", InstanceNumber=str(number)))
    other = {
        "PatientID": "PAT-0815-Y",
        "StudyInstanceUID": "1.2.276.0.4711.1.9",
        "SeriesInstanceUID": "1.2.276.0.4711.2.9",
    }
    made.put("3.dcm", factory.ct(SOPInstanceUID=f"{factory.INSTANCE}.9", StudyDate="20200314", **other))
    return made


def check(proof: Proof, title: str) -> Checked:
    (found,) = (each for each in proof.checks if title in each.title)
    return found


def only_failure(proof: Proof, title: str) -> str:
    failed = [each.title for each in proof.checks if each.status == Status.FAILED and "IOD" not in each.title]
    assert len(failed) == 1, failed
    assert title in failed[0]
    return check(proof, title).problems[0].what


@pytest.mark.parametrize("protocol", ["basic", "dragon"])
def test_what_was_de_identified_passes(folder: Folder, protocol: str) -> None:
    folder.run(protocol)
    proof = folder.prove()
    assert not proof.search.hits
    assert [each.title for each in proof.checks if each.status == Status.FAILED and "IOD" not in each.title] == []
    assert check(proof, PAIRED).looked_at == "4 pairs"
    assert check(proof, "Pixels").looked_at == "4 frames"
    assert len(proof.patients) == 2
    assert proof.patients[factory.ID] != factory.ID
    assert proof.uids[f"{factory.INSTANCE}.9"].startswith("2.25.")


def test_without_a_record_nothing_is_paired(folder: Folder) -> None:
    folder.run()
    proof = folder.prove_with(None)
    assert proof.checks == ()
    assert not proof.failed


def test_outputs_that_the_record_does_not_account_for(folder: Folder) -> None:
    folder.run()
    names = list(folder.made.values())
    entries = [
        Entry(mark, "de-identified", output, digest(folder.destination / output))
        for mark, output in list(folder.made.items())[1:]
    ]
    with (folder.destination / names[1]).open("ab") as file:
        file.write(b"\0\0")
    (folder.destination / names[2]).unlink()
    (folder.source / "3.dcm").unlink()
    proof = folder.prove_with(Record("test", "basic", "", "0", tuple(entries)))
    found = {problem.what for problem in check(proof, PAIRED).problems}
    assert found == {
        "no input is recorded for it",
        "has other bytes than the run wrote",
        "was written by the run and is not there",
        "its input is not in SRC any more, or has changed",
        "1 files are not in the record: they came, or changed, after the run",
    }


def test_what_the_run_set_aside_is_counted(folder: Folder) -> None:
    folder.run()
    aside = Entry("0" * 64, "quarantined", reason="pixels not reviewed")
    proof = folder.prove_with(Record("test", "basic", "", "0", (aside,)))
    assert proof.set_aside == {"pixels not reviewed": 1}


def _set(keyword: str, value: object) -> Change:
    return lambda dataset: setattr(dataset, keyword, value)


def test_a_series_that_falls_apart(folder: Folder) -> None:
    folder.run()
    folder.change(1, _set("SeriesInstanceUID", "2.25.1"))
    assert only_failure(folder.prove(), "UIDs") == "SeriesInstanceUID: a UID has become two"


def test_two_series_that_fall_together(folder: Folder) -> None:
    folder.run()
    first = dcmread(folder.destination / next(iter(folder.made.values())))
    folder.change(3, _set("SeriesInstanceUID", first.SeriesInstanceUID))
    assert only_failure(folder.prove(), "UIDs") == "SeriesInstanceUID: two UIDs have become one"


def test_a_reference_that_points_elsewhere(folder: Folder) -> None:
    frame = [{"FrameOfReferenceUID": f"{factory.STUDY}.5"}]
    folder.put("4.dcm", factory.ct(SOPInstanceUID="1.2.3.4", ReferencedFrameOfReferenceSequence=frame))
    folder.run()
    assert check(folder.prove(), "UIDs").status == Status.PASSED

    def change(dataset: Dataset) -> None:
        dataset.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID = "2.25.7"

    folder.change(4, change)
    problems = check(folder.prove(), "UIDs").problems
    assert problems
    assert all(each.what.endswith("FrameOfReferenceUID: a UID has become two") for each in problems)


def test_a_patient_split_or_merged(folder: Folder) -> None:
    folder.run()
    folder.change(1, _set("PatientID", "ANOTHER"))
    assert only_failure(folder.prove(), "patient") == "PatientID: a patient has become two"
    first = dcmread(folder.destination / next(iter(folder.made.values())))
    folder.change(1, _set("PatientID", first.PatientID))
    folder.change(3, _set("PatientID", first.PatientID))
    assert only_failure(folder.prove(), "patient") == "PatientID: two patients have become one"


def _dated(said: str, study: str, series: str = "") -> Change:
    def change(dataset: Dataset) -> None:
        dataset.LongitudinalTemporalInformationModified = said
        dataset.StudyDate = study
        if series:
            dataset.SeriesDate = series

    return change


def test_dates_against_what_is_declared(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put("0.dcm", factory.ct(SeriesDate="20200305"))  # a day after the study
    folder.run("dragon")
    kept = check(folder.prove(), "Dates")
    assert kept.status == Status.PASSED
    assert kept.looked_at == "2 dates, 1 more are gone; declared UNMODIFIED in 1"  # the date of birth
    cases = {
        ("UNMODIFIED", "20200305", "20200305"): "StudyDate: changed, although dates are declared unmodified",
        ("REMOVED", "20200304", "20000101"): "StudyDate: as it was, although dates are declared REMOVED",
        ("MODIFIED", "20200304", "20200305"): "StudyDate: as it was, although dates are declared MODIFIED",
        ("", "20200304", "20000101"): "StudyDate: as it was, although dates are declared nothing at all",
        ("MODIFIED", "20190101", "20190103"): (
            "SeriesDate: moved by another number of days than this subject's other dates"
        ),
    }
    for case, problem in cases.items():
        folder.change(0, _dated(*case))
        assert only_failure(folder.prove(), "Dates") == problem
    good = ("20190228", "20190301"), ("20200101", "20200101"), ("20190228", "19000101")  # moved, cut, a dummy
    for case in (*(("MODIFIED", *each) for each in good), ("REMOVED", "", "")):
        folder.change(0, _dated(*case))
        assert check(folder.prove(), "Dates").status == Status.PASSED, case


def _blanked(value: int, *, half: bool = False, more: bool = False) -> Change:
    def change(dataset: Dataset) -> None:
        samples = dataset.pixel_array.copy()
        samples[:3, :4] = value
        if half:
            samples[0, 0] = value + 1
        if more:
            samples[3, 5] ^= 1
        dataset.PixelData = samples.tobytes()

    return change


def test_pixels_against_what_the_run_recorded(folder: Folder) -> None:
    folder.run()
    folder.change(0, _blanked(5))
    assert only_failure(folder.prove(), "Pixels") == "frame 1: other samples where nothing was blanked"
    folder.blanks = (Blank(0, 0, Rectangle(0, 0, 4, 3)),)
    for which in (1, 2, 3):
        folder.change(which, _blanked(5))
    proof = folder.prove()
    assert check(proof, "Pixels").status == Status.PASSED
    assert check(proof, "Pixels").note == "4 frames are blanked in part, as recorded."
    folder.change(0, _blanked(5, half=True))
    assert only_failure(folder.prove(), "Pixels") == "frame 1: a place that the run blanked is not blank"
    folder.change(0, _blanked(5, more=True))
    assert only_failure(folder.prove(), "Pixels") == "frame 1: other samples where nothing was blanked"


def test_a_picture_that_was_to_be_blanked_and_was_not(folder: Folder) -> None:
    folder.run()
    folder.blanks = (Blank(0, 0, Rectangle(0, 0, 4, 3)),)
    assert only_failure(folder.prove(), "Pixels") == "frame 1: a place that the run blanked is not blank"


def test_equal_samples_in_another_encoding_are_equal(folder: Folder) -> None:
    folder.run()
    folder.change(0, lambda dataset: dataset.compress(RLELossless, generate_instance_uid=False))
    assert check(folder.prove(), "Pixels").status == Status.PASSED


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda dataset: dataset.__delitem__("PixelData"), "the pixels are gone"),
        (_set("RescaleIntercept", "0"), "what a sample means (rescaling, spacing) has changed"),
    ],
)
def test_pictures_that_lost_something(folder: Folder, change: Change, problem: str) -> None:
    folder.run()
    folder.change(0, change)
    assert only_failure(folder.prove(), "Pixels") == problem


def test_a_private_element_that_stayed(folder: Folder) -> None:
    folder.run()

    def change(dataset: Dataset) -> None:
        dataset.private_block(0x0011, "ACME", create=True).add_new(1, "LO", "x")

    folder.change(0, change)
    problem = only_failure(folder.prove(), "Private")
    assert problem == "(0011,0010): private, and the option to retain safe ones is not declared"


def test_a_short_value_that_stayed_in_its_place(folder: Folder) -> None:
    folder.run()
    folder.change(0, _set("PatientSex", "M"))
    assert (
        only_failure(folder.prove(), "not as it was") == "PatientSex: as it was, although the protocol has it emptied"
    )


@pytest.fixture
def checker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A program in the checker's place that does what the test needs."""
    (tmp_path / "bin").mkdir()

    def put(script: str) -> None:
        program = tmp_path / "bin" / conformance.PROGRAM
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return put


def test_conformance_without_a_checker(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    folder.run()
    found = check(folder.prove(), "IOD")
    assert found.status == Status.NOT_CHECKED
    assert "not installed" in found.note


def test_a_checker_that_crashes_is_no_verdict(folder: Folder, checker: Callable[[str], None]) -> None:
    checker("kill -SEGV $$")
    folder.run()
    found = check(folder.prove(), "IOD")
    assert found.status == Status.NOT_CHECKED
    assert "crashed 2 times" in found.note


@pytest.mark.parametrize(("objects", "asked"), [(1, "2 of 4"), (2, "3 of 4"), (0, "4 of 4")])
def test_as_many_objects_of_each_series_as_wanted(
    folder: Folder, checker: Callable[[str], None], objects: int, asked: str
) -> None:
    checker("exit 0")
    folder.run()
    found = check(folder.prove(Extent(0, pictures=0, objects=objects)), "IOD")
    assert found.looked_at == f"{asked} objects in 2 series; 0 errors before, 0 after"


def test_only_new_errors_count_and_values_are_not_repeated(folder: Folder, checker: Callable[[str], None]) -> None:
    checker(
        "echo 'Error - </PatientName(0010,0010)[1]> - Value invalid for this VR [PN] = <MUELLER>' >&2\n"
        "if grep -q 2.25; then echo 'Error - </StudyID(0020,0010)> - Missing attribute for Type 2 Required' >&2; fi"
    )
    folder.run()
    found = check(folder.prove(), "IOD")
    assert {problem.what for problem in found.problems} == {
        "dciodvfy: (0020,0010) Missing attribute for Type 2 Required"
    }
    assert "2 of 4 objects in 2 series; 2 errors before, 4 after" in found.looked_at
    assert "MUELLER" not in repr(found)


@pytest.mark.skipif(not shutil.which(conformance.PROGRAM), reason="no dciodvfy; apt-get install dicom3tools")
def test_the_real_checker_finds_a_broken_output(folder: Folder) -> None:
    folder.run()
    before = len(check(folder.prove(), "IOD").problems)
    for which in range(4):
        folder.change(which, lambda dataset: dataset.__delitem__("SamplesPerPixel"))
    assert len(check(folder.prove(), "IOD").problems) > before


def test_reports_are_secrets_and_tell_what_remains(folder: Folder, tmp_path: Path) -> None:
    folder.run()
    folder.change(0, _set("SeriesDescription", "left <b>behind</b>"))
    proof = folder.prove(Extent(3, 1, 0))
    report.write(tmp_path / "report", proof)
    for name in ("report.html", "report.json"):
        assert (tmp_path / "report" / name).stat().st_mode & 0o777 == 0o600
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert "&lt;b&gt;behind" in page
    assert page.count("data:image/png;base64,") in (1, 3)
    assert "http:" not in page
    assert "https:" not in page
    told = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert told["sample"]["seed"] == 3
    (described,) = (each for each in told["remains"] if each["path"] == "SeriesDescription")
    assert described == {
        "path": "SeriesDescription", "tag": "(0008,103E)", "vr": "LO", "values": {"left <b>behind</b>": 1}
    }  # fmt: skip
    (rows,) = (each for each in told["remains"] if each["path"] == "Rows")
    assert rows["values"] == {str(factory.ROWS): 4}
    assert not factory.planted_in((page + json.dumps(told)).encode())


def test_the_draw_is_repeated_by_its_seed(folder: Folder) -> None:
    folder.run()
    first, second = folder.prove(Extent(1, 1, 0)), folder.prove(Extent(1, 1, 0))
    assert first.sample == second.sample
    drawn = {folder.prove(Extent(seed, 1, 0)).sample.sheets[0].series for seed in range(8)}
    assert len(drawn) == 2


def test_projections_are_of_all_pictures(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for number in range(3):
        picture = np.full((factory.ROWS, factory.COLUMNS), 100, "<u2")
        picture[number, :] = 900
        folder.put(f"{number}.dcm", factory.ct(SOPInstanceUID=f"1.2.3.{number}", PixelData=picture.tobytes()))
    folder.run()
    (sheet,) = folder.prove(Extent(0, 5, 0)).sample.sheets
    assert (sheet.frames, sheet.left_out, sheet.modality) == (3, 0, "CT")
    pictures = {
        each.kind: np.asarray(Image.open(BytesIO(base64.b64decode(each.picture.partition(",")[2]))))
        for each in sheet.projections
    }
    assert set(pictures) == {"minimum", "mean", "maximum"}
    assert np.unique(pictures["minimum"]).tolist() == [0]  # no row is bright in all of them
    assert (pictures["maximum"][:3] == 255).all()
    assert (pictures["maximum"][3:] == 0).all()


def test_one_table_of_patients_and_uids(folder: Folder, tmp_path: Path) -> None:
    folder.run()
    proof = folder.prove()
    mapping.write(tmp_path / "mapping.csv", proof.patients, proof.uids)
    assert (tmp_path / "mapping.csv").stat().st_mode & 0o777 == 0o600
    rows = list(csv.DictReader((tmp_path / "mapping.csv").read_text("utf-8").splitlines()))
    assert {row["id_old"]: row["id_new"] for row in rows} == {**proof.patients, **proof.uids}


def test_mapping_tables_as_the_validation_reads_them(folder: Folder, tmp_path: Path) -> None:
    folder.run()
    proof = folder.prove()
    mapping.write(tmp_path / "mapping", proof.patients, proof.uids)
    for name, old in (("patid_mapping.csv", factory.ID), ("uid_mapping.csv", factory.STUDY)):
        path = tmp_path / "mapping" / name
        assert path.stat().st_mode & 0o777 == 0o600
        rows = list(csv.DictReader(path.read_text("utf-8").splitlines()))
        assert list(rows[0]) == ["id_old", "id_new"]
        (row,) = (row for row in rows if row["id_old"] == old)
        assert list(folder.destination.rglob(f"{row['id_new']}*"))
