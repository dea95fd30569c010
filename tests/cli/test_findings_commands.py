"""What becomes of findings: `cohortium check --html` and `--worklist`, `compare`, `waive` and `reopen`."""

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

import deliveries
from called import Run, Said, called

command = pytest.fixture(called)


@pytest.fixture
def run(command: Run, tmp_path: Path) -> Callable[..., Said]:
    return lambda *arguments: command("check", *map(str, arguments), cwd=tmp_path)


@pytest.fixture(scope="module")
def thick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = deliveries.clean()
    deliveries.VIOLATIONS["accuracy.slice-thickness"](made)
    deliveries.VIOLATIONS["structure.stray"](made)
    return made.write(tmp_path_factory.mktemp("thick"))


@pytest.fixture(scope="module")
def mended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = deliveries.clean()
    deliveries.VIOLATIONS["structure.stray"](made)
    return made.write(tmp_path_factory.mktemp("mended"))


def states(path: Path) -> dict[str, str]:
    return {row["rule"]: row["state"] for row in json.loads(path.read_text("utf-8"))["rows"]}


def test_a_page_is_written(run, thick, tmp_path):
    assert run("run", thick, "--no-ocr", "--html", tmp_path / "page.html").returncode == 9
    html = (tmp_path / "page.html").read_text("utf-8")
    assert "SliceThickness is 3 mm in all 28 images" in html
    assert "data:image/png" in html


def test_nothing_is_written_into_the_delivery(run, thick):
    for option in ("--html", "--worklist"):
        assert run(thick, option, thick / "x").returncode == 2
    assert not (thick / "x").exists()


def test_an_error_is_waived_mended_and_comes_back(run, thick, mended, tmp_path):
    todo = tmp_path / "todo.json"

    def check(delivery: Path, *options: object) -> Said:
        return run(delivery, "--no-ocr", "--worklist", todo, *options)

    assert check(thick).returncode == 9
    assert states(todo) == {"accuracy.slice-thickness": "open", "structure.stray": "open"}
    id = next(row["id"] for row in json.loads(todo.read_text("utf-8"))["rows"] if row["rule"].startswith("accuracy"))
    assert run("waive", id, "--reason", "the only scan", "--by", "Ada", "--worklist", todo).returncode == 0

    ended = check(thick, "--json", tmp_path / "report.json", "--junit", tmp_path / "report.xml")
    assert (ended.returncode, "waived by Ada" in ended.stdout) == (0, True), ended.stderr
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert report["counts"]["waived"] == 1
    assert [(each["state"], each.get("reason")) for each in report["findings"]] == [
        ("waived", "the only scan"),
        ("open", None),
    ]
    suites = ElementTree.parse(tmp_path / "report.xml").getroot()
    assert suites.get("failures") == "0"
    told = [each.text for each in suites.iter("system-out")]
    assert any("waived by Ada: the only scan" in text for text in told)

    assert check(mended).returncode == 0
    assert states(todo) == {"structure.stray": "open", "accuracy.slice-thickness": "mended"}
    assert check(thick).returncode == 9
    assert states(todo)["accuracy.slice-thickness"] == "open"


def test_a_waiver_is_taken_back(run, thick, tmp_path):
    todo = tmp_path / "todo.json"
    run(thick, "--no-ocr", "--worklist", todo)
    id = json.loads(todo.read_text("utf-8"))["rows"][0]["id"]
    run("waive", id, "--reason", "x", "--worklist", todo)
    assert states(todo)["accuracy.slice-thickness"] == "waived"
    assert run("reopen", id, "--worklist", todo).returncode == 0
    assert states(todo)["accuracy.slice-thickness"] == "open"


def test_what_is_not_there_is_not_waived(run, tmp_path):
    ended = run("waive", "abc", "--reason", "x", "--worklist", tmp_path / "todo.json")
    assert (ended.returncode, "no such work list" in ended.stderr) == (2, True)
    assert not (tmp_path / "todo.json").exists()


def test_two_reports_are_compared(run, thick, mended, tmp_path):
    before, after, html = tmp_path / "before.json", tmp_path / "after.json", tmp_path / "page.html"
    run(thick, "--no-ocr", "--json", before)
    run(mended, "--no-ocr", "--json", after)
    better = run("compare", before, after, "--html", html)
    assert better.returncode == 0, better.stderr
    assert "1 mended, 0 new, 1 stayed, 0 cannot be told" in better.stdout
    assert "SliceThickness is 3 mm in all 28 images" in html.read_text("utf-8")
    worse = run("compare", after, before)
    assert worse.returncode == 9
    assert "1 error that was not there before" in worse.stdout


def test_what_is_no_report_cannot_be_compared(run, tmp_path):
    (tmp_path / "x.json").write_text('{"of": "Mueller"}', "utf-8")
    ended = run("compare", tmp_path / "x.json", tmp_path / "x.json")
    assert ended.returncode == 4
    assert "Mueller" not in ended.stderr
