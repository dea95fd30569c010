"""Actions are total: any bytes in, a short value or nothing out, and never an exception."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.config import RAISE
from pydicom.valuerep import VR, validate_value

from cohortium.deidentify import actions
from cohortium.deidentify.echoes import Echoes
from cohortium.deidentify.identifiers import Tokens
from cohortium.dicom.charset import character_sets
from cohortium.dicom.plan import BINARY_SIZES, TEXT_VRS, Context
from cohortium.keys import SiteKey

SETS = [
    b"",
    b"ISO_IR 100",
    b"ISO_IR 192",
    b"GB18030",
    b"ISO_IR 144",
    b"\\ISO 2022 IR 87\\ISO 2022 IR 159",
    b"ISO_IR 13",
]


KEY = SiteKey(bytes(32))


def context(charset: bytes = b"ISO_IR 192", word: bytes = b"MUELLER", pseudonym: bytes = b"S-1 ") -> Context:
    sets = character_sets(charset)
    return Context({actions.PATIENT_ID: pseudonym}, sets, [], "mark", Echoes((word.decode(),), sets))


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


@given(st.one_of(st.binary(max_size=80), st.text(max_size=30).map(str.encode)), st.sampled_from(SETS))
def test_a_hash_fits_whatever_comes(value: bytes, charset: bytes) -> None:
    for vr in ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"):
        made = actions.hashed(vr, Tokens(KEY, "project"))(value, context(charset))
        assert len(made) % 2 == 0
        assert not value.strip(b"\\ \0") or made != value
        for each in made.decode("ascii").rstrip().split("\\"):
            validate_value(vr, each, RAISE)


def test_a_hash_says_that_two_are_the_same_and_nothing_else() -> None:
    hashed = actions.hashed("SH", Tokens(KEY, "project"))
    one = hashed(b"A-1 ", context())
    assert one == hashed(b" A-1", context()), "padding is no part of an identifier"
    others = {
        hashed(b"A-2 ", context()),
        hashed(b"A-1 ", context(pseudonym=b"S-2 ")),
        actions.hashed("SH", Tokens(KEY, "other"))(b"A-1 ", context()),
        actions.hashed("SH", Tokens(SiteKey(b"\1" * 32), "project"))(b"A-1 ", context()),
    }
    assert len(others | {one}) == 5
    assert hashed(b"A-1\\A-2 ", context()).split(b"\\")[0] == one.rstrip()
    assert hashed(b"", context()) == b""


def test_without_a_key_a_hash_is_what_ctp_writes() -> None:
    """MD5 of pseudonym and value as a decimal number, cut to what the attribute takes: anybody can work it out."""
    unkeyed = Tokens(KEY, "project", keyed=False)
    digits = str(int.from_bytes(hashlib.md5(b"S-1A-1").digest(), "big"))
    assert actions.hashed("SH", unkeyed)(b"A-1 ", context()) == digits[:16].encode()
    assert actions.hashed("LO", unkeyed)(b"A-1 ", context()).rstrip() == digits.encode()
