"""Clinical tables in a proof: what identifies an input is found in any output, and numbers alone give no alarm."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import factory
from cohortium.verify.checks import Status
from cohortium.verify.pairs import Pair
from cohortium.verify.search import search
from cohortium.verify.tables import cell, checked, identities, is_table

TABLE = "PatNr;Nachname;Grad;Alter;Kontakt\n47110815;Rosenblüth;G2;61;über rosie@example.org\n1015;Kranz;G1;70;\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_headings_tell_what_identifies(encoding: str) -> None:
    assert list(identities(TABLE.encode(encoding))) == [
        ("47110815", "identifier"),
        ("Rosenblüth", "name"),
        ("rosie@example.org", "phone"),
        ("1015", "identifier"),
        ("Kranz", "name"),
    ]


@pytest.mark.parametrize("heading", ["LBTEST", "VISITNUM", "Grade", "AGE", "TumorName", "LBSEQ", "SEX", "Location"])
def test_clinical_columns_identify_nobody(heading: str) -> None:
    assert list(identities(f"{heading}\nNORMAL\n".encode())) == []


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_text(TABLE, "utf-8")
    return path


@pytest.mark.parametrize(
    ("output", "at"),
    [
        ("PatNr,Grad\n47110815,G2\n", "PatNr"),
        ("PatNr,Grad\nQ7XA,rosenblueth\n", "Grad"),
        ('PatNr,Grad\nQ7XA,"a, b"\nQ7XB,"of Kranz, not"\n', "Grad"),
        ("PatNr,Alter\nQ7XA,47110815\n", "Alter"),
        ("PatNr,Grad\nQ7XA,ROSIE@EXAMPLE.ORG\n", "Grad"),
        ("PatNr,Grad\n1015,G1\n", "PatNr"),
    ],
)
def test_an_identity_left_in_a_table_is_found(source: Path, output: str, at: str) -> None:
    found = search([source], [("t.csv", output.encode())])
    assert {hit.at for hit in found.hits} == {at}
    assert {hit.where for hit in found.hits} == {"t.csv"}


def test_an_identity_of_a_table_left_in_an_image_is_found(source: Path) -> None:
    found = search([source], [("i.dcm", factory.ct(SeriesDescription="Thorax Rosenblüth"))])
    assert "SeriesDescription" in {hit.at for hit in found.hits}


def test_short_numbers_among_numbers_are_coincidences(source: Path) -> None:
    hashed = "0" * 30 + "1015" + "a" * 30
    output = f"PatNr,Dose,Seen\n{hashed},1015,2013-10-15\n{hashed},10.1015,1015-01-01\n"
    found = search([source], [("t.csv", output.encode())])
    assert found.hits == ()
    assert found.coincidences


def test_a_name_in_the_file_name_is_found(source: Path) -> None:
    found = search([source], [("kranz.csv", b"PatNr\nQ7XA\n")])
    assert [hit.at for hit in found.hits] == ["file name"]


def test_rows_may_go_and_none_may_come(tmp_path: Path) -> None:
    def result(before: str, after: str) -> Status:
        (tmp_path / "a.csv").write_text(before)
        (tmp_path / "b.csv").write_text(after)
        (made,) = checked([Pair(tmp_path / "a.csv", tmp_path / "b.csv", "b.csv", ())], {"b.csv": "b.csv"})
        return made.status

    assert result("A\n1\n2\n", "A\n1\n") is Status.PASSED
    assert result("A\n1\n", "A\n1\n2\n") is Status.FAILED
    assert list(checked([], {})) == []


@given(st.lists(st.text('ab,;"\n 1', max_size=6), min_size=3, max_size=3), st.integers(0, 60))
def test_any_byte_lies_in_some_cell(cells: list[str], offset: int) -> None:
    content = ("A,B,C\n" + ",".join(f'"{each}"' for each in cells) + "\n").encode()
    name, vr = cell(content, offset)
    assert name
    assert vr in ("LO", "DS", "DA", "UI")


def test_only_tables_are_tables() -> None:
    assert [is_table(name) for name in ("a.csv", "b/C.TSV", "d.dcm", "csv")] == [True, True, False, False]
