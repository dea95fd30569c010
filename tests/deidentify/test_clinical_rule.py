"""The [clinical] table of a protocol: mistakes are told together, the digest covers it, people can read it."""

from __future__ import annotations

from pathlib import Path

import pytest

import clinical_tables as tables
from cohortium.deidentify import load_protocol
from cohortium.deidentify.clinical.explain import explain_tables
from cohortium.deidentify.clinicalrule import ACTIONS
from cohortium.deidentify.difference import rules
from cohortium.deidentify.page import page
from cohortium.errors import ConfigError

TABLE = '[clinical.tables.t]\nfiles = "t.csv"\npatient = "Nr"\n[clinical.tables.t.columns]\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[clinical]\n", "rules for no table"),
        ('[clinical]\nbase = "omop"\n', "only `sdtm`"),
        ('[clinical]\nbase = "sdtm"\ndates = "never"\n', "clinical.dates"),
        ('[clinical]\nbase = "sdtm"\nrows = 1\n', "no such setting"),
        ('[clinical.tables."a/b"]\nfiles = "t.csv"\npatient = "N"\ncolumns = {}\n', "is called so"),
        ('[clinical.tables.t]\nfiles = "t.csv"\n', "t.patient"),
        ('[clinical.tables.t]\nfiles = []\npatient = "Nr"\ncolumns = {}\n', "t.files"),
        ('[clinical.tables.t]\nfiles = "t.csv"\npatient = "Nr"\nencoding = "utf-7"\ncolumns = {}\n', "encoding"),
        ('[clinical.tables.t]\nfiles = "t.csv"\npatient = "Nr"\ndates = "YY"\ncolumns = {}\n', "dates"),
        (
            '[clinical.tables.t]\nfiles = "t.csv"\npatient = "Nr"\nissuer = "a"\nissuer_column = "b"\ncolumns = {}\n',
            "both",
        ),
        ('[clinical.tables.t]\nfiles = "t.csv"\npatient = "Nr"\n', "columns: is missing"),
        (TABLE + 'A = "shred"\n', "one of keep"),
        (TABLE + "A = { codes = [] }\n", "a list of texts"),
        (TABLE + 'A = { age = "B", since = "C" }\n', "one of action, codes"),
        (TABLE + 'A = { age = "B", unit = "weeks" }\n', "unit: one of"),
        (TABLE + "A = { since = 1 }\n", "the name of a column"),
        (TABLE + '"A*" = { action = "keep", name = "B" }\n', "cannot have one name"),
        (TABLE + 'A = { age = "Born" }\nBorn = "date"\n', "would be told by this date"),
        (TABLE + 'A = "keep"\na = "remove"\n', "case alone"),
        (TABLE + "A = 3\n", "an action"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        tables.written(tmp_path, text)


def test_all_mistakes_are_told_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as told:
        tables.written(tmp_path, TABLE + 'A = "shred"\nB = { unit = 1 }\n[subject]\nkind = "none"\n')
    assert {"columns.A", "columns.B", "subject.kind"} <= {
        word.strip(":").removeprefix("clinical.tables.t.") for word in str(told.value).split()
    }


def test_the_digest_covers_every_rule_of_tables_and_no_order(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        return tables.written(tmp_path, text).digest

    none, kept = digest(""), digest(TABLE + 'A = "keep"\nB = "remove"\n')
    assert len({none, kept, digest(TABLE + 'A = "keep"\nB = "keep"\n'), digest('[clinical]\nbase = "sdtm"\n')}) == 4
    assert digest(TABLE + 'B = "remove"\nA = "keep"\n') == kept
    assert digest('[clinical]\nbase = "sdtm"\ndates = "days"\n') != digest('[clinical]\nbase = "sdtm"\n')


def test_patterns_rule_by_their_length_wherever_they_stand(tmp_path: Path) -> None:
    for columns in ('"*" = "remove"\n"Lab*" = "number"', '"Lab*" = "number"\n"*" = "remove"'):
        done = tables.run(tmp_path, tables.protocol(tmp_path, columns), "PatNr,LabNa,Other\n1,140,x\n")
        assert done.heading == ["PatNr", "LabNa"]


def test_the_protocol_rules_over_the_base(tmp_path: Path) -> None:
    by = tables.written(tmp_path, tables.FULL + '[clinical]\nbase = "sdtm"\n[clinical.columns]\nRACE = "remove"\n')
    done = tables.run(tmp_path, by, "USUBJID,RACE,SEX,DMDTC\n1,ASIAN,F,2014-03\n", "DM.csv")
    assert done.heading == ["USUBJID", "SEX", "DMDTC"]
    assert done.outcome.output == "dm.csv"


def test_every_action_is_explained(tmp_path: Path) -> None:
    columns = "\n".join(f'C{number} = "{action}"' for number, action in enumerate(ACTIONS))
    columns += '\nX = { codes = ["F", "M"] }\nY = { age = "Z", name = "Age" }\nV = { since = "W", unit = "iso" }'
    rows = {row.column: row for row in explain_tables(tables.protocol(tmp_path, columns))}
    assert len({row.what for row in rows.values()}) == len(ACTIONS) + 5
    assert rows["X"].what == "kept if one of F, M"
    assert rows["Y"].what == "age in years at this date, from Z; over 89 years capped, as Age"
    assert rows["(all others)"].action == "remove"
    assert list(explain_tables(load_protocol("basic"))) == []


def test_a_date_is_explained_as_the_protocol_treats_it(tmp_path: Path) -> None:
    def said(name: str) -> str:
        return next(row.what for row in explain_tables(load_protocol(name)) if row.column == "--DTC")

    assert said("dragon") == "dates kept"
    assert said("eucanimage") == "days from a day of the subject's own"
    anchored = tables.MODIFIED + '[subject]\nkind = "random"\n[dates]\nrule = "anchor"\n'
    by = tables.protocol(tmp_path, 'A = "days"', before=anchored)
    assert "days since the subject's first examination" in {row.what for row in explain_tables(by)}


def test_a_difference_between_tables_is_told(tmp_path: Path) -> None:
    one = tables.protocol(tmp_path, 'A = "keep"')
    other = tables.protocol(tmp_path, 'A = "remove"', 'encoding = "cp1252"')
    changed = {each.what: (each.one, each.other) for each in rules(one, other)}
    assert changed["column A of patients (patients.csv)"][1] == "removed"
    assert "cp1252" in changed["table patients"][1]
    assert list(rules(one, one)) == []


def test_the_page_for_approval_shows_the_columns() -> None:
    assert "BRTHDTC" in page(load_protocol("chaimeleon-pseudonymise"), "1.2.840.10008.5.1.4.1.1.2")
    assert "Clinical tables" not in page(load_protocol("basic"), "1.2.840.10008.5.1.4.1.1.2")
