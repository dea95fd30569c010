"""`cohortium check`: what it prints and writes, and how it ends."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

import deliveries
from called import Run, Said, called


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = deliveries.clean()
    deliveries.VIOLATIONS["accuracy.slice-thickness"](made)
    made.files["Mueller Hans.txt"] = b"call him"
    return made.write(tmp_path_factory.mktemp("faulty"))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deliveries.clean().write(tmp_path_factory.mktemp("clean"))


Ask = Callable[..., Said]
command = pytest.fixture(called)


@pytest.fixture
def run(command: Run, tmp_path: Path) -> Ask:
    return lambda *arguments: command("check", *map(str, arguments), "--no-ocr", cwd=tmp_path)


def test_a_clean_delivery_ends_with_0(run, clean, tmp_path):
    ended = run(clean, "--json", tmp_path / "report.json")
    assert ended.returncode == 0, ended.stderr
    assert "No errors." in ended.stdout
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert report["findings"] == []
    assert report["counts"]["series"] == 2
    assert report["specification"]["name"] == "dragon"


def test_errors_end_with_9_and_the_same_findings_show_everywhere(run, faulty, tmp_path):
    ended = run(faulty, "--json", tmp_path / "report.json", "--junit", tmp_path / "report.xml", "--jobs", 2)
    assert ended.returncode == 9, ended.stderr
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    error, name, stray = report["findings"]
    assert (error["rule"], error["variable"], error["patient"]) == (
        "accuracy.slice-thickness",
        "SliceThickness",
        "P001",
    )
    assert error["message"] == "SliceThickness is 3 mm in all 28 images, 0.5 to 1.5 mm is allowed"
    assert error["mend"].startswith("send the thin reconstruction")
    assert (name["rule"], stray["rule"]) == ("privacy.file-name", "structure.stray")
    suites = ElementTree.parse(tmp_path / "report.xml").getroot()
    assert (suites.get("failures"), suites.get("tests")) == ("2", str(len(report["rules"])))
    failed = [case.get("name") for case in suites.iter("testcase") if case.find("failure") is not None]
    assert failed == ["slice-thickness", "file-name"]
    assert error["message"] in ended.stdout


def test_names_of_files_show_nowhere(run, faulty, tmp_path):
    ended = run(faulty, "--json", "-", "--junit", tmp_path / "report.xml")
    everything = ended.stdout + ended.stderr + (tmp_path / "report.xml").read_text("utf-8")
    assert "Mueller" not in everything
    assert json.loads(ended.stdout)["findings"][2]["file"] == "…"


def test_one_process_and_several_find_the_same(run, faulty):
    one, two = (json.loads(run(faulty, "--json", "-", "--jobs", jobs).stdout) for jobs in (1, 2))
    assert one | {"checked": ""} == two | {"checked": ""}


def test_a_warning_alone_ends_with_0(run, faulty, tmp_path):
    own = tmp_path / "ours.toml"
    head = 'name = "ours"\nversion = "1"\ntitle = "Ours"\nextends = "dragon"\n'
    own.write_text(
        f"{head}[accuracy.slice-thickness]\nseverity = 'warning'\n[privacy.file-name]\nseverity = 'off'\n", "utf-8"
    )
    ended = run(faulty, "--specification", own, "--json", "-")
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["counts"]["findings"] == {"info": 0, "warning": 2, "error": 0}


def test_nothing_is_written_into_the_delivery(run, clean):
    ended = run(clean, "--junit", clean / "report.xml")
    assert ended.returncode == 2
    assert not (clean / "report.xml").exists()


def test_what_is_no_folder_is_refused(run, tmp_path):
    assert run(tmp_path / "nowhere").returncode == 2


def test_the_metadata_table_that_is_written_is_the_one_that_agrees(run, tmp_path):
    made = deliveries.clean()
    made.metadata.append(lambda rows: rows.clear())
    delivery = made.write(tmp_path / "delivery")
    options = ("--project", "DRAGON", "--partner", "p01", "--write-metadata", tmp_path / "metadata.csv")
    first = run(delivery, "--json", "-", *options)
    assert [each["rule"] for each in json.loads(first.stdout)["findings"]] == ["metadata.table"]
    (tmp_path / "metadata.csv").rename(delivery / "metadata.csv")
    again = run(delivery, "--json", "-")
    assert (again.returncode, json.loads(again.stdout)["findings"]) == (0, [])
    with (delivery / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = [row | {"pixel_spacing": "0.75\\0.75"} for row in csv.DictReader(file)]
    assert rows == deliveries.clean().described()["metadata.csv"]
