"""A work list follows findings from check to check: open, waived, mended, and open again."""

from dataclasses import replace

import pytest

from cohortium.check import worklist
from cohortium.check.worklist import State
from cohortium.errors import ConfigError, Malformed
from cohortium.values import Finding, Severity

FIRST, SECOND, THIRD = "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00", "2026-01-03T00:00:00+00:00"
THICK = Finding("accuracy.slice-thickness", Severity.ERROR, "it is 3 mm; send it", patient="P001", mend="send it")
STRAY = Finding("structure.stray", Severity.WARNING, "1 file; take it out", row=3, mend="take it out")
LOOKED = {THICK.rule, STRAY.rule}


def states(rows):
    return {row.id: row.state for row in rows}


@pytest.fixture
def rows():
    return worklist.renewed((), [("a", THICK), ("b", STRAY)], LOOKED, FIRST)


def test_what_is_found_is_open_errors_first(rows):
    assert [(row.id, row.state, row.message) for row in rows] == [
        ("a", State.OPEN, "it is 3 mm"),
        ("b", State.OPEN, "1 file"),
    ]


def test_what_is_gone_is_mended_and_what_comes_back_is_open(rows):
    second = worklist.renewed(rows, [("b", STRAY)], LOOKED, SECOND)
    assert states(second) == {"a": State.MENDED, "b": State.OPEN}
    third = worklist.renewed(second, [("a", THICK)], LOOKED, THIRD)
    assert states(third) == {"a": State.OPEN, "b": State.MENDED}
    again = next(row for row in third if row.id == "a")
    assert (again.first_found, again.last_found, again.mended) == (FIRST, THIRD, "")


def test_nothing_is_mended_because_its_rule_did_not_look(rows):
    assert states(worklist.renewed(rows, [], {STRAY.rule}, SECOND)) == {"a": State.OPEN, "b": State.MENDED}


def test_a_waiver_stays_and_says_why_and_by_whom(rows):
    decided = worklist.waived(rows, ["a"], " the only  scan ", "Ada", SECOND)
    row = worklist.renewed(decided, [("a", THICK), ("b", STRAY)], LOOKED, THIRD)[-1]
    assert (row.id, row.state, row.reason, row.by, row.decided) == ("a", State.WAIVED, "the only scan", "Ada", SECOND)
    assert states(worklist.reopened(decided, ["a"]))["a"] is State.OPEN


@pytest.mark.parametrize(
    "other",
    [
        replace(THICK, message="it is 9 mm; send it"),
        replace(THICK, row=7),
    ],
)
def test_a_waiver_is_for_what_was_seen(rows, other):
    decided = worklist.waived(rows, ["a"], "the only scan", "Ada", SECOND)
    assert states(worklist.renewed(decided, [("a", other)], LOOKED, THIRD))["a"] is State.OPEN


def test_a_waived_warning_that_becomes_an_error_is_open(rows):
    decided = worklist.waived(rows, ["a", "b"], "known", "Ada", SECOND)
    worse, milder = replace(STRAY, severity=Severity.ERROR), replace(THICK, severity=Severity.INFO)
    assert states(worklist.renewed(decided, [("a", milder), ("b", worse)], LOOKED, THIRD)) == {
        "a": State.WAIVED,
        "b": State.OPEN,
    }


def test_a_waiver_that_was_mended_does_not_cover_what_comes_back(rows):
    decided = worklist.waived(rows, ["a"], "known", "Ada", SECOND)
    gone = worklist.renewed(decided, [], LOOKED, SECOND)
    assert states(worklist.renewed(gone, [("a", THICK)], LOOKED, THIRD))["a"] is State.OPEN


@pytest.mark.parametrize(("ids", "reason", "by"), [(["c"], "x", "Ada"), (["a"], " ", "Ada"), (["a"], "x", "\x07")])
def test_a_waiver_needs_a_finding_a_reason_and_somebody(rows, ids, reason, by):
    with pytest.raises(ConfigError):
        worklist.waived(rows, ids, reason, by, SECOND)


def test_what_is_mended_cannot_be_waived(rows):
    gone = worklist.renewed(rows, [], LOOKED, SECOND)
    with pytest.raises(ConfigError):
        worklist.waived(gone, ["a"], "x", "Ada", THIRD)


def test_it_is_kept_in_a_file(rows, tmp_path):
    kept = worklist.waived(rows, ["a"], "Größe", "Ada", SECOND)
    assert worklist.read(tmp_path / "list.json") == ()
    worklist.write(tmp_path / "list.json", kept)
    assert worklist.read(tmp_path / "list.json") == kept
    assert [path.name for path in tmp_path.iterdir()] == ["list.json"]


ROW = '{"format": "cohortium worklist 1", "rows": [%s]}'


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, '{"rows": []}', ROW % "1", ROW % '{"id": "Mueller"}'])
def test_what_is_no_work_list_is_refused_without_saying_what_it_holds(tmp_path, text):
    (tmp_path / "list.json").write_text(text, "utf-8")
    with pytest.raises(Malformed) as refused:
        worklist.read(tmp_path / "list.json")
    assert "Mueller" not in str(refused.value)
