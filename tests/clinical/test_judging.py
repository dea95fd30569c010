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


def test_subjects_of_a_table(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"USUBJID,A\nP2,1\nP1,1\n,1\nP2,1\n")
    assert judging.subjects(tmp_path / "t.csv") == {"P2": 1, "P1": 2}
    (tmp_path / "t.csv").write_bytes(b"SUBJECT,A\nP2,1\n")
    assert judging.subjects(tmp_path / "t.csv") == {}
