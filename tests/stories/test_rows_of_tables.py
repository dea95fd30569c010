"""A delivery of images and `{partner}_{domain}.csv`: the same pseudonyms and shifts, and rows by subject."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from cohortium import config, find, keys
from cohortium.archive import Archive
from cohortium.govern.roles import Standing
from cohortium.govern.users import User
from cohortium.store import open_store, schema

ROOT = User(1, "root", Standing.ADMINISTRATOR, must_choose=False)
PROTOCOL = """
name = "study"
version = "1"
title = "Images and tables"
edition = "2026c"
base = "basic"
options = ["Retain Longitudinal Temporal Information Modified Dates"]
[dates]
rule = "shift"
[clinical]
base = "sdtm"
"""


@pytest.fixture
def site(hospital: Any, make: Callable[..., bytes]) -> Any:
    """With an image, and a laboratory's table in which its patient and somebody else have a value of the same day."""
    (hospital.root / "study.toml").write_text(PROTOCOL)
    text = hospital.file.read_text()
    hospital.file.write_text(
        text.replace('specification = "strict.toml"', 'specification = "basic"\nprotocol = "study.toml"')
    )
    image = dcmread(io.BytesIO(make(1)))
    day = f"{image.StudyDate[:4]}-{image.StudyDate[4:6]}-{image.StudyDate[6:]}"
    hospital.put("images/1.dcm", make(1))
    table = "STUDYID,DOMAIN,USUBJID,LBSEQ,LBTESTCD,LBTEST,LBORRES,LBORRESU,LBSTRESC,LBSTRESN,LBSTRESU,LBDTC\n"
    for patient, value in ((image.PatientID, "132"), ("PAT-4711", "90")):
        table += f"S,LB,{patient},1,HGB,Hemoglobin,{value},g/L,{value},{value},g/L,{day}T08:30\n"
    hospital.put("maastro_lb.csv", table.encode())
    return hospital


def test_a_gateway_stores_rows_under_the_pseudonym_and_day_of_the_images(site: Any, planted: tuple[str, ...]) -> None:
    assert site.run().states["sent"] == 2
    (subject,), (session,) = site.rows(schema.subject), site.rows(schema.session)
    settings = config.load(site.file)
    engine = open_store(settings)
    with engine.begin() as connection:
        (table,) = find.clinical_tables(connection, ROOT, 1)
        found = find.timeline(connection, ROOT, 1, subject["PatientID"])
    assert (table.name, table.stored, table.subjects, table.unlinked) == ("site_lb.csv", 2, 2, 1)
    assert found is not None
    (row,) = (each.row for each in found.events if each.row)
    (moment,) = (each.earliest for each in found.events if each.row)
    assert (row.topic, row.number, row.unit) == ("HGB", 132, "g/L")
    assert moment == f"{day_of(session['StudyDate'])}T08:30:00"
    assert len(found.events) == 2
    told = "".join(map(str, [*site.rows(schema.clinical_row), *site.rows(schema.clinical_subject)]))
    assert not [each for each in (*planted, "PAT-4711") if each in told]
    withdraw(settings, engine, subject["PatientID"])
    assert len(site.rows(schema.clinical_row)) == 1
    newest = max(site.rows(schema.resource_file), key=lambda file: file["version"])
    assert (newest["by"], newest["version"]) == ("archive", 2)
    engine.dispose()


def withdraw(settings: Any, engine: Any, PatientID: str) -> None:
    archive = Archive(engine, settings.site.data, keys.load(settings.site.key, settings.site.data))
    archive.withdraw("study", PatientID, who="ada", reason="asked")


def day_of(date: str) -> str:
    return f"{date[:4]}-{date[4:6]}-{date[6:]}"


def test_the_command_gives_a_table_the_pseudonym_and_the_day_of_the_images(
    site: Any, cohortium: Any, tmp_path: Path
) -> None:
    asked = ("--protocol", site.root / "study.toml", "--config", site.file)
    done = cohortium("deidentify", site.source, tmp_path / "out", *asked, cwd=site.root)
    assert done.returncode == 0, done.stderr
    (image,) = (dcmread(path) for path in (tmp_path / "out").rglob("*.dcm"))
    (table,) = (tmp_path / "out").rglob("*.csv")
    mine, other = csv.DictReader(io.StringIO(table.read_text()))
    assert mine["USUBJID"] == image.PatientID != other["USUBJID"]
    assert mine["LBDTC"] == f"{day_of(image.StudyDate)}T08:30"
