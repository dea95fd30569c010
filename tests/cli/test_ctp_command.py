"""`cohortium ctp`: what people see of a script."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess

import pytest

SCRIPT = """<script>
 <e en="T" t="00100010" n="PatientName">@hash(NoSuchName)</e>
 <e en="T" t="00101040" n="PatientAddress">@keep()</e>
 <e en="T" t="00181000" n="DeviceSerialNumber">@empty()</e>
</script>"""


@pytest.fixture
def run(cohortium: Callable[..., CompletedProcess[str]], tmp_path: Path) -> Callable[..., CompletedProcess[str]]:
    return partial(cohortium, cwd=tmp_path)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "hospital.script"
    path.write_text(SCRIPT, "utf-8")
    return path


def test_explain_shows_rules_leaks_and_notes(run, script):
    result = run("ctp", "explain", str(script))
    assert result.returncode == 0, result.stderr
    assert "note, line 2: @hash: CTP knows no attribute of this name" in result.stdout
    assert "3 rules" in result.stdout
    assert "PatientAddress" in result.stdout


def test_explain_as_json(run, script):
    everything = json.loads(run("ctp", "explain", str(script), "--json").stdout)
    assert everything["problems"] == []
    assert everything["attributes"][1]["leak"] == "the value stays"
    assert everything["attributes"][2]["leak"] == ""
    only = json.loads(run("ctp", "explain", str(script), "--json", "--leaks").stdout)
    assert len(only["attributes"]) == only["leaks"] == everything["leaks"]


def test_convert_writes_a_protocol_that_loads(run, script, tmp_path):
    result = run("ctp", "convert", str(script), "--output", str(tmp_path / "p.toml"))
    assert result.returncode == 0, result.stderr
    assert "not in it: line 3: PatientAddress: kept by the script" in result.stderr
    explained = run("deidentify", "--protocol", str(tmp_path / "p.toml"), "--explain", "--json")
    rows = {row["keyword"]: row["action"] for row in json.loads(explained.stdout)["attributes"]}
    assert rows["DeviceSerialNumber"] == "empty"


def test_convert_shows_the_protocol(run, script):
    assert 'DeviceSerialNumber = "empty"' in run("ctp", "convert", str(script)).stdout
    answer = json.loads(run("ctp", "convert", str(script), "--json", "--name", "mine").stdout)
    assert 'name = "mine"' in answer["protocol"]
    assert answer["left"][0]["line"] == 2


@pytest.mark.parametrize("command", ["explain", "convert"])
def test_what_is_no_script_ends_in_one_line_for_each_mistake(run, tmp_path, command):
    (tmp_path / "a").write_text('<s><e en="T" t="0010"/>\n<k en="T"/></s>', "utf-8")
    result = run("ctp", command, str(tmp_path / "a"))
    assert result.returncode == 2
    assert "line 1: the attribute t is missing or too short" in result.stderr
    assert "line 2: the attribute t is missing" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["explain", "convert"])
def test_a_sop_class_must_be_known(run, script, command):
    result = run("ctp", command, str(script), "--sop-class", "1.2")
    assert (result.returncode, result.stdout) == (2, "")
    assert "not on the list" in result.stderr


def test_a_protocol_that_cannot_be_written_is_told(run, script, tmp_path):
    result = run("ctp", "convert", str(script), "--output", str(tmp_path / "none" / "p.toml"))
    assert result.returncode == 5
    assert "cannot be written" in result.stderr
