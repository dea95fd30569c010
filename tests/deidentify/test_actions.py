"""Actions are total: any bytes in, a short value or nothing out, and never an exception."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.config import RAISE
from pydicom.valuerep import VR, validate_value

from cohortium.deidentify import actions
from cohortium.dicom.charset import character_sets
from cohortium.dicom.plan import BINARY_SIZES, TEXT_VRS, Context

SETS = [
    b"",
    b"ISO_IR 100",
    b"ISO_IR 192",
    b"GB18030",
    b"ISO_IR 144",
    b"\\ISO 2022 IR 87\\ISO 2022 IR 159",
    b"ISO_IR 13",
]


def context(charset: bytes = b"ISO_IR 192", word: bytes = b"MUELLER") -> Context:
    return Context({}, character_sets(charset), [], "mark", lambda value: word in value)


@given(st.one_of(st.binary(max_size=64), st.text(max_size=20).map(str.encode)), st.sampled_from(SETS))
def test_cleaning_never_raises_and_never_adds(value: bytes, charset: bytes) -> None:
    here = context(charset)
    cleaned = actions.cleaned(value, here)
    assert len(cleaned) % 2 == 0 or cleaned == value
    again = actions.cleaned(cleaned, here)
    assert again.rstrip(b" \0") == cleaned.rstrip(b" \0")


def test_cleaning_keeps_what_radiology_shares() -> None:
    assert actions.cleaned("CT Thorax Müller 5mm ".encode(), context()) == b"CT Thorax 5mm "
    assert actions.cleaned(b"MUELLER^HANS", context()) == b""


def test_text_that_cannot_be_read_is_emptied_with_a_finding() -> None:
    here = context(b"ISO_IR 192")
    assert actions.cleaned(b"M\xfcller", here) == b""
    assert [finding.rule for finding in here.findings] == ["structure.unparseable-value"]


def test_an_unknown_attribute_is_removed_with_a_finding() -> None:
    here = context()
    assert actions.unknown(b"MUELLER", here) is None  # type: ignore[func-returns-value]
    assert [finding.rule for finding in here.findings] == ["structure.unknown-attribute"]
    assert "MUELLER" not in here.findings[0].message


def test_a_text_that_repeats_the_patient_is_replaced() -> None:
    assert actions.unechoed("LO")(b"for MUELLER", context()) == b"REMOVED "
    assert actions.unechoed("LO")(b"for nobody", context()) == b"for nobody"


@pytest.mark.parametrize("vr", [vr.value for vr in VR if len(vr.value) == 2])
def test_every_dummy_is_what_its_vr_allows(vr: str) -> None:
    dummy = actions.dummy(vr)
    assert len(dummy) % 2 == 0
    if vr in BINARY_SIZES:
        assert len(dummy) == BINARY_SIZES[vr]
    if vr in TEXT_VRS - {"UI"}:
        assert dummy
        validate_value(vr, dummy.decode().rstrip(), RAISE)
