"""Tables as hospitals' software writes them, and those that cannot be read."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cohortium.errors import Malformed

pl = pytest.importorskip("polars", reason="needs the extra `clinical`")
pyreadstat = pytest.importorskip("pyreadstat", reason="needs the extra `clinical`")


from cohortium.clinical import reading  # noqa: E402

NAMES = ("USUBJID", "AGE", "MBTSTDTL")


def rows(path: Path, content: bytes) -> list[tuple[object, ...]]:
    path.write_bytes(content)
    return reading.read(path, NAMES).frame.rows()


@pytest.mark.parametrize(
    "content",
    [
        b"USUBJID,AGE\nP1,61\nP2,\n",
        b'"USUBJID","AGE"\r\n"P1",61\r\n"P2",NA\r\n',
        b"\xef\xbb\xbfUSUBJID;AGE\r\n P1 ;61\r\nP2;.\r\n",
        b"usubjid\tage\nP1\t61\nP2\t",
        b"WARD|USUBJID|AGE\n7B|P1|61\n7B|P2| \n",
        "USUBJID,AGE\nP1,61\nP2,\n".encode("utf-16"),
        b"USUBJID,AGE\n\nP1,61\nP2,\n",
    ],
    ids=["plain", "quoted", "mark, semicolons, blanks", "tabs, small letters", "bars", "UTF-16", "blank line"],
)
def test_one_table_in_many_dresses(tmp_path, content):
    found = [row[1:] for row in rows(tmp_path / "t.csv", content)]
    assert found == [("P1", "61"), ("P2", None)]


def test_rows_are_counted_as_they_stand_below_the_heading(tmp_path):
    assert [row[0] for row in rows(tmp_path / "t.csv", b"USUBJID,AGE\nP1,1\n,\n\nP2,2\n")] == [1, 4]


def test_letters_of_western_windows(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("USUBJID,AGE\nMüller,1\n".encode("cp1252"))
    sheet = reading.read(path, NAMES)
    assert (sheet.encoding, sheet.frame["USUBJID"][0]) == ("cp1252", "Müller")


def test_a_variable_under_another_name(tmp_path):
    assert rows(tmp_path / "t.csv", b"MBTESTDTL\nDETECTION\n") == [(1, "DETECTION")]
    both = b"MBTESTDTL,MBTSTDTL\nA,DETECTION\n"
    assert rows(tmp_path / "t.csv", both) == [(1, "DETECTION")]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it has no heading"),
        (b"\n\n", "it has no heading"),
        (b"USUBJID,AGE\nP1,61,62\n", "a row has more fields than the heading, or quotes do not end"),
        (b'USUBJID,AGE\n"P1,61\n', "a row has more fields than the heading, or quotes do not end"),
        (b"USUBJID,AGE\nP1\n", "rows have fewer fields than the heading"),
        (b"USUBJID,usubjid\nP1,P1\n", "two columns have one heading"),
        (b"USUBJID,AGE\nP1,\0\n", "it has bytes that are no text"),
        (b"USUBJID,AGE\nP1,\x81\n", "it is in an encoding that is not known"),
        (b"\xff\xfeU", "it is not in the encoding that it declares"),
    ],
)
def test_what_cannot_be_read_says_what_is_wrong_with_the_file(tmp_path, content, why):
    with pytest.raises(Malformed, match=f"^{why}$"):
        rows(tmp_path / "t.csv", content)


def test_a_file_that_went_away(tmp_path):
    with pytest.raises(Malformed, match=r"^it cannot be opened \(FileNotFoundError\)$"):
        reading.read(tmp_path / "t.csv", NAMES)


def test_a_sas_transport_file(tmp_path):
    path = tmp_path / "p01_dm.xpt"
    frame = pl.DataFrame({"USUBJID": ["P1", "P2"], "AGE": [61.0, None], "WARD": ["7B", ""]})
    pyreadstat.write_xport(frame, path, file_format_version=5, table_name="DM")
    sheet = reading.read(path, NAMES)
    assert sheet.headings == ("USUBJID", "AGE", "WARD")
    assert sheet.frame.rows() == [(1, "P1", "61.0"), (2, "P2", None)]


@pytest.mark.parametrize("length", [0, 40, 400, 1000])
def test_a_sas_transport_file_that_was_cut(tmp_path, length):
    path = tmp_path / "p01_dm.xpt"
    pyreadstat.write_xport(pl.DataFrame({"USUBJID": ["P1"] * 99}), path, file_format_version=5, table_name="DM")
    path.write_bytes(path.read_bytes()[:length])
    with contextlib.suppress(Malformed):
        assert reading.read(path, NAMES).frame.height < 99


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=200), st.text(alphabet='ab,;"\n\r\t|é', max_size=60).map(str.encode)))
def test_any_bytes_are_a_table_or_malformed(tmp_path, content):
    for name in ("t.csv", "t.xpt"):
        (tmp_path / name).write_bytes(content)
        with contextlib.suppress(Malformed):
            reading.read(tmp_path / name, {"A", "B"})
