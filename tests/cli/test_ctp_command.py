"""`cohortium ctp`: what people see of a script."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess

import pydicom
import pytest

import factory

UIDS = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
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


@pytest.fixture
def site(run, tmp_path: Path) -> Path:
    """A site whose pipeline runs a script with a lookup table and running numbers."""
    assert run("init").returncode == 0
    rules = '<e en="T" t="00100020" n="PatientID">@lookup(this,ptid)</e>'
    rules += '<e en="T" t="00081030" n="StudyDescription">@integer(AccessionNumber,acc,3)</e>'
    (tmp_path / "own.script").write_text(f"<script>{rules}</script>")
    head = 'name = "own"\nversion = "1"\ntitle = "Own"\nedition = "2026c"\nbase = "basic"\n'
    (tmp_path / "own.toml").write_text(f'{head}[ctp]\nscript = "own.script"\nlookup = "patients"\n')
    (tmp_path / "lookup.properties").write_text(f"ptid/{factory.ID} = SUBJ-1\n")
    for number in range(6):
        uids = {keyword: f"1.{n}.{number}" for n, keyword in enumerate(UIDS)}
        (tmp_path / "incoming" / f"{number}").write_bytes(factory.ct(AccessionNumber=f"A{number}", **uids))
    (tmp_path / "incoming" / "other").write_bytes(factory.ct(PatientID="P-2"))
    return tmp_path


def descriptions(folder: Path) -> dict[str, str]:
    found = (pydicom.dcmread(path) for path in sorted(folder.rglob("*.dcm")))
    return {each.SOPInstanceUID: each.StudyDescription for each in found}


def test_a_protocol_runs_a_script_with_its_tables(run, site):
    arguments = ("incoming", "--protocol", "own.toml", "--project", "p", "--json")
    result = run("deidentify", arguments[0], "out", *arguments[1:])
    assert result.returncode == 2
    assert "no lookup table 'patients'" in result.stderr
    result = run("ctp", "lookup", "lookup.properties", "--project", "p", "--name", "patients")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("1 entries; fingerprint ")
    for folder, jobs in (("out", "1"), ("again", "3")):
        result = run("deidentify", arguments[0], folder, *arguments[1:], "--jobs", jobs)
        assert result.returncode == 0, result.stderr
        told = json.loads(result.stdout)
        assert told["states"] == {"de-identified": 6, "quarantined": 1}
        assert told["quarantined"] == {"kept back by the CTP script": 1}
        assert "P-2" not in result.stdout + result.stderr
        assert [path.name for path in (site / folder).iterdir()] == ["SUBJ-1"]
    assert descriptions(site / "out") == descriptions(site / "again")
    assert sorted(descriptions(site / "out").values()) == [f"{number:03}" for number in range(1, 7)]


def test_a_gateway_runs_a_script(run, site):
    file = site / "cohortium.toml"
    file.write_text(file.read_text().replace('protocol = "basic"', 'protocol = "own.toml"'))
    project = tomllib.loads(file.read_text())["project"][0]["name"]
    assert run("ctp", "lookup", "lookup.properties", "--project", project, "--name", "patients").returncode == 0
    result = run("gateway", "once", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["quarantined"] == {"kept back by the CTP script": 1}
