"""Clinical tables as real ones are: what counts as missing, what fails, what is only said, and what is never shown."""

import json
from collections import defaultdict
from pathlib import Path

import pytest

import clinical_deliveries as clinical
import deliveries
from cohortium import check
from cohortium.check import sdtm
from cohortium.check.examine import examine
from cohortium.check.report import Report, Status, as_dict, junit
from cohortium.values import Finding, Severity

pl = pytest.importorskip("polars", reason="needs the extra `clinical`")
pyreadstat = pytest.importorskip("pyreadstat", reason="needs the extra `clinical`")

DRAGON = check.load("dragon")
MISSING = "sdtm.missing"


def examined(
    folder: Path, tables: dict[str, list[clinical.Row]], specification: check.Specification = DRAGON
) -> Report:
    """Tables alone, without images."""
    return examine(deliveries.Delivery(tables=tables).write(folder), specification)


def found(report: Report) -> dict[str, list[Finding]]:
    """What the rules of this family found, but for domains that are not there."""
    rules = defaultdict(list)
    for each in report.findings:
        if each.rule.startswith("sdtm.") and not each.rule.startswith("sdtm.domains"):
            rules[each.rule].append(each)
    return rules


def of(folder: Path, path: str, *rows: clinical.Row) -> dict[str, list[Finding]]:
    """What is found in one table beside a clean DM."""
    return found(examined(folder, {clinical.DM: clinical.tables(2)[clinical.DM], path: list(rows)}))


def laboratory(**cells: str) -> clinical.Row:
    return clinical.laboratory("P001")[0] | cells


def told(findings: dict[str, list[Finding]]) -> dict[str, list[tuple[str, int]]]:
    return {rule: [(each.variable, each.row) for each in group] for rule, group in findings.items()}


@pytest.mark.parametrize(
    "cells",
    [
        {"LBORRES": "<0.5", "LBSTRESC": "<0.5", "LBSTRESN": ""},
        {"LBORRES": "POSITIVE", "LBSTRESC": "POSITIVE", "LBSTRESN": "", "LBORRESU": "", "LBSTRESU": ""},
        {"LBTESTCD": "PH", "LBTEST": "pH", "LBORRESU": "", "LBSTRESU": ""},
        {"LBTESTCD": "LYMLE", "LBTEST": "Lymphocytes/Leukocytes", "LBORRESU": "", "LBSTRESU": ""},
        {"LBSTAT": "NOT DONE"} | dict.fromkeys(("LBORRES", "LBORRESU", "LBSTRESC", "LBSTRESN", "LBSTRESU"), ""),
    ],
    ids=["no number", "word", "no unit", "ratio", "not done"],
)
def test_what_may_be_empty(tmp_path, cells):
    assert of(tmp_path, clinical.LB, laboratory(**cells)) == {}


def test_a_unit_as_collected_may_say_that_there_is_none(tmp_path):
    row = laboratory(LBTESTCD="KETONES", LBTEST="Ketones", LBORRESU="NO UNITS", LBSTRESU="", LBORRES="2", LBSTRESC="2")
    row["LBSTRESN"] = "2"
    assert set(of(tmp_path, clinical.LB, row)) == {"sdtm.term"}  # which the list of units does not have


@pytest.mark.parametrize(
    ("cells", "variables"),
    [
        ({"LBSTRESN": ""}, ["LBSTRESN"]),
        ({"LBORRESU": "NA", "LBSTRESU": "."}, ["LBORRESU", "LBSTRESU"]),
        ({"LBORRES": " ", "LBSTRESC": "", "LBSTRESN": ""}, ["LBORRES", "LBSTRESC"]),
        ({"LBDTC": ""}, ["LBDTC"]),
        ({"LBSTAT": "DONE", "LBORRES": ""}, ["LBORRES"]),
    ],
)
def test_what_may_not(tmp_path, cells, variables):
    findings = of(tmp_path, clinical.LB, laboratory(**cells))
    assert [each.variable for each in findings[MISSING]] == variables
    assert all(each.severity is Severity.ERROR and each.row == 1 for each in findings[MISSING])


def test_rows_are_counted_and_the_first_is_told(tmp_path):
    rows = [laboratory(LBSEQ=str(number), LBDTC=f"2020-03-{number:02}") for number in range(1, 6)]
    rows[2]["LBORRES"] = rows[4]["LBORRES"] = ""
    (finding,) = of(tmp_path, clinical.LB, *rows)[MISSING]
    assert (finding.fact, finding.row, finding.file) == ("LBORRES has no value in 2 rows", 3, clinical.LB)


def test_what_dragon_lists_fails_and_what_the_guide_asks_beyond_is_said(tmp_path):
    row = clinical.demographics("P001")
    for variable in ("SEX", "SITEID", "ARM"):
        del row[variable]
    findings = found(examined(tmp_path, {clinical.DM: [row | {"COUNTRY": ""}]}))
    assert {each.variable: each.severity for group in findings.values() for each in group} == {
        "SEX": Severity.ERROR,
        "SITEID": Severity.WARNING,
        "ARM": Severity.WARNING,
        "COUNTRY": Severity.WARNING,
    }


def test_table_9_has_neither_domain_nor_number(tmp_path):
    row = clinical.death("P001")
    del row["DOMAIN"], row["DDSEQ"]
    findings = of(tmp_path, "p01_dd.csv", row)
    assert told(findings) == {"sdtm.guide": [("DDSEQ", 0), ("DOMAIN", 0)]}


def test_an_age_may_be_over_89(tmp_path):
    assert found(examined(tmp_path, {clinical.DM: [clinical.demographics("P001") | {"AGE": "90+"}]})) == {}


def test_terms_are_proposed(tmp_path):
    row = laboratory(LBTESTCD="alb", LBORRESU="G/DL", LBNRIND="Normal")
    messages = {each.variable: each.fact for each in of(tmp_path, clinical.LB, row)["sdtm.term"]}
    assert messages == {
        "LBTESTCD": "LBTESTCD is no term of LBTESTCD (C65047) in 1 row (one value), perhaps ALB is meant",
        "LBORRESU": "LBORRESU is no term of UNIT (C71620) in 1 row (one value), perhaps g/dL is meant",
        "LBNRIND": "LBNRIND is no term of NRIND (C78736) in 1 row (one value), perhaps NORMAL is meant",
    }


def test_tests_are_called_as_the_code_lists_call_them(tmp_path):
    (finding,) = of(tmp_path, clinical.LB, laboratory(LBTEST="albumine"))["sdtm.test"]
    assert finding.fact == "LBTEST is not Albumin, as LBTESTCD has it, in 1 row"
    own = [
        laboratory(LBSEQ=number, LBTESTCD="OURS", LBTEST=name) for number, name in (("1", "Our test"), ("2", "Other"))
    ]
    (finding,) = of(tmp_path, clinical.LB, *own)["sdtm.test"]
    assert (finding.fact, finding.row) == ("LBTEST is not the one that its LBTESTCD had before, in 1 row", 2)


@pytest.mark.parametrize(
    ("path", "cells", "variable"),
    [
        (clinical.DM, {"BRTHDTC": "1958-07"}, "BRTHDTC"),
        (clinical.DM, {"INVNAM": "Mueller"}, ""),
        (clinical.DM, {"PATIENT_NAME": "Mueller"}, ""),
        (clinical.PR, {"PRTRT": "Ventilation, see 04.03.2020"}, "PRTRT"),
        (clinical.PR, {"PRINDC": "ask hans@example.org"}, "PRINDC"),
        (clinical.PR, {"PRINDC": "call 0171 / 234 5678"}, "PRINDC"),
    ],
)
def test_what_identifies(tmp_path, path, cells, variable):
    rows = clinical.tables(1)[path]
    findings = found(examined(tmp_path, {clinical.DM: clinical.tables(1)[clinical.DM], path: [rows[0] | cells]}))
    assert findings == {}
    report = examine(tmp_path, DRAGON)
    (finding,) = (each for each in report.findings if each.rule == "privacy.table")
    assert (finding.variable, finding.severity) == (variable, Severity.ERROR)


def test_what_does_not(tmp_path):
    tables = clinical.tables(1)
    tables[clinical.DM][0] |= {"BRTHDTC": "1958", "INVNAM": ""}
    tables[clinical.PR][0] |= {"PRTRT": "Ventilation 10 days, 2 x 500 ml, 120/80"}
    assert "privacy.table" not in {each.rule for each in examined(tmp_path, tables).findings}


def test_what_the_guide_once_had_is_no_column_too_many(tmp_path):
    assert of(tmp_path, clinical.LB, laboratory(LBSTREFC="38")) == {}
    assert set(of(tmp_path / "other", clinical.LB, laboratory(LBSTREFX="38"))) == {"sdtm.unlisted"}


def test_other_domains_are_welcome(tmp_path):
    findings = of(tmp_path, "p01_ae.csv", clinical._keys("AE", "P001") | {"AESEQ": "1", "AETERM": "Fever"})
    assert findings == {}
    adverse = clinical._keys("AE", "P001") | {"AESEQ": "1", "AETERM": "Fever", "AESTDTC": "4.3.2020", "AEDUR": "3 days"}
    assert told(of(tmp_path, "p01_ae.csv", adverse)) == {"sdtm.date": [("AESTDTC", 1)], "sdtm.duration": [("AEDUR", 1)]}


def test_procedures_can_be_required(tmp_path):
    ours = tmp_path / "ours.toml"
    text = '[sdtm.domains-expected]\nseverity = "error"\n'
    ours.write_text(f'name = "ours"\nversion = "1"\ntitle = "Ours"\nextends = "dragon"\n{text}', "utf-8")
    tables = clinical.tables(1)
    del tables[clinical.PR]
    for specification, severity in ((DRAGON, Severity.WARNING), (check.load(ours), Severity.ERROR)):
        report = examined(tmp_path / severity, tables, specification)
        assert [(each.rule, each.severity) for each in report.findings if each.variable == "PR"] == [
            ("sdtm.domains-expected", severity)
        ]


def test_a_table_that_cannot_be_read_has_passed_nothing(tmp_path):
    made = deliveries.Delivery(files={"p01_dm.csv": b'STUDYID,USUBJID\nDRAGON,"P1\n'})
    outcomes = {each.rule.id: each for each in examine(made.write(tmp_path), DRAGON).outcomes}
    assert outcomes["sdtm.readable"].status is Status.FAILED
    asked = [each for id, each in outcomes.items() if id.startswith("sdtm.") and each.status is not Status.FAILED]
    assert {each.status for each in asked} == {Status.SKIPPED}


def test_without_the_extra_nothing_is_said_to_have_passed(tmp_path, monkeypatch):
    monkeypatch.setattr(sdtm, "find_spec", lambda name: None)
    report = examined(tmp_path, clinical.tables(2))
    assert found(report) == {}
    rules = [each for each in report.outcomes if each.rule.id.startswith("sdtm.") and each.asked]
    skipped = {each.rule.id for each in rules if each.status is Status.SKIPPED and sdtm.NOT_INSTALLED in each.why}
    assert {each.rule.id for each in rules} - skipped == {"sdtm.domains", "sdtm.domains-expected"}


def test_a_sas_transport_file_is_judged_as_a_csv(tmp_path):
    made = deliveries.Delivery(tables=clinical.tables(2))
    rows = made.tables.pop(clinical.LB)
    made.write(tmp_path)
    frame = pl.DataFrame(rows).with_columns(pl.col("LBSEQ", "VISITNUM").cast(pl.Float64))
    pyreadstat.write_xport(frame, tmp_path / "p01_lb.xpt", file_format_version=5, table_name="LB")
    assert found(examine(tmp_path, DRAGON)) == {}
    broken = frame.with_columns(LBDTC=pl.lit("04.03.2020"))
    pyreadstat.write_xport(broken, tmp_path / "p01_lb.xpt", file_format_version=5, table_name="LB")
    (finding,) = found(examine(tmp_path, DRAGON))["sdtm.date"]
    assert (finding.file, finding.row) == ("p01_lb.xpt", 1)
    assert "in 10 rows, but written as 99.99.9999" in finding.fact


def test_no_value_and_no_heading_is_in_a_report(tmp_path):
    """Whatever stands in a table, in whichever column: who wrote it there may have written a name."""
    tables = clinical.tables(2)
    for rows in tables.values():
        for row in rows:
            for variable in row:
                if variable != "USUBJID":
                    row[variable] = "Mueller"
            row["HANSMUELLER"] = "Mueller"
    report = examined(tmp_path, tables)
    assert len(found(report)) > 8
    assert b"mueller" not in (json.dumps(as_dict(report)).encode() + junit(report)).lower()
