"""The pilot study's tables (pharmaverse), with what is wrong with them written down after looking at them."""

import shutil

import pytest

from cohortium import check
from cohortium.check.examine import examine

pytestmark = pytest.mark.shared_data
pytest.importorskip("polars", reason="needs the extra `clinical`")
pytest.importorskip("pyreadstat", reason="needs the extra `clinical`")

FOUND = [
    ("privacy.table", "BRTHDTC", 1),
    ("sdtm.guide", "LBLOBXFL", 0),  # the study has LBBLFL, as older guides had it
    ("sdtm.number", "MBSTRESN", 3),  # CFU/mL: the unit stands where the number belongs
    ("sdtm.result", "MBSTRESN", 2),  # 2, of 2+
    ("sdtm.term", "LBORRESU", 31),  # FRACTION, uIU/mL, MILL/uL, THOU/uL, pg/mL, NO UNITS
    ("sdtm.term", "LBSTRESU", 42),  # FRACTION, GI/L, TI/L, 1, fmol(Fe)
    ("sdtm.term", "LBTESTCD", 60),  # BUN
    ("sdtm.term", "MBMETHOD", 3),  # COLONY COUNT, which is a detail of the test
    ("sdtm.term", "MBTESTCD", 3),  # GNROD, GPRCOC, MCCOLCNT
    ("sdtm.term", "MBTSTDTL", 16),  # RESULT
    ("sdtm.test", "LBTEST", 256),  # Platelet
    ("sdtm.test", "MBTEST", 18),  # a small c in Mycobacterium tuberculosis Complex
    ("sdtm.unlisted", "", 0),  # MBRSLSCL
]


def test_what_is_found_in_the_pilot_study(tmp_path, shared_data):
    """4,663 results have no unit, all of tests that have none: none of them is missing."""
    for domain in ("dm", "lb", "mb"):
        shutil.copy(shared_data / "clinical" / "sdtm" / f"{domain}.csv", tmp_path / f"pilot_{domain}.csv")
    report = examine(tmp_path, check.load("dragon"))
    found = [each for each in report.findings if each.file]
    assert [(each.rule, each.variable, each.row) for each in found] == FOUND
    facts = {each.variable: each.fact for each in found if each.rule != "sdtm.result"}
    assert facts["MBSTRESN"] == "MBSTRESN is no number in 5 rows, but written as XXX/xX"
    assert (
        facts["LBTESTCD"] == "LBTESTCD is no term of LBTESTCD (C65047) in 1828 rows (one value), perhaps UREAN is meant"
    )
    assert facts["LBTEST"] == "LBTEST is not Platelets, as LBTESTCD has it, in 1788 rows"
