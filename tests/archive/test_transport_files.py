"""SAS transport files come in as CSV does, are read to their last byte, and lose rows as it does."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from cohortium.archive import Address, Archive, Destination, Kind, Level, files
from cohortium.archive.clinical import sheets
from cohortium.archive.incoming import Unfit
from cohortium.clinical.xport import Xport
from cohortium.config import Project
from cohortium.errors import CohortiumError, Malformed
from cohortium.store import schema

pl = pytest.importorskip("polars")
pyreadstat = pytest.importorskip("pyreadstat")

ROWS = {
    "USUBJID": ["A", "Bü", "A", ""],
    "DOMAIN": ["LB"] * 4,
    "LBSEQ": [1.0, 2.0, 3.0, 4.0],
    "LBSTRESN": [13.2, None, -0.1, 1e-70],
    "LBDTC": ["2024-02", "", "", ""],
}


def written(folder: Path, columns: dict[str, list[Any]] = ROWS) -> bytes:
    path = folder / "lb.xpt"
    labels = ["Number"] * len(columns)
    pyreadstat.write_xport(pl.DataFrame(columns), path, file_format_version=5, table_name="LB", column_labels=labels)
    return path.read_bytes()


def test_what_another_program_wrote_is_read_as_it_was(tmp_path: Path) -> None:
    content = written(tmp_path)
    assert files.look(content).media_type == "application/x-sas-xport"
    sheet = sheets.opened(content, "application/x-sas-xport")
    assert sheet.headings == tuple(ROWS)
    assert [row.cells for row in sheet.rows()] == [
        ["A", "LB", "1", "13.2", "2024-02"],
        ["Bü", "LB", "2", "", ""],
        ["A", "LB", "3", "-0.1", ""],
        ["", "LB", "4", "1e-70", ""],
    ]
    said = {each.text for each in files.look(content).said}
    assert {"USUBJID", "Number", "Bü", "13.2", "2024-02", "LB", "bsd4.2"} <= said


def test_rows_that_go_leave_a_file_that_other_programs_read(tmp_path: Path) -> None:
    made, left = sheets.opened(written(tmp_path), sheets.XPORT).only(lambda row: row.cells[0] != "A")
    (tmp_path / "less.xpt").write_bytes(made)
    frame, _ = pyreadstat.read_xport(tmp_path / "less.xpt", output_format="polars")
    assert left == len(frame) == 2
    assert frame["USUBJID"].to_list() == ["Bü", ""]
    assert b"13.2" not in made
    assert Xport(made).count == 2


@given(numbers=st.lists(st.floats(-1e70, 1e70).filter(lambda x: x == 0 or abs(x) > 1e-70), min_size=1, max_size=30))
@settings(max_examples=30, deadline=None)
def test_any_number_is_the_one_that_was_written(tmp_path_factory: pytest.TempPathFactory, numbers: list[float]) -> None:
    folder = tmp_path_factory.mktemp("xport")
    content = written(folder, {"LBSTRESN": numbers})
    frame, _ = pyreadstat.read_xport(folder / "lb.xpt", output_format="polars")
    mine = [float(row.cells[0]) for row in sheets.opened(content, sheets.XPORT).rows()]
    assert mine == pytest.approx(frame["LBSTRESN"].to_list(), rel=1e-15)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1],
        lambda content: content + b" " * 80,
        lambda content: content[:-3] + b"xyz",
        lambda content: content.replace(b"bsd4.2" + b" " * 26, b"bsd4.2" + b" " * 18 + b"J. Smith"),
        lambda content: content.replace(b"LBSEQ   Number", b"LBSEQ   \xff\xffmber"),
        lambda content: content + content[240:],
        lambda content: content[: 7 * 80 + 54] + b"0009" + content[7 * 80 + 58 :],
        lambda content: content.replace(b"0140  ", b"0136  "),
    ],
)
def test_what_hides_something_or_is_damaged_stays_out(tmp_path: Path, change: Any) -> None:
    content = written(tmp_path)
    changed = change(content)
    assert changed != content
    with pytest.raises((Unfit, Malformed)):
        files.look(changed)


@given(at=st.integers(0, 1600), byte=st.integers(0, 255), cut=st.integers(0, 1600))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, cut: int) -> None:
    content = bytearray(written(tmp_path_factory.mktemp("xport")))
    content[at % len(content)] = byte
    with suppress(CohortiumError):
        files.look(bytes(content[: max(cut, 400)] if cut % 3 == 0 else content))


def test_its_rows_are_stored_and_leave_as_those_of_csv(archive: Archive, protocol: Any, tmp_path: Path) -> None:
    archive.open_project(Project("trusted", "Trusted", "trusted"), protocol)
    to = Destination(Level.PROJECT, None, Kind.CLINICAL, "clinical", "north_lb.xpt")
    archive.attach(io.BytesIO(written(tmp_path)), to, "trusted", "ada")
    row = schema.clinical_row.c
    with archive.engine.begin() as connection:
        query = select(schema.clinical_subject.c.USUBJID, row.sequence, row.number, row.earliest)
        query = query.join_from(schema.clinical_row, schema.clinical_subject).order_by(row.row)
        found = connection.execute(query).all()
    assert found == [("A", 1, 13.2, "2024-02-01T00:00:00"), ("Bü", 2, None, ""), ("A", 3, -0.1, "")]
    archive.withdraw("trusted", "A", who="ada", reason="asked")
    with archive.engine.begin() as connection:
        assert [each.USUBJID for each in connection.execute(query)] == ["Bü"]
        (file,) = connection.execute(select(schema.resource_file)).all()
    (tmp_path / "left.xpt").write_bytes(archive.objects.get(Address(file.key_id, file.digest, file.size)))
    frame, _ = pyreadstat.read_xport(tmp_path / "left.xpt", output_format="polars")
    assert frame["USUBJID"].to_list() == ["Bü", ""]
