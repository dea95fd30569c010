"""Codes of other systems: real ones pass, and what a slip of the hand makes of them does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohortium.clinical import codes, sdtm

GOOD = {
    "ICD-10": ["I10", "E11.9", "J18.9", "C50.911", "U07.1", "A18.0†", "S52.521A"],
    "LOINC": ["2951-2", "1751-7", "718-7", "94500-6", "1-8"],
    "MedDRA": ["10035664", "10035664.0"],
    "SNOMED CT": ["73211009", "38341003", "22298006", "404684003", "999000031000000106"],
}
BAD = {
    "ICD-10": ["", "110", "i10", "E11.", "J189", "E11.90123", "Pneumonia"],
    "LOINC": ["", "2951", "2951-3", "LP7753-9", "LA6576-8", "02951-2", "2951-２"],
    "MedDRA": ["", "1003566", "20035664", "Pneumonia"],
    "SNOMED CT": ["", "73211008", "37211009", "7.32E+07", "12345", "1234567890123456789", "754786014", "7３211009"],
}


@pytest.mark.parametrize("system", codes.SYSTEMS)
def test_codes_that_a_system_gave_and_others(system):
    assert {code: codes.SYSTEMS[system](code) for code in GOOD[system]} == dict.fromkeys(GOOD[system], "")
    assert [code for code in BAD[system] if not codes.SYSTEMS[system](code)] == []


def test_the_term_of_a_concept_is_no_concept():
    assert codes.snomed("754786014") == "is not the identifier of a concept"


@given(st.sampled_from(GOOD["SNOMED CT"]), st.data())
def test_verhoeff_notices_one_digit_and_two_neighbours(code, data):
    at = data.draw(st.integers(0, len(code) - 1))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != code[at]]))
    assert codes.snomed(code[:at] + other + code[at + 1 :])
    swapped = code[:at] + code[at : at + 2][::-1] + code[at + 2 :]
    assert swapped == code or codes.snomed(swapped)


@given(st.sampled_from(GOOD["LOINC"]), st.data())
def test_modulus_10_notices_one_digit(code, data):
    at = data.draw(st.sampled_from([place for place, sign in enumerate(code) if sign != "-"]))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != code[at]]))
    assert codes.loinc(code[:at] + other + code[at + 1 :])


@given(st.text(max_size=20))
def test_any_text_is_judged(text):
    assert all(isinstance(judge(text), str) for judge in codes.SYSTEMS.values())


def test_every_domain_but_dm_may_have_codes_beside_its_terms():
    assert {"MHSCTID", "MHICD10", "MHPTCD", "MHLOINC"} <= sdtm.variables("MH").keys()
    assert "AESCTID" in sdtm.variables("AE")
    assert not [name for name in sdtm.variables("DM") if name.endswith(("SCTID", "ICD10", "LOINC"))]
    assert set(codes.columns().values()) == codes.SYSTEMS.keys()
