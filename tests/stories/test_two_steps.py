"""Step 1 pseudonymises in the hospital, people curate, step 2 anonymises what they froze, and nothing joins the two.

The folder of step 1 is made by the command of step 1. Killed runs are killed at a random one of the moments at which a
run touches disk or store, the destruction at its end among them. Sample: 8 batches; 300 with COHORTIUM_TEST_FULL=1.
"""

from __future__ import annotations

import csv
import hashlib
import json
import random
import shutil
import sqlite3
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.multival import MultiValue

import dying
import factory
from cohortium import __version__, keys
from cohortium.acquire.folder import walk
from cohortium.deidentify import batch, load_protocol, workfolder
from cohortium.deidentify.workfolder import Batch
from cohortium.verify.record import marking_key

Run = Callable[..., subprocess.CompletedProcess[str]]
PROTOCOL = load_protocol("chaimeleon-anonymise")
PATIENTS, STUDIES, SLICES = 3, 2, 3

LIBRARIES = """
import cohortium.deidentify.batch, cohortium.deidentify.workfolder, cohortium.prove.audit, cohortium.store
import cohortium.acquire.folder, cohortium.cli.workers, cohortium.cli.terminal, cohortium.verify.record
"""


@pytest.fixture(scope="module")
def step1(tmp_path_factory: pytest.TempPathFactory, cohortium: Run) -> Path:
    """A site, and in `step1` what step 1 made of three patients; `truth.json` tells who became whom."""
    home = tmp_path_factory.mktemp("hospital")
    assert cohortium("init", cwd=home).returncode == 0
    for patient in range(PATIENTS):
        for study in range(STUDIES):
            for number in range(SLICES):
                path = home / "in" / f"p{patient}" / f"s{study}" / f"{number}.dcm"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(slice_of(patient, study, number))
    done = cohortium("deidentify", "in", "step1", "--protocol", "chaimeleon-pseudonymise", "--json", cwd=home)
    assert json.loads(done.stdout)["states"] == {"de-identified": PATIENTS * STUDIES * SLICES}
    (home / "step1" / "curated.txt").write_text("all of it")
    return home


def slice_of(patient: int, study: int, number: int) -> bytes:
    """A slice whose dates, times, names and UIDs are its patient's alone, and whose numbers are everybody's."""
    uid = f"1.2.{patient + 3}.{study}"
    day, clock = f"20{10 + 3 * study}0{patient + 1}1{study}", f"1{patient}1{study}2{number}.{patient}{study}{number}457"
    reference = {"ReferencedSOPClassUID": factory.CT_IMAGE, "ReferencedSOPInstanceUID": f"{uid}.77"}
    drug = {"RadiopharmaceuticalStartDateTime": f"{day}{clock}+0100", "RadiopharmaceuticalStartTime": clock}
    return factory.ct(
        PatientName=f"Patient^{patient}",
        PatientID=f"PID-{patient}",
        PatientBirthDate=f"19{40 + patient}0203",
        OtherPatientIDs=None,
        StudyInstanceUID=uid,
        SeriesInstanceUID=f"{uid}.1",
        SOPInstanceUID=f"{uid}.1.{number}",
        FrameOfReferenceUID=f"{uid}.5",
        InstanceNumber=str(number + 1),
        AccessionNumber=f"A{patient}{study}",
        **dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"), day),
        **dict.fromkeys(("StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime"), clock),
        AcquisitionDateTime=f"{day}{clock}",
        SeriesDescription=f"CT THORAX of Patient {patient}",
        StudyID=f"S{patient}{study}",
        ReferencedImageSequence=[reference],
        RadiopharmaceuticalInformationSequence=[drug],
        ReferencedStudySequence=[reference],
        PixelData=bytes([patient, study, number, 0] * (factory.ROWS * factory.COLUMNS // 2)),
    )


@pytest.fixture
def anonymise(step1: Path, cohortium: Run) -> Callable[..., dict[str, Any]]:
    """Step 2 into a folder; what the command says of it."""

    def run(destination: Path, *options: object) -> dict[str, Any]:
        work = destination.with_name(f"{destination.name}-work")
        done = cohortium("anonymise", "step1", destination, "--work", work, "--json", *options, cwd=step1)
        assert done.returncode == 0, done.stdout + done.stderr
        assert not work.exists()
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return run


@pytest.fixture(scope="module")
def step2(step1: Path, cohortium: Run) -> tuple[Path, dict[str, Any]]:
    """A folder of step 2, and what the command said of it."""
    destination = step1.parent / "step2"
    done = cohortium("anonymise", "step1", destination, "--work", "../work", "--jobs", 2, "--json", cwd=step1)
    assert done.returncode == 0, done.stderr
    return destination, json.loads(done.stdout)


def test_clinical_tables_follow_their_patients_and_their_rows_tell_no_order(
    step1: Path, tmp_path: Path, cohortium: Run
) -> None:
    """The same new identifiers and the same shifts as the images, in rows that stand in another order."""
    curated = tmp_path / "curated"
    shutil.copytree(step1 / "step1", curated)
    people = sorted({dataset.PatientID for _, dataset in datasets(curated)})
    rows = [f"{people[number % PATIENTS]},DM,{19 + number % 50},2010-01-{number % 27 + 1:02}" for number in range(60)]
    (curated / "dm.csv").write_text("\n".join(["USUBJID,DOMAIN,AGE,RFSTDTC", *rows]) + "\n")
    done = cohortium("anonymise", curated, tmp_path / "out", "--work", tmp_path / "work", "--json", cwd=step1)
    assert done.returncode == 0, done.stderr
    (account,) = json.loads(done.stdout)["tables"]
    assert (account["rows"], account["written"]) == (60, 60), account
    with (tmp_path / "out" / "dm.csv").open(newline="") as file:
        made = list(csv.DictReader(file))
    before, after = samples(curated), samples(tmp_path / "out")
    new = {before[key].PatientID: after[key].PatientID for key in before}
    shift = {before[key].PatientID: day(after[key].StudyDate) - day(before[key].StudyDate) for key in before}
    expected = []
    for row in rows:
        person, _, age, start = row.split(",")
        expected.append((new[person], age, str(date.fromisoformat(start) + shift[person])))
    found = [(row["USUBJID"], row["AGE"], row["RFSTDTC"]) for row in made]
    assert sorted(found) == sorted(expected)
    assert found != expected


def datasets(folder: Path) -> Iterator[tuple[Path, pydicom.Dataset]]:
    for path in sorted(folder.rglob("*.dcm")):
        yield path, pydicom.dcmread(path)


def samples(folder: Path) -> dict[bytes, pydicom.Dataset]:
    """The objects by their samples: the one thing that still joins both steps."""
    return {dataset.PixelData: dataset for _, dataset in datasets(folder)}


def bearers(folder: Path) -> Mapping[str, set[str]]:
    """Subjects by value: of every element at every depth, file headers, and names of files and folders."""
    found = defaultdict(set)
    for path, dataset in datasets(folder):
        values = [*path.relative_to(folder).parts]
        for element in (*dataset.file_meta, *dataset.iterall()):
            if element.VR != "SQ" and element.keyword != "PixelData":
                many = element.value if isinstance(element.value, MultiValue) else [element.value]
                values += [str(element.value), *map(str, many)]
        for value in values:
            found[value].add(str(dataset.PatientID))
    return found


def test_no_value_joins_the_steps(step1: Path, step2: tuple[Path, dict[str, Any]]) -> None:
    """Not one value, at any depth or in a name, is that of one subject alone in both sets."""
    destination, result = step2
    assert result["states"] == {"de-identified": PATIENTS * STUDIES * SLICES, "not DICOM": 1}
    one, two = bearers(step1 / "step1"), bearers(destination)
    alone = {value for value, subjects in one.items() if len(subjects) == 1}
    assert len(alone) > 20 * PATIENTS, "the inputs have values that would join"
    assert not {value for value in alone if len(two.get(value, ())) == 1}


def test_neither_order_nor_times_of_files_join_the_steps(step1: Path, step2: tuple[Path, dict[str, Any]]) -> None:
    """All files and folders bear one time, and neither names nor places on the disk have the order of step 1."""
    destination, _ = step2
    assert len({path.stat().st_mtime_ns for path in (destination, *destination.rglob("*"))}) == 1
    order = [dataset.PixelData for _, dataset in datasets(step1 / "step1")]
    named = [dataset.PixelData for _, dataset in datasets(destination)]
    written = sorted(datasets(destination), key=lambda each: each[0].stat().st_ino)
    assert sorted(order) == sorted(named)
    assert order != named
    assert order != [dataset.PixelData for _, dataset in written]


def test_what_each_object_became(step1: Path, step2: tuple[Path, dict[str, Any]]) -> None:
    """Step 2 as it is described: a new identifier, one shift per subject, the birth date too, stamps of its own."""
    before, after = samples(step1 / "step1"), samples(step2[0])
    assert before.keys() == after.keys()
    identifiers, shifts = defaultdict(set), defaultdict(set)
    for key, old in before.items():
        new = after[key]
        identifiers[old.PatientID].add(new.PatientID)
        for keyword in ("StudyDate", "AcquisitionDate", "PatientBirthDate"):
            shifts[old.PatientID].add((day(new[keyword].value) - day(old[keyword].value)).days)
        shifts[old.PatientID].add((day(new.AcquisitionDateTime[:8]) - day(old.AcquisitionDateTime[:8])).days)
        assert (new.PatientSex, new.SliceThickness) == (old.PatientSex, old.SliceThickness)
        assert new.DeidentificationMethod[1] == "chaimeleon-anonymise 1.0"
        assert old.DeidentificationMethod[2] not in str(new)
        codes = {item.CodeValue for item in new.DeidentificationMethodCodeSequence}
        assert codes == {"113100", "113105", "113107", "113108"}
        assert new.LongitudinalTemporalInformationModified == "MODIFIED"
    assert all(len(new) == 1 for new in identifiers.values())
    assert len(set.union(*identifiers.values())) == PATIENTS
    assert all(len(days) == 1 for days in shifts.values()), "every interval of a subject stays as it was"
    assert all(-3650 <= days <= -1 for (days,) in shifts.values())
    assert len({days for (days,) in shifts.values()}) > 1


def day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").date()


def test_a_later_batch_gives_the_same_patients_other_identifiers_and_says_so(
    step2: tuple[Path, dict[str, Any]], tmp_path: Path, anonymise: Callable[..., dict[str, Any]]
) -> None:
    (earlier, first), second = step2, anonymise(tmp_path / "later")
    one, two = (set.union(*bearers(folder).values()) for folder in (earlier, tmp_path / "later"))
    assert len(one) == len(two) == PATIENTS
    assert not one & two
    assert first["output"] != second["output"]
    assert first["source"] == second["source"], "the same tree, as the site alone can tell"
    assert "A later batch gives the same patients other identifiers" in first["note"]


def test_what_stays_joins_datasets_and_no_instances(step1: Path, step2: tuple[Path, dict[str, Any]]) -> None:
    """From dataset to dataset, and that the rest was destroyed: nothing at the site names an input or an output."""
    destination, result = step2
    rows = remembered(step1)
    made = [json.loads(text) for (text,) in rows["provenance"]]
    assert result["source"] in {each["source"] for each in made if each["output"] == result["output"]}
    assert any(f"dataset {result['output']}: key, state, receipts of 19 files" in row[3] for row in rows["audit"])
    left = b"".join(path.read_bytes() for path in (step1 / "data").rglob("*") if path.is_file())
    assert result["output"].encode() in left
    for path, dataset in datasets(destination):
        for name in (dataset.PatientID, dataset.SOPInstanceUID, hashlib.sha256(path.read_bytes()).hexdigest()):
            assert name.encode() not in left


def remembered(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    queries = {"provenance": "SELECT record FROM provenance", "audit": "SELECT id, who, what, object FROM audit"}
    with sqlite3.connect(home / "data" / "cohortium.sqlite") as connection:
        return {name: connection.execute(query).fetchall() for name, query in queries.items()}


def test_proved_before_it_is_destroyed(step1: Path, tmp_path: Path, anonymise: Callable[..., dict[str, Any]]) -> None:
    anonymise(tmp_path / "step2", "--verify", "--report", tmp_path / "report")
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert all(check["status"] != "failed" for check in report["checks"])


def test_killed_at_any_moment_and_run_again(step1: Path, tmp_path: Path, sample: Callable[[int, int], int]) -> None:
    """Every batch begins from one and the same frozen folder, so the outputs must be the same, byte for byte."""
    source, destination, site = step1 / "step1", tmp_path / "step2", tmp_path / "site"

    def begin() -> None:
        for folder in (site, tmp_path / "work", destination):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(step1, site, ignore=shutil.ignore_patterns("in", "step1"))
        if (tmp_path / "frozen").exists():
            shutil.copytree(tmp_path / "frozen", tmp_path / "work")

    begin()
    key = keys.load(site / "keys" / "site.key", site / "data")
    bound = Batch(str(source), str(destination), "default", PROTOCOL.digest, __version__)
    with workfolder.opened(tmp_path / "frozen", key, bound) as work:
        batch.freeze(work, key, marking_key(key), source, walk(source), lambda _: None)
    options = ["--work", tmp_path / "work", "--jobs", 1, "--config", site / "cohortium.toml"]
    command = ["anonymise", source, destination, *options]
    with dying.at_work(LIBRARIES + dying.COMMAND) as at_work:
        begin()
        touches = at_work(*command) or 0
        expected, rows = outputs(destination), remembered(site)
        assert len(expected) == PATIENTS * STUDIES * SLICES
        for seed in range(sample(8, 300)):
            chance = random.Random(seed)
            begin()
            for moment in dying.moments(chance, touches if seed % 2 else 100):
                last = moment if seed % 2 else moment._replace(touch=touches - moment.touch)  # destruction comes last
                if ended := at_work(*command, at=last):
                    break
            assert ended or at_work(*command)
            assert outputs(destination) == expected, f"seed {seed}"
            assert not (tmp_path / "work").exists(), f"seed {seed}"
            again = remembered(site)
            assert [row[2:] for row in again["audit"]] == [row[2:] for row in rows["audit"]], f"seed {seed}"
            assert len(again["provenance"]) == len(rows["provenance"]), f"seed {seed}"


def outputs(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
