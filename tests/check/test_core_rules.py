"""What we claim of CDISC's open rules: for each, a small table that it takes and one that it does not.

The tables are our own; which rule a case stands for is told by the rule's identifier (cdisc-org/cdisc-open-rules).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

import clinical_deliveries as clinical
import deliveries
from cohortium import check
from cohortium.check.examine import examine

pytest.importorskip("polars", reason="needs the extra `clinical`")
pytest.importorskip("pyreadstat", reason="needs the extra `clinical`")

DRAGON = check.load("dragon")
SUBJECT = clinical.demographics("P002")  # alive
TEST = clinical.laboratory("P002")[0]
MICROBE = clinical.microbiology("P002")
CURE = clinical.procedure("P002")
VITAL = {
    **{"STUDYID": "DRAGON", "DOMAIN": "VS", "USUBJID": "P002", "VSSEQ": "1", "VSTESTCD": "WEIGHT", "VSTEST": "Weight"},
    **{"VSORRES": "70", "VSORRESU": "kg", "VSSTRESC": "70", "VSSTRESN": "70", "VSSTRESU": "kg", "VSLOBXFL": ""},
    **{"VISITNUM": "1", "VSDTC": "2020-03-04"},
}

Cells = Mapping[str, str | None]
DM, LB, MB, PR, VS = clinical.DM, clinical.LB, clinical.MB, clinical.PR, "p01_vs.csv"
ROWS = {DM: SUBJECT, LB: TEST, MB: MICROBE, PR: CURE, VS: VITAL}

CASES: list[tuple[str, str, str, Cells, Cells]] = [  # rule of CDISC, ours, table, what passes, what does not
    ("CORE-000006", "sdtm.code", DM, {"DTHFL": "Y"}, {"DTHFL": "N"}),
    ("CORE-000010", "sdtm.width", DM, {"ARMCD": "A" * 20}, {"ARMCD": "A" * 21}),
    ("CORE-000133", "sdtm.missing", VS, {"VSSTRESU": "kg"}, {"VSSTRESC": "", "VSSTRESN": ""}),
    ("CORE-000170", "sdtm.code", VS, {"VSLOBXFL": "Y"}, {"VSLOBXFL": "N"}),
    ("CORE-000180", "sdtm.domain", LB, {"DOMAIN": "LB"}, {"DOMAIN": "LBX"}),
    ("CORE-000185", "sdtm.width", DM, {"ACTARMCD": "A" * 20}, {"ACTARMCD": "A" * 21}),
    ("CORE-000189", "sdtm.missing", DM, {"AGE": "61", "AGEU": "YEARS"}, {"AGE": "61", "AGEU": ""}),
    ("CORE-000190", "sdtm.missing", DM, {"AGE": "61", "AGEU": "YEARS"}, {"AGE": "", "AGEU": "YEARS"}),
    ("CORE-000199", "sdtm.width", LB, {}, {"LBTESTCD": "OURS", "LBTEST": "T" * 41}),
    (
        "CORE-000200",
        "sdtm.missing",
        VS,
        {"VSSTAT": "NOT DONE"} | dict.fromkeys(("VSORRES", "VSORRESU", "VSSTRESC", "VSSTRESN", "VSSTRESU"), ""),
        {"VSORRES": ""},
    ),
    ("CORE-000201", "sdtm.subject", LB, {"USUBJID": "P002"}, {"USUBJID": "P009"}),
    ("CORE-000220", "sdtm.width", LB, {}, {"LBTESTCD": "ALBUMINES"}),
    ("CORE-000225", "sdtm.status", VS, {"VSREASND": ""}, {"VSREASND": "too heavy"}),
    ("CORE-000260", "sdtm.code", PR, {"PRPRESP": "Y"}, {"PRPRESP": "N"}),
    ("CORE-000303", "sdtm.test", LB, {"LBTEST": "Albumin"}, {"LBTEST": "Protein"}),
    ("CORE-000305", "sdtm.duration", PR, {"PRDUR": "P10D"}, {"PRDUR": "-P10D"}),
    ("CORE-000308", "sdtm.number", PR, {"PRDOSE": "0.5"}, {"PRDOSE": "-0.5"}),
    ("CORE-000310", "sdtm.number", DM, {"AGE": "0"}, {"AGE": "-1"}),
    ("CORE-000334", "sdtm.guide", LB, {}, {"LBNRIND": None}),
    ("CORE-000355", "sdtm.required", LB, {}, {"LBSEQ": None}),
    ("CORE-000356", "sdtm.missing", LB, {}, {"LBTESTCD": ""}),
    ("CORE-000542", "sdtm.missing", VS, {"VSSTRESN": "70.0"}, {"VSSTRESN": ""}),
    ("CORE-000542", "sdtm.number", VS, {"VSSTRESN": "70.0"}, {"VSSTRESN": "71"}),
]


def rules(folder: Path, tables: dict[str, list[clinical.Row]]) -> set[str]:
    report = examine(deliveries.Delivery(tables={DM: [SUBJECT]} | tables).write(folder), DRAGON)
    return {each.rule for each in report.findings if each.rule.startswith("sdtm.") and "domains" not in each.rule}


def row(path: str, cells: Cells) -> clinical.Row:
    return {name: value for name, value in (ROWS[path] | cells).items() if value is not None}


@pytest.mark.parametrize(
    ("ours", "path", "right", "wrong"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_one_row(tmp_path, ours, path, right, wrong):
    assert rules(tmp_path, {path: [row(path, right)]}) == set()
    assert ours in rules(tmp_path, {path: [row(path, wrong)]})


TWO: list[tuple[str, str, str, Cells, Cells]] = [  # the second of two rows
    ("CORE-000186", "sdtm.key", DM, {"USUBJID": "P003", "SUBJID": "P003"}, {"USUBJID": "P003"}),
    ("CORE-000351", "sdtm.key", DM, {"USUBJID": "P003", "SUBJID": "P003"}, {"SUBJID": "P003"}),
    ("CORE-000544", "sdtm.key", VS, {"VSSEQ": "2", "VSDTC": "2020-03-05"}, {"VSDTC": "2020-03-05"}),
]


@pytest.mark.parametrize(("ours", "path", "right", "wrong"), [case[1:] for case in TWO], ids=[case[0] for case in TWO])
def test_two_rows(tmp_path, ours, path, right, wrong):
    assert rules(tmp_path, {path: [ROWS[path], row(path, right)]}) == set()
    assert rules(tmp_path, {path: [ROWS[path], row(path, wrong)]}) == {ours}
