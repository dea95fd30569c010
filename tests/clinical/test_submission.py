"""A package for submission: what goes in comes out of it again, value by value, or is refused with its place."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pyreadstat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_deliveries import Row
from cohortium.clinical import submission
from cohortium.clinical.submission import About, Form, Package
from cohortium.clinical.submission.faults import RULES
from cohortium.clinical.submission.supplemental import WIDEST, pieces
from cohortium.errors import Refused
from submissions import MADE, Tables, by_the_letter, put, read, silent, tables, write

FORMS = list(Form)


def rules(package: Package) -> set[str]:
    return {each.rule for each in package.findings}


@pytest.mark.parametrize("form", FORMS)
def test_partners_come_together_and_every_value_comes_out_again(tmp_path: Path, form: Form) -> None:
    made = tables("p02", "p01")
    package = write(tmp_path, made, form)
    assert not package.findings
    assert package.files == {
        f"{name}{form.suffix}": rows for name, rows in {"dm": 4, "pr": 4, "dd": 2, "lb": 20, "mb": 4}.items()
    }
    for domain in ("dm", "lb", "mb", "pr", "dd"):
        given = [row for name, rows in made.items() if f"_{domain}." in name for row in rows]
        number = f"{domain.upper()}SEQ"
        given.sort(key=lambda row: (row["USUBJID"], int(row.get(number, "0"))))
        wanted = [{name: value for name, value in row.items() if value} for row in given]
        assert read(tmp_path / "out" / f"{domain}{form.suffix}") == wanted


def test_transport_files_have_version_5_labels_and_the_order_of_sdtm(tmp_path: Path) -> None:
    made = tables()
    for row in made["p01_lb.csv"]:
        row["EPOCH"] = "TREATMENT"  # behind LBDTC in the table, before it in SDTM
    write(tmp_path, made)
    content = (tmp_path / "out" / "lb.xpt").read_bytes()
    assert content.startswith(b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!0")
    _, meta = pyreadstat.read_xport(tmp_path / "out" / "lb.xpt", output_format="dict")
    names = meta.column_names
    assert names[:6] == ["STUDYID", "DOMAIN", "USUBJID", "LBSEQ", "LBTESTCD", "LBTEST"]
    assert names.index("EPOCH") == names.index("LBDTC") - 1
    assert meta.column_names_to_labels["LBTESTCD"] == "Lab Test or Examination Short Name"
    assert (meta.table_name, meta.file_label) == ("LB", "Laboratory Test Results")
    assert meta.readstat_variable_types["LBSEQ"] == "double"
    assert meta.readstat_variable_types["LBSTRESC"] == "string"


def test_a_package_can_be_written_again_from_its_own_files(tmp_path: Path) -> None:
    write(tmp_path / "first", tables("p01", "p02"))
    first = tmp_path / "first" / "out"
    assert not submission.write(
        submission.below(first), tmp_path / "again", Form.XPORT, About(made=MADE), silent
    ).findings
    assert all(path.read_bytes() == (tmp_path / "again" / path.name).read_bytes() for path in first.glob("*.xpt"))


def test_the_letter_of_the_format_gives_the_same_rows(tmp_path: Path) -> None:
    made = tables("p01", "p02")
    numbers = ("-0.1", "1e-70", "-7.5e70", "0", "0.30000000000000004", "123456789012345", "1", "0.5", "3", "16")
    for row, number in zip(made["p01_lb.csv"], numbers, strict=True):
        row["LBSTRESN"] = number
    write(tmp_path, made)
    for path in (tmp_path / "out").glob("*.xpt"):
        assert by_the_letter(path) == read(path), path.name
    assert {float(number) for number in numbers} <= {
        float(row["LBSTRESN"]) for row in by_the_letter(tmp_path / "out" / "lb.xpt") if "LBSTRESN" in row
    }


def test_a_csv_is_as_rfc_4180_has_it(tmp_path: Path) -> None:
    made = tables()
    made["p01_pr.csv"][0]["PRTRT"] = 'Beatmung, "künstlich",\nlang'
    write(tmp_path, made, Form.CSV)
    content = (tmp_path / "out" / "pr.csv").read_bytes()
    assert content.startswith(b"STUDYID,DOMAIN,USUBJID,PRSEQ,PRTRT")
    assert content.count(b"\r\n") == 3
    assert '"Beatmung, ""künstlich"",\nlang"'.encode() in content


def test_the_same_tables_make_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write(tmp_path / folder, tables("p01", "p02"))
    first, second = ({path.name: path.read_bytes() for path in (tmp_path / at / "out").iterdir()} for at in "ab")
    assert first == second


def test_the_package_names_whence_it_is_and_every_digest(tmp_path: Path) -> None:
    write(tmp_path, tables(), about=About(dataset="lung/v1", digest="ab" * 32, made=MADE))
    package = json.loads((tmp_path / "out" / "package.json").read_text("utf-8"))
    assert package["dataset"] == {"name": "lung/v1", "digest": "ab" * 32}
    assert "sha256:" + "ab" * 32 in (tmp_path / "out" / "define.xml").read_text("utf-8")
    assert {each["name"]: each["digest"] for each in package["files"]} == {
        path.name: sha256(path.read_bytes()).hexdigest()
        for path in (tmp_path / "out").iterdir()
        if path.name != "package.json"
    }
    assert {each["name"] for each in package["tables"]} == set(tables())


def test_columns_that_are_no_variables_go_to_supp(tmp_path: Path) -> None:
    made = tables()
    made["p01_lb.csv"][1]["VENDOR"] = "left over"
    made["p01_lb.csv"][1]["LBPOS"] = "SITTING"  # which other findings have, so that it may be added
    package = write(tmp_path, made)
    assert rules(package) == {"submission.supplemental"}
    assert read(tmp_path / "out" / "lb.xpt")[1]["LBPOS"] == "SITTING"
    assert read(tmp_path / "out" / "supplb.xpt") == [
        {
            "STUDYID": "DRAGON",
            "RDOMAIN": "LB",
            "USUBJID": "P001",
            "IDVAR": "LBSEQ",
            "IDVARVAL": "2",
            "QNAM": "VENDOR",
            "QLABEL": "VENDOR",
            "QVAL": "left over",
            "QORIG": "Not Available",
        }
    ]


def test_codes_of_other_systems_go_where_sdtm_has_a_place_for_them(tmp_path: Path) -> None:
    made = tables()
    made["p01_lb.csv"][0] |= {"LBLOINC": "1751-7", "LBSCTID": "26758005"}
    write(tmp_path, made)
    assert read(tmp_path / "out" / "lb.xpt")[0]["LBLOINC"] == "1751-7"
    (row,) = read(tmp_path / "out" / "supplb.xpt")
    assert (row["QNAM"], row["QLABEL"], row["QVAL"]) == ("LBSCTID", "SNOMED CT Code", "26758005")


def test_a_high_age_is_kept_beside_the_number_that_it_is_not(tmp_path: Path) -> None:
    made = tables()
    made["p01_dm.csv"][1]["AGE"] = "90+"
    write(tmp_path, made)
    assert [row.get("AGE") for row in read(tmp_path / "out" / "dm.xpt")] == ["61", None]
    (row,) = read(tmp_path / "out" / "suppdm.xpt")
    assert (row["USUBJID"], row["QNAM"], row["QVAL"]) == ("P002", "AGETXT", "90+")
    assert "IDVAR" not in row


def test_long_texts_go_on_in_supp_and_can_be_put_together(tmp_path: Path) -> None:
    made = tables()
    long = " ".join(f"word{number}" for number in range(80))
    made["p01_pr.csv"][0]["PRTRT"] = long
    made["p01_pr.csv"][1]["NOTE"] = f"{long} more"
    package = write(tmp_path, made)
    assert rules(package) == {"submission.split", "submission.supplemental"}
    supp = read(tmp_path / "out" / "supppr.xpt")
    parts = {row["QNAM"]: row["QVAL"] for row in supp}
    first = read(tmp_path / "out" / "pr.xpt")[0]["PRTRT"]
    assert " ".join([first, parts["PRTRT1"], parts["PRTRT2"]]) == long
    assert " ".join([parts["NOTE"], parts["NOTE1"], parts["NOTE2"]]) == f"{long} more"
    write(tmp_path / "csv", made, Form.CSV)
    assert read(tmp_path / "csv" / "out" / "pr.csv")[0]["PRTRT"] == long


def test_rows_without_numbers_are_numbered_by_partner_and_row(tmp_path: Path) -> None:
    made = tables()
    for row in made["p01_lb.csv"]:
        del row["LBSEQ"]
        row["USUBJID"] = "P001"
    package = write(tmp_path, made, Form.CSV)
    assert rules(package) == {"submission.numbered"}
    rows = read(tmp_path / "out" / "lb.csv")
    assert [row["LBSEQ"] for row in rows] == [str(number) for number in range(1, 11)]
    assert [row["LBTESTCD"] for row in rows] == [row["LBTESTCD"] for row in made["p01_lb.csv"]]


def _cells(name: str, row: int = 0, **cells: str) -> Callable[[Tables], None]:
    return lambda made: made[name][row].update(cells)


def _all(name: str, **cells: str) -> Callable[[Tables], None]:
    return lambda made: [row.update(cells) for row in made[name]] and None


def _without(made: Tables) -> None:
    for row in made["p01_lb.csv"]:
        del row["LBSEQ"]


def _again(made: Tables) -> None:
    made["P01_lb.csv"] = made["p01_lb.csv"]


def test_one_partner_may_have_several_tables_and_none_a_name(tmp_path: Path) -> None:
    made = tables()
    first, *rest = made["p01_lb.csv"]
    made |= {"p01_lb.csv": [first], "p01_lb_2.csv": rest[:3], "LB.csv": rest[3:]}
    assert write(tmp_path, made).files["lb.xpt"] == 10


VIOLATIONS: dict[str, tuple[Callable[[Tables], None], str, int]] = {
    "submission.file": (_again, "", 0),
    "submission.left-out": (lambda made: made.update({"p01_ts.csv": [{"TSSEQ": "1"}]}), "", 0),
    "submission.name": (_all("p01_lb.csv", **{"in words": "1"}), "", 0),
    "submission.domain": (_cells("p01_mb.csv", 1, DOMAIN="LB"), "DOMAIN", 2),
    "submission.key": (_cells("p01_lb.csv", 1, LBSEQ="1"), "LBSEQ", 1),
    "submission.number": (_cells("p01_lb.csv", 1, LBSTRESN="<5"), "LBSTRESN", 2),
    "submission.ascii": (_cells("p01_lb.csv", 6, LBORRESU="µg/L"), "LBORRESU", 7),
    "submission.length": (_cells("p01_pr.csv", 1, PRTRT="x" * 201), "PRTRT", 2),
    "submission.term": (_cells("p01_dm.csv", SEX="female"), "SEX", 0),
    "submission.unknown": (lambda made: made.update({"p01_ae.csv": [ADVERSE]}), "", 0),
    "submission.numbered": (_without, "LBSEQ", 0),
    "submission.supplemental": (_all("p01_lb.csv", VENDOR="a"), "", 0),
    "submission.split": (_cells("p01_pr.csv", 1, PRTRT="word " * 60), "PRTRT", 0),
}
ADVERSE = {"STUDYID": "DRAGON", "USUBJID": "P001", "AESEQ": "1", "AETERM": "Headache", "AESEV": "MILD"}


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_is_told_once_with_its_place_and_errors_write_nothing(tmp_path: Path, rule: str) -> None:
    violate, variable, row = VIOLATIONS[rule]
    made = tables()
    violate(made)
    package = write(tmp_path, made)
    (found,) = package.findings
    assert (found.rule, found.variable, found.row) == (rule, variable, row)
    assert found.mend == RULES[rule].mend
    assert (tmp_path / "out").exists() is (found.severity != "error")
    assert package.errors == (found.severity == "error")
    assert {path.name for path in tmp_path.iterdir()} <= {"in", "out"}


def test_the_page_has_every_rule() -> None:
    page = (Path(__file__).parents[2] / "docs" / "submission.md").read_text("utf-8")
    told = [line.split(" | ")[:2] for line in page.splitlines() if line.startswith("| `submission.")]
    assert told == [[f"| `{rule}`", each.severity] for rule, each in RULES.items()]


@pytest.mark.parametrize(
    ("path", "cells"),
    [
        ("p01_lb.csv", {"USUBJID": ""}),
        ("p01_lb.csv", {"LBSEQ": ""}),
        ("p01_dm.csv", {"USUBJID": "P002"}),
        ("p01_lb.csv", {"LBSTRESN": "nan"}),
        ("p01_lb.csv", {"LBSTRESN": "1e80"}),
        ("p01_lb.csv", {"LBSTRESN": "0.12345678901234567890"}),
        ("p01_lb.csv", {"STUDYID": "x" * 201}),
        ("p01_lb.csv", {"LBTEST": "long " * 50}),
    ],
)
def test_what_a_transport_file_cannot_hold_is_refused_with_its_row(
    tmp_path: Path, path: str, cells: dict[str, str]
) -> None:
    made = tables()
    made[path][0].update(cells)
    (found,) = (each for each in write(tmp_path, made).findings if each.severity == "error")
    assert (found.file, found.row, found.variable) == (path, 1, *cells)
    assert not (tmp_path / "out").exists()


def test_no_value_stands_in_a_finding(tmp_path: Path) -> None:
    made = tables()
    for rows in made.values():
        for row in rows:
            row |= {"LEFTOVER": "secret-ä", "DOMAIN": "secret", "LBSTRESN": "secret", "PRTRT": "secret" * 50}
    package = write(tmp_path, made)
    assert package.errors > 3
    assert "secret" not in repr(package)


def test_a_package_is_never_written_over_another(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(Refused, match="already"):
        write(tmp_path, tables())
    with pytest.raises(Refused, match="no clinical table"):
        submission.write([], tmp_path / "none", Form.CSV, About(), silent)


def test_several_studies_need_a_name(tmp_path: Path) -> None:
    made = tables()
    made["p01_mb.csv"][0]["STUDYID"] = "OTHER"
    with pytest.raises(Refused, match="2 studies"):
        write(tmp_path, made)
    assert not write(tmp_path, made, about=About(study="Both", made=MADE)).errors


KILLED = """
import os, signal, sys
from pathlib import Path
from cohortium.clinical import submission
def stop(stage, done, total):
    if done == 3:
        os.kill(os.getpid(), signal.SIGKILL)
submission.write(submission.below(Path("in")), Path("out"), submission.Form.XPORT, submission.About(), stop)
"""


def test_a_run_that_is_killed_leaves_nothing_that_looks_like_a_package(tmp_path: Path) -> None:
    sources = put(tmp_path / "in", tables())
    ended = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, check=False)
    assert ended.returncode == -signal.SIGKILL
    (left,) = (path for path in tmp_path.iterdir() if path.name != "in")
    assert left.name.startswith(".out.")
    assert left.suffix == ".part"
    assert list(left.glob("*.xpt"))
    assert submission.write(sources, tmp_path / "out", Form.XPORT, About(), silent).files


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0\x1c\x1d\x1e\x1f"), max_size=30) | st.sampled_from(
    ["word " * 70, "x" * 200, "x" * 201, "a" * 150 + " " + "b" * 150, "a" * 150 + "  " + "b" * 150, "ä" * 120, "é"]
)
NUMBERS = (
    st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.integers().map(str)
    | st.decimals(-1000, 1000, places=20).map(str)
    | st.sampled_from(["", "<5", "1e400", "-0.0", "nan", "+5", "1_0", "007", "0.30000000000000004"])
)
ROWS = st.lists(
    st.fixed_dictionaries({"LBORRES": TEXTS, "LBREASND": TEXTS, "EXTRA": TEXTS, "LBSTRESN": NUMBERS}),
    min_size=1,
    max_size=4,
)


@given(rows=ROWS, form=st.sampled_from(FORMS))
def test_what_goes_out_comes_back_or_was_refused_with_its_place(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], form: Form
) -> None:
    keys = ({"STUDYID": "S", "USUBJID": f"P{number % 2}", "LBSEQ": str(number)} for number in range(len(rows)))
    made = [key | row for key, row in zip(keys, rows, strict=True)]
    folder = tmp_path_factory.mktemp("package")
    package = write(folder, {"p_lb.csv": made}, form)
    if package.errors:
        assert not (folder / "out").exists()
        for each in package.findings:
            assert each.severity != "error" or (each.row and each.variable and each.file)
        return
    found = {row["LBSEQ"]: row for row in read(folder / "out" / f"lb{form.suffix}")}
    beside = folder / "out" / f"supplb{form.suffix}"
    for row in read(beside) if beside.exists() else []:
        found[row["IDVARVAL"]][row["QNAM"]] = row["QVAL"]
    for row in made:
        there = found[row["LBSEQ"]]
        for name in ("LBORRES", "LBREASND", "EXTRA"):
            parts = [there.get(name, ""), *(there.get(f"{name[:7]}{number}", "") for number in (1, 2, 3))]
            assert " ".join(filter(None, parts)) == blank(row[name])
        wanted = blank(row["LBSTRESN"])
        assert (float(there["LBSTRESN"]) if "LBSTRESN" in there else None) == (float(wanted) if wanted else None)


def blank(text: str) -> str:
    """What reading takes a cell for: no blanks around it, and nothing in place of what stands for nothing."""
    return "" if text in ("NA", ".") else text.strip()


@given(st.text("ab ", max_size=900))
def test_pieces_are_short_and_one_space_joins_them(text: str) -> None:
    text = text.strip()
    found = pieces(text)
    assert all(len(each) <= WIDEST and each == each.strip() for each in found)
    assert not found or " ".join(found) == text
    assert found or len(text) > WIDEST
