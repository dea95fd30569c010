"""Whatever stands in a table, it is judged, and no value comes back."""

import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cohortium.clinical import sdtm
from cohortium.errors import Malformed

pytest.importorskip("polars", reason="needs the extra `clinical`")
pytest.importorskip("pyreadstat", reason="needs the extra `clinical`")

from cohortium.clinical import judging

CELLS = st.one_of(
    st.sampled_from(
        ["", "NA", "NOT DONE", "Y", "ALB", "2020-03-04", "P10D", "1", "-1", "1e999", "nan", "inf", "90+", "/"]
    ),
    st.text(max_size=12),
)


@pytest.mark.parametrize("domain", ["DM", "LB", "MB", "PR", "AE"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(data=st.data())
def test_any_cells_are_judged(tmp_path, domain, data):
    names = data.draw(st.lists(st.sampled_from(list(sdtm.variables(domain))), min_size=1, unique=True))
    rows = data.draw(st.lists(st.tuples(*[CELLS] * len(names)), min_size=1, max_size=6))
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([names, *rows])
    path = tmp_path / "t.csv"
    path.write_bytes(stream.getvalue().encode("utf-8", "replace"))
    try:
        faults = judging.judge(path, domain)
    except Malformed:
        return
    assert faults.keys() == judging.KINDS.keys()
    for fault in (fault for group in faults.values() for fault in group):
        assert fault.row >= 0
        assert fault.variable in {*sdtm.variables(domain), ""}


@pytest.mark.parametrize("content", [b"USUBJID,LBSEQ\n", b"USUBJID,LBSEQ\n,\n\n"])
def test_a_table_has_rows(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(Malformed, match=r"^it has no rows$"):
        judging.judge(tmp_path / "t.csv", "LB")


def located(folder, **tables):
    """Tables by their domain, several after one another."""
    found = []
    for name, content in tables.items():
        path = folder / f"{name}.csv"
        path.write_bytes(content)
        found.append(judging.Located(name, path, name[:2].upper()))
    return judging.judge_together(found)


def told(found):
    return {
        kind: {name: [(each.variable, each.row) for each in faults] for name, faults in tables.items() if faults}
        for kind, tables in found.faults.items()
        if any(tables.values())
    }


def test_subjects_of_a_table(tmp_path):
    assert located(tmp_path, lb=b"USUBJID,A\nP2,1\nP1,1\n,1\nP2,1\n").subjects == {"lb": {"P2": 1, "P1": 2}}
    assert located(tmp_path, lb=b"SUBJECT,A\nP2,1\n").subjects == {"lb": {}}
    assert located(tmp_path, lb=b"").subjects == {}


def test_days_are_counted_from_the_reference_of_their_subject(tmp_path):
    """Day 1 after day -1; and no day where a date is not whole, or nobody knows the subject's reference."""
    dm = b"USUBJID,RFSTDTC\nP1,2020-03-04T10:00\nP2,2020-03\nP3,\n"
    right = (
        b"P1,2020-03-04,1\nP1,2020-03-03,-1\nP1,2020-03-05T08:00,2.0\nP1,2020-03,\nP2,2020-03-04,\nP9,2020-03-04,7\n"
    )
    assert told(located(tmp_path, dm=dm, lb=b"USUBJID,LBDTC,LBDY\n" + right)) == {}
    for wrong in (
        b"P1,2020-03-04,0\n",
        b"P1,2020-03-05,1\n",
        b"P1,2020-03-04,one\n",
        b"P1,2020-03,1\n",
        b"P2,2020-03-04,1\n",
    ):
        found = told(located(tmp_path, dm=dm, lb=b"USUBJID,LBDTC,LBDY\n" + right + wrong))
        assert found == ({"day": {"lb": [("LBDY", 7)]}} if b"one" not in wrong else {})  # that is no number
    assert told(located(tmp_path, lb=b"USUBJID,LBDTC,LBDY\nP1,2020-03,1\n")) == {}


def test_who_died_is_said_to_have_died(tmp_path):
    dm = b"USUBJID,DTHDTC,DTHFL\nP1,2020-04,Y\nP2,,\nP3,2020-04,\n"
    assert told(located(tmp_path, dm=dm)) == {"death": {"dm": [("DTHFL", 3)]}}
    assert told(located(tmp_path, dd=b"USUBJID\nP2\n", dm=dm)) == {"death": {"dm": [("DTHFL", 2)]}}
    assert told(located(tmp_path, dd=b"USUBJID\nP2\n", dm=b"USUBJID\nP2\n")) == {}


def test_files_of_a_domain_are_numbered_as_one(tmp_path):
    first, second = b"USUBJID,LBSEQ\nP1,1\nP1,2\n", b"USUBJID,LBSEQ\nP2,1\nP1,3\nP1,2\n"
    assert told(located(tmp_path, lb1=first, lb2=second)) == {"split": {"lb2": [("LBSEQ", 3)]}}
    assert told(located(tmp_path, lb1=first, mb=second.replace(b"LB", b"MB"))) == {}
    assert told(located(tmp_path, dm1=b"USUBJID\nP1\n", dm2=b"USUBJID\nP2\nP1\n")) == {
        "split": {"dm2": [("USUBJID", 2)]}
    }


def test_tables_are_of_one_study(tmp_path):
    lb = b"USUBJID,STUDYID\nP1,A\nP1,\nP1,B\n"
    assert told(located(tmp_path, lb=lb, dm=b"USUBJID,STUDYID\nP1,A\n")) == {"study": {"lb": [("STUDYID", 3)]}}
