"""`cohortium clinical map` and `draft`: what they print and write, how they end, what a killed one leaves."""

import json
import os
import signal
import tomllib
from pathlib import Path

import pytest

import captured
import nursery
from called import Run, called

command = pytest.fixture(called)
OPTIONS = ("clinical", "map", "export.csv", "--dictionary", "dictionary.csv", "--mapping", "m.toml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    captured.study().write(tmp_path)
    (tmp_path / "m.toml").write_text(captured.MAPPING, "utf-8")
    return tmp_path


def test_a_dry_run_reports_and_writes_nothing(command: Run, folder: Path):
    before = set(folder.iterdir())
    ended = command(*OPTIONS, "--dry-run", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    assert "2 records, 5 entries" in ended.stdout
    assert "p01_lb.csv" in ended.stdout
    assert "LB.LBORRES (CRP)" in ended.stdout
    assert "not mapped" in ended.stdout
    assert set(folder.iterdir()) == before


def test_tables_and_an_account_in_json_without_a_value(command: Run, folder: Path):
    export = folder / "export.csv"
    export.write_text(export.read_text("utf-8").replace(",61,", ",Jane Roe,"), "utf-8")
    ended = command(*OPTIONS, "--to", "out", "--json", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    account = json.loads(ended.stdout)
    assert [each["file"] for each in account["tables"]] == sorted(path.name for path in (folder / "out").iterdir())
    assert account["not_converted"][0]["written"] == "Xxxx Xxx"
    shown = command(*OPTIONS, "--dry-run", cwd=folder).stdout
    assert "age for DM.AGE: is not a number (written as Xxxx Xxx): 1 values, first in row 1" in shown
    assert not [each for each in ("Jane", "MRN-4711", "felt ill") if each in ended.stdout + shown]


@pytest.mark.parametrize("more", [(), ("--dry-run", "--to", "out")])
def test_it_wants_an_output_or_a_dry_run(command: Run, folder: Path, more: tuple[str, ...]):
    ended = command(*OPTIONS, *more, cwd=folder)
    assert (ended.returncode, "--to DIR" in ended.stderr) == (2, True)


def test_mistakes_and_broken_exports_have_codes_of_their_own(command: Run, folder: Path):
    (folder / "m.toml").write_text(captured.MAPPING.replace('"age"', '"agee"'), "utf-8")
    ended = command(*OPTIONS, "--dry-run", cwd=folder)
    assert (ended.returncode, "no field agee (perhaps age)" in ended.stderr) == (2, True)
    (folder / "export.csv").write_bytes(b"record_id,\xff\n")
    ended = command(*OPTIONS, "--dry-run", cwd=folder)
    assert (ended.returncode, "not in UTF-8" in ended.stderr) == (4, True)


@pytest.mark.parametrize("described", ["dictionary.csv", "export.xml"])
def test_a_draft_is_shown_or_written_once(command: Run, folder: Path, described: str):
    shown = command("clinical", "draft", described, "--study", "DRAGON", "--partner", "p01", cwd=folder)
    assert tomllib.loads(shown.stdout)["DM"][0]["AGE"] == "age"
    written = [command("clinical", "draft", described, "--output", "new.toml", cwd=folder) for _ in range(2)]
    assert [each.returncode for each in written] == [0, 3]
    found = json.loads(command("clinical", "draft", described, "--json", cwd=folder).stdout)
    assert {"field": "age", "to": "DM.AGE", "why": "by its name"} in found["proposed"]
    assert tomllib.loads(found["mapping"])["study"] == "STUDY"


def test_a_run_that_is_killed_leaves_no_table_and_the_next_one_makes_all(folder: Path):
    whole = (folder / "export.xml").read_bytes()
    (folder / "export.xml").unlink()
    os.mkfifo(folder / "export.xml")
    arguments = ("clinical", "map", "export.xml", "--mapping", "m.toml", "--to", "out")
    with nursery.start(*arguments, cwd=folder) as process, (folder / "export.xml").open("wb") as pipe:
        pipe.write(whole[: whole.rindex(b"<SubjectData")] + b" " * (1 << 18))  # more than a pipe holds: it was read
        pipe.flush()
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (folder / ".out.unfinished").is_dir()
    assert not (folder / "out").exists()
    (folder / "export.xml").unlink()
    (folder / "export.xml").write_bytes(whole)
    with nursery.start(*arguments, cwd=folder) as process:
        assert process.wait() == 0
    assert len(list((folder / "out").iterdir())) == 5
    assert not [path for path in folder.iterdir() if path.name.endswith(".unfinished")]
