"""Two reports compared: mended and new only where the rule looked both times."""

import json
from pathlib import Path

import pytest

from cohortium.check.comparison import Comparison, compare, read
from cohortium.errors import Malformed

THICK = {"id": "a", "rule": "accuracy.slice-thickness", "severity": "error", "message": "it is 3 mm", "state": "open"}
STRAY = {"id": "b", "rule": "structure.stray", "severity": "warning", "message": "1 file", "state": "open"}
RULES = {"accuracy.slice-thickness": "failed", "structure.stray": "failed"}


def report(*findings: dict, digest: str = "d", **why: str) -> dict:
    rules = [{"id": id, "status": "passed", "why": ""} | {"why": why.get(id.partition(".")[0], "")} for id in RULES]
    return {
        "specification": {"name": "dragon", "version": "1.0", "digest": digest},
        "software": "Cohortium 0",
        "checked": "2026-01-01T00:00:00+00:00",
        "counts": {"patients": 1, "series": 1, "objects": 28, "tables": 0},
        "rules": rules,
        "findings": list(findings),
    }


@pytest.fixture
def compared(tmp_path: Path):
    def of(before: dict, after: dict) -> Comparison:
        (tmp_path / "before.json").write_text(json.dumps(before), "utf-8")
        (tmp_path / "after.json").write_text(json.dumps(after), "utf-8")
        return compare(read(tmp_path / "before.json"), read(tmp_path / "after.json"))

    return of


def kinds(found: Comparison) -> dict[str, list[str]]:
    groups = {"mended": found.mended, "new": found.new, "stayed": found.stayed, "unknown": found.unknown}
    return {kind: [each.id for each in changes] for kind, changes in groups.items() if changes}


def test_mended_new_and_stayed(compared):
    more = THICK | {"id": "c", "message": "it is 5 mm"}
    found = compared(report(THICK, STRAY), report(STRAY | {"message": "2 files"}, more))
    assert kinds(found) == {"mended": ["a"], "new": ["c"], "stayed": ["b"]}
    assert (found.errors, found.differs) == (1, [])
    assert [(each.before.message, each.after.message) for each in found.stayed] == [("1 file", "2 files")]


def test_gone_is_not_mended_where_the_rule_could_not_look(compared):
    after = report(STRAY, accuracy="no reader (1 of 2)")
    assert kinds(compared(report(THICK, STRAY), after)) == {"unknown": ["a"], "stayed": ["b"]}


def test_an_error_that_nobody_looked_for_before_counts_and_may_not_be_new(compared):
    found = compared(report(accuracy="no reader (2 of 2)"), report(THICK))
    assert kinds(found) == {"unknown": ["a"]}
    assert found.errors == 1


def test_waived_errors_and_warnings_do_not_count(compared):
    assert compared(report(), report(THICK | {"state": "waived"}, STRAY)).errors == 0


def test_a_warning_that_became_an_error_counts(compared):
    found = compared(report(STRAY), report(STRAY | {"severity": "error"}, digest="other"))
    assert found.errors == 1
    assert found.differs == ["digest of the specification: d before, other after"]


@pytest.mark.parametrize("text", ["", "1", "{}", "[" * 100_000, json.dumps(report({"id": "Mueller"}))])
def test_what_is_no_report_is_refused_without_saying_what_it_holds(tmp_path, text):
    (tmp_path / "x.json").write_text(text, "utf-8")
    with pytest.raises(Malformed) as refused:
        read(tmp_path / "x.json")
    assert "Mueller" not in str(refused.value)
