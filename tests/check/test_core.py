"""What CDISC's own rules engine reports is told without values, and what it did not do is told too."""

import json
import os
import shlex
import sys
from pathlib import Path

import pytest

import clinical_deliveries as clinical
import deliveries
from cohortium import check
from cohortium.check import core
from cohortium.check.examine import examine
from cohortium.check.report import Status, as_dict
from cohortium.clinical.core import CACHE, IN_MEMORY, PROGRAM, Failed, answered, validate

pyreadstat = pytest.importorskip("pyreadstat", reason="needs the extra `clinical`")
pytest.importorskip("polars", reason="needs the extra `clinical`")

DRAGON = check.load("dragon")
AT_HAND = {name: os.environ[name] for name in (PROGRAM, CACHE) if name in os.environ}  # before tests are kept apart


def detail(rule, dataset, row, variables, **others):
    """An issue as the engine writes it (0.17.1), values and subject included."""
    values = ["SECRET"] * len(variables) if isinstance(variables, list) else "Rule contains invalid operator"
    told = {"core_id": rule, "message": f"message of {rule}", "executability": "fully executable", "dataset": dataset}
    return {**told, "USUBJID": "SECRET", "row": row, "SEQ": 1, "variables": variables, "values": values, **others}


REPORT = {
    "Conformance_Details": {"CORE_Engine_Version": "0.17.1", "Standard": "SDTMIG", "Version": "V3.3", "CT_Version": ""},
    "Dataset_Details": [{"filename": "DM", "label": None, "path": "/secret", "size_kb": 1.52, "length": 2}],
    "Issue_Summary": [
        {"dataset": "DM", "core_id": "CORE-000006", "message": "message of CORE-000006", "issues": 250},
        {"dataset": "DM", "core_id": "CORE-009999", "message": "rule execution error", "issues": 1},
        {"dataset": "LB", "core_id": "CORE-000133", "message": "message of CORE-000133", "issues": 1},
        {"dataset": "LB", "core_id": "CORE-000701", "message": "message of CORE-000701", "issues": 9},
    ],
    "Issue_Details": [
        detail("CORE-000006", "DM", 7, ["DTHFL"]),
        detail("CORE-000006", "DM", 2, ["DTHFL"]),
        detail("CORE-000133", "LB", 2, ["LBSTRESU", "LBSTRESC"]),
        detail("CORE-000701", "LB", 1, ["EPOCH"]),
        detail("CORE-000334", "MB", "", ["MBMETHOD"]),
        detail("CORE-009999", "DM", "", ""),
    ],
    "Rules_Report": [
        {"core_id": rule, "version": "1", "cdisc_rule_id": "", "fda_rule_id": "", "message": "", "status": status}
        for rule, status in {
            "CORE-000006": "ISSUE REPORTED",
            "CORE-000133": "ISSUE REPORTED",
            "CORE-000334": "ISSUE REPORTED",
            "CORE-000701": "ISSUE REPORTED",
            "CORE-000010": "SUCCESS",
            "CORE-000011": "SKIPPED",
            "CORE-009999": "EXECUTION ERROR",
        }.items()
    ],
}
STAND_IN = """
import json, os, sys
given = sys.argv
assert not [name for name in os.environ if "CDISC" in name], "no key is handed on"
assert given[1:4] == ["validate", "-s", "sdtmig"] and given[given.index("-v") + 1] == "3-3"
paths = [value for name, value in zip(given, given[1:]) if name == "-dp"]
assert all(os.path.getsize(path) for path in paths)
open({seen!r}, "w").write(json.dumps(paths))
{deed}
"""


def outcome(folder, tables=None):
    made = deliveries.Delivery(tables=tables if tables is not None else clinical.tables(2))
    report = examine(made.write(folder), DRAGON)
    (found,) = (each for each in report.outcomes if each.rule.id == "core.issue")
    return found, [each for each in report.findings if each.rule == "core.issue"], report


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A program in the place of CORE that does one deed; what it was given."""

    def named(deed):
        script, seen = tmp_path / "core.py", tmp_path / "seen.json"
        script.write_text(STAND_IN.format(seen=str(seen), deed=deed), "utf-8")
        monkeypatch.setenv(PROGRAM, shlex.join([sys.executable, str(script)]))
        monkeypatch.setenv("CDISC_LIBRARY_API_KEY", "secret")
        return seen

    monkeypatch.delenv(CACHE, raising=False)
    return named


def writing(report):
    return f"open(given[given.index('-o') + 1] + '.json', 'w').write({json.dumps(report)!r})"


def test_a_report_is_read_for_rules_and_rows():
    answer = answered(REPORT)
    assert (answer.version, answer.carried_out, answer.broken) == ("0.17.1", 5, ("CORE-009999",))
    assert [(each.rule, each.dataset, each.count, each.row, each.variables) for each in answer.issues] == [
        ("CORE-000006", "DM", 250, 2, ("DTHFL",)),
        ("CORE-000133", "LB", 1, 2, ("LBSTRESU", "LBSTRESC")),
        ("CORE-000334", "MB", 0, 0, ("MBMETHOD",)),
        ("CORE-000701", "LB", 9, 1, ("EPOCH",)),
    ]


@pytest.mark.parametrize("report", [{}, [], None, {**REPORT, "Issue_Details": [{}]}, {**REPORT, "Rules_Report": 1}])
def test_what_is_no_report_says_nothing(report):
    with pytest.raises(ValueError, match="not a report"):
        answered(report)


def test_issues_are_findings_of_a_rule_and_a_table(tmp_path, stand_in):
    seen = stand_in(writing(REPORT))
    found, findings, report = outcome(tmp_path / "delivery")
    assert [(each.file, each.row, each.variable, each.fact) for each in findings] == [
        (clinical.DM, 2, "DTHFL", "CORE-000006: message of CORE-000006, in 250 rows"),
        (clinical.LB, 2, "", "CORE-000133: message of CORE-000133 (LBSTRESU, LBSTRESC), in 1 row"),
        (clinical.MB, 0, "MBMETHOD", "CORE-000334: message of CORE-000334"),
    ]
    assert "CORE-009999" in found.why
    assert "SECRET" not in json.dumps(as_dict(report))
    paths = [Path(each) for each in json.loads(seen.read_text("utf-8"))]
    assert sorted(each.name for each in paths) == ["dd.xpt", "dm.xpt", "lb.xpt", "mb.xpt", "pr.xpt"]
    assert not any(each.exists() for each in paths)
    if IN_MEMORY.is_dir():
        assert all(each.is_relative_to(IN_MEMORY) for each in paths)


def test_nothing_found_has_passed(tmp_path, stand_in):
    clean = {**REPORT, "Issue_Summary": [], "Issue_Details": [], "Rules_Report": REPORT["Rules_Report"][4:5]}
    stand_in(writing(clean))
    assert outcome(tmp_path / "delivery")[0].status is Status.PASSED


@pytest.mark.parametrize(
    ("deed", "why"),
    [
        ("raise SystemExit(3)", "ended with 3"),
        ("pass", "no report"),
        ("open(given[given.index('-o') + 1] + '.json', 'w').write('{')", "no report"),
        (writing({**REPORT, "Issue_Details": [], "Rules_Report": REPORT["Rules_Report"][5:6]}), "none of its rules"),
    ],
)
def test_what_did_not_come_to_an_end_has_not_passed(tmp_path, stand_in, deed, why):
    stand_in(deed)
    found, findings, _ = outcome(tmp_path / "delivery")
    assert (found.status, findings) == (Status.SKIPPED, [])
    assert why in found.why


def test_without_the_program_it_is_skipped(tmp_path, monkeypatch):
    monkeypatch.delenv(PROGRAM, raising=False)
    found = outcome(tmp_path / "one")[0]
    assert (found.status, core.NOT_NAMED in found.why) == (Status.SKIPPED, True)
    monkeypatch.setenv(PROGRAM, str(tmp_path / "no such program"))
    found = outcome(tmp_path / "two")[0]
    assert (found.status, "cannot be started" in found.why) == (Status.SKIPPED, True)


def test_tables_keep_rows_and_names(tmp_path):
    from cohortium.clinical import transport

    path = tmp_path / "p01_lb.csv"
    path.write_text("USUBJID,LBSEQ,LBSTRESN,ATOOLONGNAME,MINE\nP1,1,1.5,x,\nP2,2,two,x,ä\n", "utf-8")
    transport.write(path, "LB", tmp_path / "lb.xpt")
    frame, _ = pyreadstat.read_xport(tmp_path / "lb.xpt", output_format="dict")
    assert list(frame) == ["USUBJID", "LBSEQ", "LBSTRESN", "MINE"]
    assert list(frame["LBSEQ"]) == [1.0, 2.0]
    assert list(frame["MINE"]) == ["", "ä"]


@pytest.mark.skipif(PROGRAM not in AT_HAND, reason=core.NOT_NAMED)
def test_the_program_itself(tmp_path, monkeypatch):
    """It finds the flag that may not be N, whatever else its rules find in a made-up study."""
    for name, value in AT_HAND.items():
        monkeypatch.setenv(name, value)
    tables = clinical.tables(2)
    tables[clinical.DM][1]["DTHFL"] = "N"
    found, findings, _ = outcome(tmp_path, tables)
    assert found.findings
    assert ("CORE-000006", clinical.DM, 2) in {(each.fact.partition(":")[0], each.file, each.row) for each in findings}


def test_a_program_that_is_none_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv(PROGRAM, str(tmp_path))
    with pytest.raises(Failed, match="cannot be started"):
        validate([], "3-3", "sdtmct-2025-03-28")
