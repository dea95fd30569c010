"""Text under Specific Character Set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohortium.dicom.charset import character_sets, decode, encode, normalised
from cohortium.errors import Malformed


@pytest.mark.parametrize(
    ("value", "text", "encoded"),
    [
        (b"", "Muller", b"Muller"),
        (b"ISO_IR 100", "Müller", b"M\xfcller"),
        (b"ISO_IR 192", "Müller", b"M\xc3\xbcller"),
        (b"ISO_IR 144", "Люкceмбypг", "Люкceмбypг".encode("iso8859-5")),
        (b"GB18030 ", "王小东", "王小东".encode("gb18030")),
        (b"\\ISO 2022 IR 87", "山田", b"\x1b$B;3ED\x1b(B"),
        (b"\\ISO 2022 IR 149", "김", b"\x1b$)C\xb1\xe8"),
        (b"ISO-IR 100", "Müller", b"M\xfcller"),
    ],
)
def test_text_is_read_in_its_character_set(value: bytes, text: str, encoded: bytes) -> None:
    assert decode(encoded + b"  ", character_sets(value)) == text


@pytest.mark.parametrize(
    "value", [b"MUELLER", b"ISO_IR 999", b"rot13", b"unicode_escape", b"utf-7", b"a\0b", b"\xff\xfe", b"idna"]
)
def test_unknown_character_sets_are_refused_without_naming_them(value: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        character_sets(value)
    assert value.decode("latin-1") not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "content"),
    [(b"ISO_IR 192", b"M\xfcller"), (b"\\ISO 2022 IR 87", b"\x1b$Bx"), (b"\\ISO 2022 IR 87", b"\x1b$ZMUELLER")],
)
def test_undecodable_text_is_refused_without_quoting_it(value: bytes, content: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        decode(content, character_sets(value))
    assert "MUELLER" not in str(caught.value)


@given(st.binary(max_size=64), st.binary(max_size=24))
def test_no_bytes_raise_anything_else(value: bytes, content: bytes) -> None:
    try:
        text = decode(content, character_sets(value))
    except Malformed:
        return
    text.encode("utf-8")


@given(st.text(st.characters(codec="latin-1", exclude_characters="\0 \x1b\\"), max_size=20))
def test_what_is_encoded_is_read_back(text: str) -> None:
    for name in (b"ISO_IR 100", b"ISO_IR 192"):
        assert decode(encode(text, character_sets(name)), character_sets(name)) == text


def test_what_people_read_as_the_same_is_the_same() -> None:
    assert normalised("Mu\u0308ller  Hans ") == normalised(" Müller\tHans") == "Müller Hans"
    assert normalised(" \t\u3000") == ""
