"""What we claim of CDISC's open rules: examples of our own for each, and the cases of the rules themselves.

`open_rules.toml` says which rule of CDISC is which of ours. The cases stay where they are: COHORTIUM_CDISC_OPEN_RULES
names a copy of them (git clone https://github.com/cdisc-org/cdisc-open-rules), or it lies in shared data. CDISC names
every row, we count them and name the first, so that is what is compared.
"""

from __future__ import annotations

import csv
import os
import re
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

import clinical_deliveries as clinical
import deliveries
from cohortium import check
from cohortium.check import naming
from cohortium.check.examine import examine
from cohortium.values import Finding

pytest.importorskip("polars", reason="needs the extra `clinical`")
pytest.importorskip("pyreadstat", reason="needs the extra `clinical`")

DRAGON = check.load("dragon")
CLAIMS = tomllib.loads(Path(__file__).with_name("open_rules.toml").read_text("utf-8"))
UNCLAIMED = CLAIMS.pop("unclaimed")
SHARED = Path(__file__).parents[3] / "shared" / "data" / "cdisc-open-rules"
PUBLISHED = Path(os.environ.get("COHORTIUM_CDISC_OPEN_RULES", SHARED)) / "Published"
NOT_THERE = "no copy of cdisc-org/cdisc-open-rules; COHORTIUM_CDISC_OPEN_RULES names one"
BESIDE = {"_datasets", "_variables", "datasets", "variables", "tables"}  # what tells of the data
ABSENT = "Not in dataset"
DOMAIN = re.compile(naming.DOMAINS)
COUNTED = re.compile(r"\b(\d+) rows?\b")

VITAL = {
    **{"STUDYID": "DRAGON", "DOMAIN": "VS", "USUBJID": "P002", "VSSEQ": "1", "VSTESTCD": "WEIGHT", "VSTEST": "Weight"},
    **{"VSORRES": "70", "VSORRESU": "kg", "VSSTRESC": "70", "VSSTRESN": "70", "VSSTRESU": "kg", "VSLOBXFL": ""},
    **{"VISITNUM": "1", "VSDTC": "2020-03-04"},
}
STATUS = {"STUDYID": "DRAGON", "DOMAIN": "SS", "USUBJID": "P002", "SSSEQ": "1", "VISITNUM": "1", "SSDTC": "2020-04"}
HISTORY = {"STUDYID": "DRAGON", "DOMAIN": "MH", "USUBJID": "P002", "MHSEQ": "1", "MHTERM": "Asthma"}
ROWS = {
    "dm": clinical.demographics("P002"),  # alive
    "lb": clinical.laboratory("P002")[0],
    "mh": HISTORY,
    "mb": clinical.microbiology("P002"),
    "pr": clinical.procedure("P002"),
    "su": {"STUDYID": "DRAGON", "DOMAIN": "SU", "USUBJID": "P002", "SUSEQ": "1", "SUTRT": "Cigarettes"},
    "vs": VITAL,
}

Claim = Mapping[str, object]
Cells = Mapping[str, str]


def findings(folder: Path, tables: Mapping[str, list[clinical.Row]]) -> list[Finding]:
    """What is found in tables, but for domains that are not there."""
    report = examine(deliveries.Delivery(tables=dict(tables)).write(folder), DRAGON)
    return [each for each in report.findings if each.rule.startswith("sdtm.") and "domains" not in each.rule]


def row(table: str, cells: Cells) -> clinical.Row:
    return {name: value for name, value in (ROWS[table] | cells).items() if value != "-"}


@pytest.mark.parametrize("core", CLAIMS)
def test_an_example_of_each_rule(tmp_path, core):
    claim = CLAIMS[core]
    table = claim["table"]
    before = [row(table, claim.get("first", {}))] if claim.get("second") else []
    others = {} if table == "dm" else {clinical.DM: [ROWS["dm"]]}
    others |= {"p01_ss.csv": [STATUS | claim["beside"]]} if "beside" in claim else {}
    right = findings(tmp_path / "right", others | {f"p01_{table}.csv": [*before, row(table, claim["right"])]})
    wrong = findings(tmp_path / "wrong", others | {f"p01_{table}.csv": [*before, row(table, claim["wrong"])]})
    assert right == [], [each.message for each in right]
    assert {each.rule for each in wrong} & set(claim["ours"])


def cases() -> list[object]:
    """The folders of all cases of the claimed rules."""
    found = [path for core in CLAIMS for path in sorted((PUBLISHED / core).glob("[np]*tive/[0-9]*")) if path.is_dir()]
    return found or [pytest.param(None, marks=pytest.mark.skip(NOT_THERE))]


@pytest.mark.parametrize("case", cases(), ids=lambda case: "-".join(case.parts[-3:]) if case else "none")
def test_cases_of_the_rules(tmp_path, case):
    core, sign, number = case.parts[-3:]
    claim = CLAIMS[core]
    if why := claim.get("differs", {}).get(f"{sign}/{number}"):
        pytest.xfail(why)
    tables, names = data(case)
    if not tables:
        pytest.skip("no table of a domain that is checked")
    told = defaultdict(list)
    for each in findings(tmp_path, tables):
        if each.rule in claim["ours"] and concerns(claim, each.variable, each.file):
            told[each.file].append(each)
    if sign == "positive":
        assert not told
        return
    expected = {names[name]: records for name, records in results(case, claim).items() if name in names}
    if not expected:
        pytest.skip("its results name no table that is checked")
    for file, records in expected.items():
        assert agrees(told[file], records, claim.get("told", "rows")), (file, records, told[file])
    assert set(told) <= set(expected) or claim.get("told") == "table"


def data(case: Path) -> tuple[dict[str, list[clinical.Row]], dict[str, str]]:
    """The tables of a case, called as tables of a delivery are, and how by their names in it."""
    tables, names = {}, {}
    for path in sorted((case / "data").glob("*.csv")):
        name = path.name.lower().removesuffix(".csv").removesuffix(".xpt")
        if name in BESIDE:
            continue
        with path.open(encoding="utf-8-sig", newline="") as file:
            content = list(csv.DictReader(file))
        said = ((content[0].get("DOMAIN") if content else "") or "", name[:2])
        domain = next((each.upper() for each in said if DOMAIN.fullmatch(each.upper())), "")
        if content and domain:
            called = f"p{sum(each.endswith(f'_{domain.lower()}.csv') for each in tables) + 1:02}_{domain.lower()}.csv"
            tables[called], names[name] = content, called
    return tables, names


def results(case: Path, claim: Claim) -> dict[str, set[int]]:
    """The rows that the results of a case name, by table, as far as they concern what is claimed."""
    path = case / "results" / "results.csv"
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        told = list(csv.DictReader(file))
    from_zero = any(each["Record"] == "0" for each in told)  # as older ones are
    found = defaultdict(set)
    for each in told:
        name = each["Dataset"].lower().removesuffix(".csv").removesuffix(".xpt")
        if each["Value"] != ABSENT and concerns(claim, each["Variable"], name):
            rows = found[name]  # empty where the table as a whole is meant
            rows |= {int(each["Record"]) + from_zero} if each["Record"].isdigit() else set()
    return found


def concerns(claim: Claim, variable: str, name: str) -> bool:
    """Whether a variable of a table is one of those that a claim is about."""
    domain = name.removesuffix(".csv").rpartition("_")[2][:2].upper()
    return any(each in ("*", variable, variable.replace(domain, "--", 1)) for each in claim["variables"])


def agrees(told: list[Finding], records: set[int], how: str) -> bool:
    """Whether findings tell of these rows: the first of them, and as many."""
    if not told or how == "table":
        return bool(told)
    rows = {each.row for each in told}
    if how == "first":
        return min(rows) == min(records)
    counts = [int(found[1]) for each in told if (found := COUNTED.search(each.fact))]
    if how == "group":
        return rows <= records and sum(counts) < len(records)
    return min(rows) == min(records) and rows <= records and max(counts) <= len(records) <= sum(counts)


def test_every_claim_is_whole() -> None:
    rules = {each.id for each in DRAGON.rules}
    assert not CLAIMS.keys() & UNCLAIMED.keys()
    assert all(UNCLAIMED.values())
    for core, claim in CLAIMS.items():
        assert re.fullmatch(r"CORE-\d{6}", core)
        assert set(claim["ours"]) <= rules
        assert claim.get("told", "rows") in ("rows", "group", "first", "table")
