"""The command line as people and scripts meet it: every command runs in a process of its own."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import nursery
from cohortium import __version__, config
from cohortium.cli import EXIT_CODES
from cohortium.cli.options import FAILED, FAULTY, FOUND
from cohortium.errors import CohortiumError

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def site(cohortium: Run, tmp_path: Path) -> Path:
    assert cohortium("init", cwd=tmp_path).returncode == 0
    return tmp_path


def test_version(cohortium: Run, tmp_path: Path) -> None:
    assert cohortium("--version", cwd=tmp_path).stdout == f"cohortium {__version__}\n"


def test_help_is_there_before_one_wonders(tmp_path: Path) -> None:
    script = "import sys; from cohortium import cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    slow = {"sqlalchemy", "numpy", "pydicom", "fastapi", "uvicorn", "obstore", "cryptography", "rich.console"}
    assert not slow & set(loaded)


def test_what_is_no_error_of_ours_shows_its_place_and_not_its_message(tmp_path: Path) -> None:
    script = """
from cohortium import cli
def defect(): raise {error}
cli.app.command()(defect)
cli.main()
"""
    for error, code, told in (
        ("ValueError('Grünwald^Ottilie')", 1, "a defect (ValueError)"),
        ("PermissionError(13, 'Permission denied', 'Grünwald^Ottilie')", 5, "Permission denied (defect, line 3)"),
    ):
        command = [sys.executable, "-c", script.format(error=error), "defect"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (code, "")
        assert told in done.stderr
        assert "Ottilie" not in done.stderr


def test_help_tells_every_exit_code(cohortium: Run, tmp_path: Path) -> None:
    shown = cohortium("--help", cwd=tmp_path).stdout
    for code in EXIT_CODES:
        assert f"\n    {code:<5}" in shown


def test_every_error_has_an_exit_code_of_its_own() -> None:
    codes = [kind.exit_code for kind in CohortiumError.__subclasses__()]
    assert len(set(codes)) == len(codes)
    assert set(codes) == set(EXIT_CODES) - {0, 1, FOUND, FAILED, FAULTY, 130}


def test_init_makes_a_site_that_loads(site: Path) -> None:
    made = config.load(site / "cohortium.toml", {})
    assert stat.S_IMODE(made.site.key.stat().st_mode) == 0o600
    assert not made.site.key.resolve().is_relative_to(made.site.data.resolve())
    assert stat.S_IMODE(made.site.data.stat().st_mode) == 0o700
    assert stat.S_IMODE(made.pipelines[0].source.stat().st_mode) == 0o700
    assert [pipeline.project for pipeline in made.pipelines] == [project.name for project in made.projects]


WAYS = ("[source.", "[destination.")  # none is needed at first: the reference has them


def test_init_writes_the_defaults_as_comments(site: Path) -> None:
    written = (site / "cohortium.toml").read_text("utf-8")
    uncommented = written.replace("# name = ", "name = ")
    (site / "other.toml").write_text(uncommented, "utf-8")
    for name, default, _ in config.settings():
        assert name.startswith(WAYS) or f"{name.rpartition('.')[2]} = " in written, (
            f"{name} (default {default!r}) is not in the file"
        )
    assert config.load(site / "other.toml", {}).site == config.load(site / "cohortium.toml", {}).site


def test_init_never_overwrites(cohortium: Run, site: Path) -> None:
    before = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}
    again = cohortium("init", cwd=site)
    assert again.returncode == 3
    assert again.stderr.startswith("cohortium: cohortium.toml exists")
    assert before == {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}


def test_init_where_nothing_can_be_written(cohortium: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = cohortium("init", "file", cwd=tmp_path)
    assert result.returncode == 5
    assert "Traceback" not in result.stderr


def test_config_show_names_the_origin_of_each_value(cohortium: Run, site: Path) -> None:
    result = cohortium("config", "show", "--json", cwd=site, COHORTIUM_SERVE__PORT="9000")
    shown = {row["name"]: (row["value"], row["origin"]) for row in json.loads(result.stdout)["settings"]}
    assert shown["serve.port"] == (9000, "COHORTIUM_SERVE__PORT")
    assert shown["serve.host"] == ("127.0.0.1", "default")
    assert shown["project[0].name"] == ("study", "file")
    assert {name.replace("[0]", "").replace("[", "").replace("]", "") for name in shown} == {
        name.replace("[", "").replace("]", "") for name, _, _ in config.settings() if not name.startswith(WAYS)
    }


def test_config_show_as_text(cohortium: Run, site: Path) -> None:
    lines = cohortium("config", "show", cwd=site).stdout.splitlines()
    assert any(line.startswith("serve.port ") and line.endswith("  8765  (default)") for line in lines)


def test_every_mistake_in_the_configuration_at_once(cohortium: Run, site: Path) -> None:
    (site / "cohortium.toml").write_text('[serve]\nport = "x"\nhots = 1\n[nonsense]\n', "utf-8")
    result = cohortium("config", "show", cwd=site)
    assert result.returncode == 2
    assert all(part in result.stderr for part in ("serve.port", "serve.hots", "[nonsense]"))


def test_no_configuration_names_the_next_step(cohortium: Run, tmp_path: Path) -> None:
    result = cohortium("serve", cwd=tmp_path)
    assert result.returncode == 2
    assert "cohortium init" in result.stderr


def test_a_mistyped_command_line(cohortium: Run, tmp_path: Path) -> None:
    result = cohortium("serve", "--port", "many", cwd=tmp_path)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_text_that_looks_like_markup_is_shown_as_it_is(cohortium: Run, site: Path) -> None:
    file = site / "[red]x[bold].toml"
    file.write_text('[serve]\nport = "x"\n', "utf-8")
    assert "[red]x[bold].toml" in cohortium("config", "show", "--config", file, cwd=site).stderr


def test_a_reader_that_goes_away_is_no_traceback(site: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [*nursery.COMMAND, "config", "show"], cwd=site, stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (process.returncode, process.stderr) == (1, "")
