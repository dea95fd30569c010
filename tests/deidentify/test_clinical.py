"""Clinical tables: what stays of a column and of a row, and that everything else is named, counted and gone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import clinical_tables as tables
from cohortium.deidentify import load_protocol, tree
from cohortium.deidentify.clinical.rules import identifier, sdtm
from cohortium.deidentify.clinical.values import kept, numeric
from cohortium.deidentify.clinicalrule import ACTIONS
from cohortium.deidentify.explain import explain
from cohortium.values import Reason, State

SHIFT = tables.MODIFIED + '[dates]\nrule = "shift"\n'


def test_a_column_that_no_rule_names_goes_and_is_named(tmp_path: Path) -> None:
    by = tables.protocol(tmp_path, 'Sex = "keep"')
    done = tables.run(tmp_path, by, "PatNr,Sex,Hobby\n1001,F,chess\n")
    assert done.heading == ["PatNr", "Sex"]
    assert "chess" not in done.text
    (message,) = [each.message for each in done.outcome.findings]
    assert message == "column 3, Hobby, was removed: named by no rule"


def test_a_table_without_a_rule_is_not_copied(tmp_path: Path) -> None:
    for by, name in ((load_protocol("basic"), "patients.csv"), (tables.protocol(tmp_path), "other.csv")):
        done = tables.run(tmp_path, by, "PatNr\n1001\n", name)
        assert done.outcome.state is State.QUARANTINED
        assert done.outcome.aside
        assert done.outcome.aside.reason is Reason.NO_TABLE_RULE
        assert done.text == ""


@pytest.mark.parametrize(
    "content",
    [
        "1001,F\n1002,M\n",  # no heading: somebody's row in its place
        "PatNr,1001\n1002,M\n",
        "PatNr,2014-03-01\n1002,M\n",
        "PatNr,hans@example.org\n1002,M\n",
        "PatNr,Sex,sex\n1001,M,M\n",
        "",
        'PatNr,Sex\n1001,"M\n',  # a quote that never ends
        'PatNr,Sex\n1001,"M"x\n',
        b"PatNr,Sex\n1001,\xff\n",
        "PatNr,Sex\n1001,M\n".encode("utf-16"),
        "PatNr,Sex\n1001," + "M" * 200_000 + "\n",
    ],
)
def test_what_is_not_the_table_is_refused_as_a_whole(tmp_path: Path, content: str | bytes) -> None:
    done = tables.run(tmp_path, tables.protocol(tmp_path, 'Sex = "keep"'), content)
    assert done.outcome.state is State.QUARANTINED
    assert done.outcome.aside
    assert done.outcome.aside.reason is Reason.NOT_A_TABLE
    assert not any(value in done.outcome.aside.detail for value in ("1001", "hans", "2014"))
    assert not done.outcome.output


@pytest.mark.parametrize(
    ("content", "settings"),
    [
        ("PatNr,Sex\n1001,F\n", ""),
        ("PatNr;Sex\n1001;F\n", ""),
        ("PatNr\tSex\n1001\tF\n", ""),
        ("PatNr|Sex\r\n1001|F\r\n", 'delimiter = "|"'),
        (b"\xef\xbb\xbfPatNr,Sex\n1001,F\n", ""),
        ('"PatNr","Sex"\r\n"1001","F"\r\n\r\n', ""),
        ('"PatNr"," Sex "\n1001,F', ""),
    ],
)
def test_tables_are_read_as_people_write_them(tmp_path: Path, content: str | bytes, settings: str) -> None:
    done = tables.run(tmp_path, tables.protocol(tmp_path, 'Sex = { codes = ["F", "M"] }', settings), content)
    assert done.heading == ["PatNr", "Sex"]
    assert done.column("Sex") == ["F"]


def test_one_patient_in_every_encoding(tmp_path: Path) -> None:
    text = "PatNr,Sex\nMÜ-17,F\n"
    made = set()
    for encoding in ("utf-8", "latin-1", "cp1252"):
        by = tables.protocol(tmp_path, settings=f'encoding = "{encoding}"')
        made.update(tables.run(tmp_path, by, text.encode(encoding)).column("PatNr"))
    made.update(tables.run(tmp_path, tables.protocol(tmp_path), "PatNr,Sex\n MU\u0308-17 ,F\n").column("PatNr"))
    assert len(made) == 1
    marked = tables.run(tmp_path, tables.protocol(tmp_path, settings='encoding = "latin-1"'), text.encode("utf-8-sig"))
    assert marked.outcome.aside, "written in UTF-8 and declared otherwise"


def test_links_between_rows_are_hashed_and_still_link(tmp_path: Path) -> None:
    by = tables.protocol(tmp_path, 'Link = "hash"')
    done = tables.run(tmp_path, by, "PatNr,Link\n1,B-2024-7\n1, B-2024-7\n1,NA\n1,B-2024-8\n2,B-2024-7\n")
    first, same, none, other, anothers = done.column("Link")
    assert first == same
    assert none == "NA"
    assert len({first, other, anothers}) == 3
    assert "2024" not in done.text


def test_rows_that_cannot_go_on_are_counted_by_number_and_reason(tmp_path: Path) -> None:
    by = tables.protocol(tmp_path, 'Seen = "date"\nSex = "keep"')
    content = "PatNr,Seen,Sex\n1001,2014-03-01,F\n1002,yesterday,M\n,2014-03-01,F\n1003,2014-03-01\n1004,2014-02-30,M\n"
    done = tables.run(tmp_path, by, content + "NA,2014-03-01,F\n1005,,F\n")
    assert done.outcome.state is State.DEIDENTIFIED
    assert done.aside == {
        "Seen: no date that can be read": "3, 6",
        "no patient ID": "4, 7",
        "another number of fields than the heading": "5",
    }
    assert done.outcome.rows
    assert (done.outcome.rows.rows, done.outcome.rows.written) == (7, 2)


def test_a_table_of_which_no_row_can_go_on_is_set_aside(tmp_path: Path) -> None:
    done = tables.run(tmp_path, tables.protocol(tmp_path), "PatNr,Sex\n,F\n,M\n")
    assert done.outcome.state is State.QUARANTINED
    assert done.outcome.aside
    assert done.outcome.aside.reason is Reason.NO_ROW
    assert done.aside == {"no patient ID": "2-3"}


def test_date_of_diagnosis_becomes_age_and_start_and_end_a_duration(tmp_path: Path) -> None:
    columns = """
Born = "remove"
Diagnosed = { age = "Born", name = "AgeAtDiagnosis" }
Seen = { age = "Born", unit = "months", name = "Months" }
Died = { age = "Born", unit = "days", name = "Days" }
Ended = { since = "Started", unit = "iso", name = "Duration" }
Started = { since = "Ended", name = "Back" }
"""
    by = tables.protocol(tmp_path, columns, 'dates = "DD.MM.YYYY"')
    heading = "PatNr,Born,Diagnosed,Seen,Died,Started,Ended\n"
    rows = [
        "1,01.03.1950,28.02.2010,01.03.2010,01.03.1951,01.01.2010,15.01.2010",
        "2,01.03.1950,01.03.2010,28.02.2040,28.02.2040,,15.01.2010",
        "3,01.03.1950,28.02.2040,01.03.2040,01.03.2040,15.01.2010,01.01.2010",
        "4,01.03.1950,01.03.2040,1951,03.1951,2010,01.01.2010",
        "5,01.03.1950,01.02.1950,01.03.1950,01.03.1950,01.01.2010,01.01.2010",
    ]
    done = tables.run(tmp_path, by, heading + "\n".join(rows))
    assert done.heading == ["PatNr", "AgeAtDiagnosis", "Months", "Days", "Back", "Duration"]
    assert done.column("AgeAtDiagnosis") == ["59", "60", "89", "90+", ""]
    assert done.column("Months") == ["720", "1079", "1080+", "", "0"]
    assert done.column("Days") == ["365", "32871", "32850+", "", "0"]
    assert done.column("Duration") == ["P14D", "", "-P14D", "", "P0D"]
    assert done.column("Back") == ["-14", "", "14", "", "0"]
    assert {"clinical.partial-date", "clinical.before-birth"} <= set(done.rules)
    assert "1950" not in done.text


def test_the_birth_date_does_not_stand_beside_the_age(tmp_path: Path) -> None:
    by = tables.protocol(tmp_path, '"*" = "date"\nSeen = { age = "Geboren" }')
    done = tables.run(tmp_path, by, "PatNr,Geboren,Seen\n1,1950-03-01,2010-03-01\n")
    assert done.heading == ["PatNr", "Seen"]
    assert done.column("Seen") == ["60"]


@pytest.mark.parametrize(
    "column", ["Name", "PatientName", "Nachname", "E-Mail", "Geburtsdatum", "Téléphone", "ZIP", "MRN"]
)
def test_direct_identifiers_go_even_if_a_pattern_keeps_them(tmp_path: Path, column: str) -> None:
    done = tables.run(tmp_path, tables.protocol(tmp_path, '"*" = "keep"'), f"PatNr,Grade,{column}\n1001,G2,Wert\n")
    assert done.heading == ["PatNr", "Grade"]
    assert done.rules == ["clinical.column-removed"]


def test_a_direct_identifier_named_outright_is_kept_with_a_finding(tmp_path: Path) -> None:
    done = tables.run(tmp_path, tables.protocol(tmp_path, 'City = "keep"'), "PatNr,City\n1001,Graz\n")
    assert done.column("City") == ["Graz"]
    assert done.rules == ["clinical.identifier-kept"]


@pytest.mark.parametrize(
    "column",
    ["Age", "Sex", "TumorLocation", "Grade", "ER_status", "PlateletCount", "EthnicGroup", "GestationWeeks", "Toxicity"],
)
def test_clinical_columns_are_no_direct_identifiers(column: str) -> None:
    assert identifier(column) == ""


def test_free_text_is_flagged_and_never_passed(tmp_path: Path) -> None:
    by = tables.protocol(tmp_path, 'Notes = "text"\nReport = "clean"\nTerm = "keep"')
    heading = "PatNr,Notes,Report,Term\n"
    row = '1001,called Mrs Huber,CT thorax for Huber,"first line\nsecond line"\n'
    done = tables.run(tmp_path, by, f"{heading}{row}1001,,,{'x' * 101}\n")
    assert done.heading == ["PatNr", "Report", "Term"]
    assert done.column("Report") == ["CT thorax", ""]
    assert done.column("Term") == ["", ""]
    assert sorted(done.rules) == ["clinical.free-text", "clinical.free-text", "clinical.text-cleaned"]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("hans.huber@example.org", "clinical.looks-identifying"),
        ("call +43 660 1234567", "clinical.looks-identifying"),
        ("0171-2345678", "clinical.looks-identifying"),
        ("(212) 555-0137", "clinical.looks-identifying"),
        ("078-05-1120", "clinical.looks-identifying"),
        ("www.example.org/huber", "clinical.looks-identifying"),
        ("seen 2014-03-01", "clinical.holds-date"),
        ("1.3.2014", "clinical.holds-date"),
        ("12MAR2014", "clinical.holds-date"),
        ("20140301", "clinical.holds-date"),
        ("=HYPERLINK(A1)", "clinical.formula"),
        ("@SUM(A1)", "clinical.formula"),
        ("-cmd", "clinical.formula"),
        ("a\x00b", "clinical.free-text"),
    ],
)
def test_a_kept_value_that_looks_identifying_is_emptied(text: str, rule: str) -> None:
    assert kept(text, dates=False) == ("", rule)


@pytest.mark.parametrize(
    "text",
    ["G2", "pT2a N0 M0", "HER2 3+", "+", "++", "-", "-1", "+3.5", "C50.9", "2345-7", "<0.05", "1:160", "Grade III"],
)
def test_what_clinicians_write_stays(text: str) -> None:
    assert kept(text, dates=False) == (text, "")


@pytest.mark.parametrize("text", ["", "12a", "0171", "1.2.3", "+-1", "nan", "20140301", "1 2"])
def test_what_is_no_number_is_emptied(text: str) -> None:
    assert numeric(text, dates=False)[0] == ""


def test_an_echo_of_the_rows_own_identity_is_emptied(tmp_path: Path) -> None:
    by = tables.protocol(tmp_path, 'Arm = "keep"\nDose = "number"')
    heading = "PatNr,Nachname,Vorname,Arm,Dose\n"
    rows = ["X1234567,Müller,Jörg,A,5", "X1234567,Müller,Jörg,arm of Mueller,5", "88812,Kranz,Eva,A for joerg,88812"]
    done = tables.run(tmp_path, by, heading + "\n".join(rows))
    assert done.column("Arm") == ["A", "", "A for joerg"], "another row's Jörg is nobody here"
    assert done.column("Dose") == ["5", "5", ""]
    assert done.rules.count("clinical.echo") == 2


def test_a_row_says_who_it_is_about_in_several_columns_and_under_an_issuer(tmp_path: Path) -> None:
    single = tables.run(tmp_path, tables.protocol(tmp_path), "PatNr\nW-1001\n").column("PatNr")
    parts = tables.written(
        tmp_path,
        tables.FULL + '[clinical.tables.t]\nfiles = "t.csv"\npatient = ["Site", "Nr"]\n'
        '[clinical.tables.t.columns]\nNr = "pseudonym"\n',
    )
    assert tables.run(tmp_path, parts, "Site,Nr\nW,1001\n", "t.csv").column("Nr") == single
    issued = tables.protocol(tmp_path, settings='issuer_column = "House"')
    two = tables.run(tmp_path, issued, "PatNr,House\n1001,WEST\n1001,EAST\n1001,\n").column("PatNr")
    assert len(set(two)) == 3
    west = tables.protocol(tmp_path, settings='issuer = "WEST"')
    assert tables.run(tmp_path, west, "PatNr\n1001\n").column("PatNr") == two[:1]


def test_the_output_is_called_as_the_protocol_says(tmp_path: Path) -> None:
    by = tables.written(
        tmp_path,
        '[clinical.tables.labs]\nfiles = "*.csv"\npatient = "Nr"\n[clinical.tables.labs.columns]\nNr = "pseudonym"\n',
    )
    source, destination = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name, number in (("mueller_hans.csv", 1), ("other.csv", 2), ("same.csv", 1)):
        (source / name).write_text(f"Nr\n{number}\n")
    task = tree.Task(by, tables.KEY, "project", destination)
    files = [(path, "") for path in sorted(source.iterdir())]
    first = list(tree.run(task, files))
    made = sorted(path.name for path in destination.iterdir())
    assert [each.state for each in first] == [State.DEIDENTIFIED, State.DEIDENTIFIED, State.DUPLICATE]
    assert made[-1] == "labs.csv"
    assert made[0].startswith("labs-")
    assert len(made) == 2
    assert not any("mueller" in name for name in made)
    assert [each.state for each in tree.run(task, files)] == [State.DUPLICATE] * 3
    assert sorted(path.name for path in destination.iterdir()) == made


def test_years_and_dates_move_together(tmp_path: Path) -> None:
    by = tables.protocol(tmp_path, 'A = "date"\nB = "year"\nC = "days"\nD = "days"\nE = "keep"', before=SHIFT)
    done = tables.run(tmp_path, by, "PatNr,A,B,C,D,E\n1,2014-03-01,2014-03-01,2014-03-01,2014-03-11,2014-03-01\n")
    ((_, moved, year, first, second, kept_),) = done.rows
    assert moved != "2014-03-01"
    assert year == moved[:4]
    assert int(second) - int(first) == 10
    assert kept_ == "", "a date in a column that no rule calls one"


def test_what_stands_for_no_date_is_emptied(tmp_path: Path) -> None:
    by = tables.protocol(tmp_path, 'A = "date"\nB = "days"', before=SHIFT)
    done = tables.run(tmp_path, by, "PatNr,A,B\n1,1900-01-01,1900-01-01\n")
    assert done.rows[0][1:] == ["", ""]
    assert done.rules == ["clinical.placeholder-date"] * 2


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (tables.FULL, "2014-03-09T10:30"),
        (tables.MODIFIED + '[dates]\nrule = "truncate"\nprecision = "month"\n', "2014-03"),
        (tables.MODIFIED + '[dates]\nrule = "keep"\ntimes = "hour"\n', "2014-03-09T10"),
        (tables.MODIFIED + '[dates]\nrule = "keep"\ntimes = "obscure"\n', "2014-03-09"),
    ],
)
def test_a_date_becomes_what_the_protocol_makes_of_dates(tmp_path: Path, dates: str, expected: str) -> None:
    done = tables.run(tmp_path, tables.protocol(tmp_path, 'A = "date"', before=dates), "PatNr,A\n1,2014-03-09T10:30\n")
    assert done.column("A") == [expected]


def test_where_dates_are_removed_so_is_the_column(tmp_path: Path) -> None:
    assert tables.run(tmp_path, tables.protocol(tmp_path, 'A = "date"', before=""), "PatNr,A\n1,2014\n").heading == [
        "PatNr"
    ]


PLANTED = ("Rosenblüth", "Rosenblueth", "M-4471-XY", "rosie@example.org", "+43 660 7654321")
CELL = st.sampled_from(["", "NA", "5", "G2", "2014-03-01", "x,y", 'a"b', "a\nb", "=1", *PLANTED, f"by {PLANTED[0]}"])


@given(st.lists(st.lists(CELL, min_size=6, max_size=6), min_size=1, max_size=8))
def test_rows_are_conserved_and_no_planted_value_leaves(tmp_path_factory, rows: list[list[str]]) -> None:
    """Whatever stands in whichever column: a row goes out or is counted, and identity goes nowhere."""
    import csv
    import io

    folder = tmp_path_factory.mktemp("planted")
    by = tables.protocol(folder, '"*" = "keep"\nN = "number"\nT = "clean"\nD = "date"', before=SHIFT)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["PatNr", "Nachname", "Email", "K", "N", "T", "D"])
    writer.writerows([["M-4471-XY" if row[0] else "", "Rosenblüth", *row[1:]] for row in rows])
    done = tables.run(folder, by, text.getvalue())
    account = done.outcome.rows
    assert account
    assert account.rows == len(rows) == account.written + sum(each.count for each in account.aside.values())
    assert len(done.rows) == (account.written if done.outcome.output else 0)
    told = done.text + repr(done.outcome.findings) + repr(done.aside) + repr(done.outcome.aside)
    assert not [value for value in PLANTED if value.casefold() in told.casefold()]
    assert "2014-03-01" not in done.text


@given(st.binary(max_size=200), st.sampled_from(["utf-8", "latin-1", "cp1252"]), st.booleans())
def test_any_bytes_are_a_table_or_set_aside(tmp_path_factory, content: bytes, encoding: str, headed: bool) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    by = tables.protocol(folder, '"*" = "keep"\nA = "date"\nB = "clean"', f'encoding = "{encoding}"', before=SHIFT)
    done = tables.run(folder, by, (b"PatNr,A,B,C\n" if headed else b"") + content)
    assert done.outcome.state in (State.DEIDENTIFIED, State.QUARANTINED)
    account = done.outcome.rows
    if account:
        assert account.rows == account.written + sum(each.count for each in account.aside.values())
        assert len(done.rows) == (account.written if done.outcome.output else 0)


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["dragon", "chaimeleon-pseudonymise", "eucanimage"])
def test_presets_take_sdtm_out_of_the_box(tmp_path: Path, shared_data: Path, name: str) -> None:
    from cohortium.deidentify.secret import Secret
    from cohortium.deidentify.table import Table

    by = load_protocol(name)
    table = (
        Table(tmp_path / "s.sqlite", tables.KEY, "project", by.subject, "site") if by.subject.kind == "random" else None
    )
    task = tree.Task(by, tables.KEY, "project", tmp_path / "out", secret=Secret(os.urandom(32).hex().encode()))
    files = [(shared_data / "clinical" / "sdtm" / f"{domain}.csv", "") for domain in ("dm", "lb", "mb")]
    found = {outcome.output: outcome for outcome in tree.run(task, files, None, table)}
    assert found.keys() == {"dm.csv", "lb.csv", "mb.csv"}
    assert {each: (of.rows.rows, of.rows.written) for each, of in found.items() if of.rows} == {
        "dm.csv": (306, 306), "lb.csv": (59_580, 59_580), "mb.csv": (18, 18),
    }  # fmt: skip
    text = "".join((tmp_path / "out" / each).read_text() for each in found)
    assert "01-701-1015" not in text
    heading = (tmp_path / "out" / "dm.csv").read_text().partition("\n")[0].split(",")
    assert not {"SITEID", "INVNAM"} & set(heading)
    assert ("BRTHDTC" in heading) == (name == "chaimeleon-pseudonymise")
    dates = "2014-01-02" in text
    assert dates == (name != "eucanimage"), "EuCanImage: clinical dates become periods"


def test_every_variable_of_sdtm_has_a_known_action() -> None:
    assert {rule.action for rule in sdtm().values()} <= ACTIONS.keys()
    assert sdtm()["--DTC"].action == "date"


def test_images_are_explained_as_before() -> None:
    assert any(row.keyword == "PatientID" for row in explain(load_protocol("dragon"), "1.2.840.10008.5.1.4.1.1.2"))
