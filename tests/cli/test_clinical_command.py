"""`cohortium clinical export`: of a folder and of a dataset version, what it prints, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from called import Run, called
from client_archive import Archive, archived
from cohortium.store import schema
from submissions import put, read, tables

command = pytest.fixture(called)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    with archived(tmp_path_factory.mktemp("site")) as made:
        yield made


def test_a_folder_becomes_a_package(command: Run, tmp_path: Path) -> None:
    put(tmp_path / "in" / "below", tables("p01", "p02"))
    ended = command("clinical", "export", "in", "--to", "out", "--as", "csv", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "lb.csv\t20 rows" in ended.stdout
    assert len(read(tmp_path / "out" / "lb.csv")) == 20
    assert json.loads((tmp_path / "out" / "package.json").read_text("utf-8"))["dataset"] is None
    again = command("clinical", "export", "in", "--to", "out", "--as", "csv", cwd=tmp_path)
    assert (again.returncode, "never written over" in again.stderr) == (3, True)


def test_what_cannot_be_written_ends_with_9_and_leaves_nothing(command: Run, tmp_path: Path) -> None:
    made = tables()
    made["p01_lb.csv"][0]["LBSTRESN"] = "Mueller"
    put(tmp_path / "in", made)
    ended = command("clinical", "export", "in", "--to", "out", "--json", cwd=tmp_path)
    assert ended.returncode == 9
    (found,) = json.loads(ended.stdout)["findings"]
    assert (found["rule"], found["file"], found["row"]) == ("submission.number", "p01_lb.csv", 1)
    told = command("clinical", "export", "in", "--to", "out", cwd=tmp_path)
    assert "error: submission.number, p01_lb.csv, row 1, LBSTRESN: " in told.stderr
    assert "Mueller" not in ended.stdout + told.stdout + told.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("options", [["--as", "xml"], ["--sdtmig", "3.2"]])
def test_other_formats_and_versions_are_refused(command: Run, tmp_path: Path, options: list[str]) -> None:
    put(tmp_path / "in", tables())
    assert command("clinical", "export", "in", "--to", "out", *options, cwd=tmp_path).returncode == 2
    assert not (tmp_path / "out").exists()


def test_a_dataset_version_becomes_a_package_that_names_it(archive: Archive, command: Run, tmp_path: Path) -> None:
    with archive.served.engine.begin() as connection:
        connection.execute(update(schema.project).values(admit="trusted"))  # a site would send a receipt
    with archive.client as client:
        for source in put(tmp_path / "in", tables("p01", "p02")):
            client.upload("lung", source.path, kind="clinical", label="clinical")
        version = client.freeze("lung", "v1")
    token = tmp_path / "cohortium.token"
    token.write_text(archive.token, "ascii")
    token.chmod(0o600)
    archive.road.asked.clear()
    ended = command("clinical", "export", "lung/v1", "--to", "out", "--url", archive.served.url, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert len(archive.road.asked) == 10  # clinical tables alone, no image
    assert len(read(tmp_path / "out" / "lb.xpt")) == 20
    package = json.loads((tmp_path / "out" / "package.json").read_text("utf-8"))
    assert package["dataset"] == {"name": "lung/v1", "digest": version.digest}
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out", "cohortium.token"}
