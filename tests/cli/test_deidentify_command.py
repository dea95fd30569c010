"""`cohortium deidentify` as a data manager calls it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def site(cohortium: Run, tmp_path: Path) -> Path:
    assert cohortium("init", cwd=tmp_path).returncode == 0
    folder = tmp_path / "MUELLER^HANS"
    folder.mkdir()
    for name in ("CT_small.dcm", "MR_small.dcm", "US1_J2KR.dcm", "MR_truncated.dcm"):
        path = get_testdata_file(name, download=False)
        if path:
            (folder / name).write_bytes(Path(path).read_bytes())
    (folder / "notes.txt").write_text("call Hans Mueller")
    return tmp_path


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_account_is_complete_and_names_nobody(cohortium: Run, site: Path, jobs: int) -> None:
    done = cohortium("deidentify", "MUELLER^HANS", "out", "--jobs", jobs, "--json", cwd=site)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["files"] == sum(result["states"].values()) == len(list((site / "MUELLER^HANS").iterdir()))
    assert result["states"]["not DICOM"] == 1
    assert result["quarantined"]["truncated"] == 1
    assert "MUELLER" not in done.stdout + done.stderr
    assert str(site) not in done.stdout


def test_names_are_shown_only_when_asked(cohortium: Run, site: Path) -> None:
    done = cohortium("deidentify", "MUELLER^HANS", "out", "--show-names", "--json", cwd=site)
    assert any("MUELLER^HANS/MR_truncated.dcm" in each["path"] for each in json.loads(done.stdout)["set_aside"])


def test_the_manifest_is_read_by_sha256sum(cohortium: Run, site: Path) -> None:
    assert cohortium("deidentify", "MUELLER^HANS", "out", "--manifest", "sums", cwd=site).returncode == 0
    subprocess.run(["sha256sum", "--check", "--quiet", "../sums"], cwd=site / "out", check=True)
    assert len((site / "sums").read_text().splitlines()) == len(list((site / "out").rglob("*.dcm"))) > 0


def test_the_same_patient_in_two_projects_cannot_be_joined(cohortium: Run, site: Path) -> None:
    for project in ("one", "two"):
        assert cohortium("deidentify", "MUELLER^HANS", project, "--project", project, cwd=site).returncode == 0
    patients = [{path.name for path in (site / project).iterdir()} for project in ("one", "two")]
    assert patients[0]
    assert not patients[0] & patients[1]


def test_explain_as_table_and_as_json(cohortium: Run, site: Path) -> None:
    shown = cohortium("deidentify", "--explain", "--protocol", "dragon", "--json", cwd=site)
    rows = {row["keyword"]: row for row in json.loads(shown.stdout)["attributes"]}
    assert rows["PatientBirthDate"]["action"] == "empty"
    assert rows["StudyDate"]["action"] == "keep"
    assert rows["StudyDescription"]["action"] == "clean"
    assert "StudyDescription" in cohortium("deidentify", "--explain", cwd=site, COLUMNS="200").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((), 2, "SRC and DST"),
        (("MUELLER^HANS", "MUELLER^HANS/out"), 3, "in one another"),
        (("MUELLER^HANS", "out", "--protocol", "nosuch"), 2, "no protocol is named"),
        (("MUELLER^HANS", "out", "--config", "nowhere.toml"), 2, "cohortium init"),
        (("--explain", "--sop-class", "1.2.3"), 2, "SOP class"),
    ],
)
def test_mistakes_are_told_in_a_line(
    cohortium: Run, site: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    done = cohortium("deidentify", *arguments, cwd=site)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


TABLE = "USUBJID,SEX,DMDTC,AUTHOR\n1001,F,2014-03-01,Mueller\n1002,M,soon,Mueller\n,F,2014-03-01,Mueller\n"


@pytest.mark.parametrize("source", ["clinical", "clinical/DM.csv"])
def test_a_clinical_table_is_accounted_for_row_by_row(cohortium: Run, site: Path, source: str) -> None:
    (site / "clinical").mkdir()
    (site / "clinical" / "DM.csv").write_text(TABLE)
    done = cohortium("deidentify", source, "out", "--protocol", "dragon", "--json", cwd=site)
    assert done.returncode == 0, done.stderr
    (table,) = json.loads(done.stdout)["tables"]
    assert (table["output"], table["rows"], table["written"]) == ("dm.csv", 3, 1)
    assert table["set_aside"] == {
        "DMDTC: no date that can be read": {"rows": 1, "numbers": "3"},
        "no patient ID": {"rows": 1, "numbers": "4"},
    }
    assert (site / "out" / "dm.csv").read_text().startswith("USUBJID,SEX,DMDTC\n")
    again = cohortium("deidentify", source, "again", "--protocol", "dragon", cwd=site)
    assert "set aside, no patient ID: 1 (row 4)" in again.stdout
    assert not any(value in done.stdout + again.stdout for value in ("Mueller", "1001", "soon"))


def test_a_table_without_a_rule_is_set_aside_and_not_copied(cohortium: Run, site: Path) -> None:
    (site / "MUELLER^HANS" / "visits.csv").write_text("PatientID\n1\n")
    done = cohortium("deidentify", "MUELLER^HANS", "out", "--json", cwd=site)
    assert json.loads(done.stdout)["quarantined"]["no rule of the protocol takes this table"] == 1
    assert not list((site / "out").rglob("*.csv"))


def test_a_table_beside_its_destination_is_refused(cohortium: Run, site: Path) -> None:
    (site / "DM.csv").write_text(TABLE)
    done = cohortium("deidentify", "DM.csv", ".", "--protocol", "dragon", cwd=site)
    assert done.returncode == 3
