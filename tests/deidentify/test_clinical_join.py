"""An image and a row of one patient join afterwards, whatever the kind of subject; their dates keep their distance."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

import clinical_tables as tables
import factory
from cohortium.clinical.dates import parse
from cohortium.deidentify import tree
from cohortium.deidentify.echoes import Echoes
from cohortium.deidentify.secret import Secret
from cohortium.deidentify.subjectrule import TABLED
from cohortium.deidentify.subjects import Patient
from cohortium.deidentify.table import Table
from cohortium.values import Protocol, State

SECRET = Secret(b"s" * 64, weak=True)
KINDS = {
    "keyed": "",
    "hash": "",
    "random": "",
    "convention": 'pattern = "{project}-{site}-{number}"',
    "lookup": "",
    "context": 'context = "study"',
    "fresh": "",
}
SHIFT, ANCHOR = (f'[dates]\nrule = "{rule}"\n' for rule in ("shift", "anchor"))
COLUMNS = 'Seen = "date"\nDay = "days"\n'
PATIENTS = ("MÜ 1001", "1002")


def protocol(folder: Path, kind: str, dates: str) -> Protocol:
    before = f'{tables.MODIFIED}[subject]\nkind = "{kind}"\n{KINDS[kind]}\n{dates}'
    return tables.protocol(folder, COLUMNS, 'encoding = "cp1252"', before=before)


def assigner(folder: Path, by: Protocol, project: str = "project") -> Table | None:
    if by.subject.kind not in TABLED:
        return None
    anchored = by.dates.rule == "anchor"
    table = Table(folder / "subjects.sqlite", tables.KEY, project, by.subject, "berlin", anchored=anchored)
    if by.subject.kind == "lookup":
        table.take((Patient(patient), f"S-{number}") for number, patient in enumerate(PATIENTS))
    return table


def fill(source: Path, images: dict[str, date], rows: list[tuple[str, str]]) -> Iterator[tree.File]:
    source.mkdir(parents=True)
    lines = "".join(f"{patient},{seen},{seen}\n" for patient, seen in rows)
    (source / "patients.csv").write_bytes(f"PatNr,Seen,Day\n{lines}".encode("cp1252"))
    for number, (patient, day) in enumerate(images.items()):
        study = f"1.2.3.{number}"
        changes = {"PatientID": patient, "StudyDate": f"{day:%Y%m%d}", "StudyInstanceUID": study}
        changes["PatientName"] = f"Kowalski{'abcdef'[number]}^Jan"
        content = factory.ct(charset="utf-8", SpecificCharacterSet="ISO_IR 192", SOPInstanceUID=f"{study}.1", **changes)
        (source / f"{number}.dcm").write_bytes(content)
    return ((path, "") for path in sorted(source.iterdir(), reverse=True))  # the table comes first


def joined(folder: Path, by: Protocol, images: dict[str, date], rows: list[tuple[str, str]]) -> dict[str, list[tuple]]:
    """By pseudonym: the date of the image, then those of the table, each with its count of days."""
    import csv

    task = tree.Task(by, tables.KEY, folder.name, folder / "out", secret=SECRET)
    outcomes = list(tree.run(task, fill(folder / "in", images, rows), None, assigner(folder, by, folder.name)))
    assert {outcome.state for outcome in outcomes} == {State.DEIDENTIFIED}, [each.aside for each in outcomes]
    found: dict[str, list[tuple]] = {}
    for path in (folder / "out").rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        found[str(dataset.PatientID)] = [(parse(dataset.StudyDate, "YYYYMMDD").middle, None)]
    with (folder / "out" / "patients.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["PatNr"]].append((date.fromisoformat(row["Seen"]), int(row["Day"])))
    return found


@pytest.mark.parametrize(
    ("kind", "dates"), [*((kind, SHIFT) for kind in KINDS), *((kind, ANCHOR) for kind in sorted(TABLED))]
)
def test_a_row_and_an_image_of_one_patient_join(tmp_path: Path, kind: str, dates: str) -> None:
    images = {PATIENTS[0]: date(2013, 5, 6), PATIENTS[1]: date(2001, 1, 31)}
    rows = [(f" {patient} ", (day + timedelta(days=17)).isoformat()) for patient, day in images.items()]
    found = joined(tmp_path, protocol(tmp_path, kind, dates), images, rows)
    assert len(found) == 2
    for (image, _), (seen, days) in found.values():
        assert seen - image == timedelta(days=17)
        assert image not in images.values()
        if dates == ANCHOR:
            assert (image, days) == (date(2000, 1, 1), 17), "days since the first examination"
        assert not any(patient in each for patient in PATIENTS for each in found)


@given(
    image=st.dates(date(1990, 1, 1), date(2030, 1, 1)),
    others=st.lists(st.dates(date(1990, 1, 1), date(2030, 1, 1)), min_size=1, max_size=4),
    anchored=st.booleans(),
)
def test_every_interval_stays_exact(tmp_path_factory, image: date, others: list[date], anchored: bool) -> None:
    folder = tmp_path_factory.mktemp("intervals")
    by = protocol(folder, "random" if anchored else "keyed", ANCHOR if anchored else SHIFT)
    ((first, *rest),) = joined(folder, by, {"1002": image}, [("1002", day.isoformat()) for day in others]).values()
    assert [day - first[0] for day, _ in rest] == [day - image for day in others]
    assert [days - rest[0][1] for _, days in rest] == [(day - others[0]).days for day in others]


def test_new_patients_of_a_table_are_assigned_and_unknown_ones_set_aside(tmp_path: Path) -> None:
    by = protocol(tmp_path, "convention", SHIFT)
    content = "PatNr,Seen,Day\n7,2014-03-01,2014-03-01\n8,2014-03-01,2014-03-01\n7,2014-03-02,2014-03-02\n"
    done = tables.run(tmp_path, by, content, assigner=assigner(tmp_path, by))
    assert done.column("PatNr") == ["project-berlin-0001", "project-berlin-0002", "project-berlin-0001"]
    listed = protocol(tmp_path, "lookup", SHIFT)
    done = tables.run(tmp_path, listed, content + "1002,2014,\n", assigner=assigner(tmp_path, listed))
    assert done.aside == {"no pseudonym for this patient": "2-4"}
    assert done.column("PatNr") == ["S-1"]


def test_before_an_examination_is_known_an_anchored_row_waits(tmp_path: Path) -> None:
    by = protocol(tmp_path, "random", ANCHOR)
    done = tables.run(tmp_path, by, "PatNr,Seen,Day\n7,2014-03-01,2014-03-01\n", assigner=assigner(tmp_path, by))
    assert done.outcome.state is State.QUARANTINED
    assert done.aside == {"no pseudonym for this patient": "2"}


def test_a_weak_secret_is_told_of_a_table_too(tmp_path: Path) -> None:
    by = protocol(tmp_path, "hash", SHIFT)
    done = tables.run(tmp_path, by, "PatNr,Seen,Day\n7,2014-03-01,2014-03-01\n", secret=SECRET)
    assert "subject.weak-secret" in done.rules
    assert len(done.column("PatNr")[0]) == 64


@pytest.mark.parametrize(
    ("text", "written"), [("2013-03", "201303"), ("2013", "2013"), ("2013-03-09T10:11", "201303091011")]
)
def test_a_table_and_an_image_move_one_date_alike(tmp_path: Path, text: str, written: str) -> None:
    from cohortium.deidentify.clinical.periods import clinical_date
    from cohortium.deidentify.dates import modified
    from cohortium.dicom.plan import Context
    from cohortium.values import DateRule

    rule = DateRule("shift")
    for days in (-1, -16, -365, -3650):
        moved, _ = clinical_date(parse(text), days, rule)
        context = Context({}, ("ascii",), [], "", Echoes((), ("ascii",)), days)
        image = modified("DT", rule)(written.encode(), context)
        assert image is not None
        assert moved.translate({ord(mark): None for mark in "-:T"}) == image.decode().strip()
