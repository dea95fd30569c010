"""What the package says SDTM says is what its tables say, and these are made from the standard's."""

import importlib.util
from pathlib import Path

import pytest

from cohortium.clinical import sdtm, tables
from cohortium.clinical.sdtm import Core, Holds

ROOT = Path(__file__).parents[2]


def test_variables_of_a_domain():
    known = sdtm.variables("LB")
    assert known["LBSEQ"].core is Core.REQUIRED
    assert known["LBSEQ"].holds is Holds.NUMBER
    assert known["LBDTC"].holds is Holds.DATE
    assert known["LBPDUR"].holds is Holds.PERIOD
    assert known["LBTEST"].holds is Holds.TEXT
    assert (known["LBSEQ"].general, known["VISITNUM"].general, known["LBTESTCD"].general) == (
        "--SEQ",
        "VISITNUM",
        "--TESTCD",
    )
    assert sdtm.variables("DM")["BRTHDTC"].holds is Holds.DATE
    assert sdtm.variables("DM")["DOMAIN"].general == "DOMAIN"


def test_a_domain_without_a_table_has_what_others_have():
    known = sdtm.variables("AE")
    assert "AE" not in sdtm.described()
    assert [name for name, each in known.items() if each.core is not Core.PERMISSIBLE] == [
        *("STUDYID", "DOMAIN", "USUBJID", "AESEQ")
    ]
    assert (known["AETERM"].holds, known["AESTDTC"].holds, known["AEDUR"].holds) == (
        Holds.TEXT,
        Holds.DATE,
        Holds.PERIOD,
    )
    assert known["AESTAT"].codelists == ("C66789",)
    assert known["AETESTCD"].codelists == ()  # each domain has its own
    assert "AGE" not in known


def test_every_domain_and_code_list_that_is_named_is_there():
    assert set(sdtm.described()) <= tables.domains()
    for domain in sdtm.described():
        for variable in sdtm.variables(domain).values():
            assert all(sdtm.codelist(code).terms for code in variable.codelists)


def test_several_races_are_multiple_though_no_list_has_it():
    (races,) = sdtm.codelists(sdtm.variables("DM")["RACE"])
    assert {"WHITE", "MULTIPLE"} <= races.terms.keys()
    assert "MULTIPLE" not in sdtm.codelist("C74457").terms


def test_code_lists_say_whether_they_may_be_extended_and_what_was_meant():
    sex, units = sdtm.codelist("C66731"), sdtm.codelist("C71620")
    assert not sex.extensible
    assert units.extensible
    assert sdtm.codelist("C66781").proposal("Years") == "YEARS"
    assert units.proposal("no such unit") == ""
    assert sdtm.same(sdtm.codelist("C65047"), sdtm.codelist("C67154"))["ALB"] == "Albumin"


@pytest.mark.shared_data
def test_the_tables_can_be_made_again(tmp_path, shared_data):
    spec = importlib.util.spec_from_file_location("sdtm_tool", ROOT / "tools" / "sdtm.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    tool.write(shared_data / "standards", tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(made) == {"sdtm_variables.csv", "sdtm_codelists.csv"}
    for name, content in made.items():
        assert content == (sdtm.DATA / name).read_bytes(), name
