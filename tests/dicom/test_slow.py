"""What the slow path reads that the fast one leaves to it. That the two agree is tested in deidentify/test_oracle."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import factory
from cohortium.dicom import slow
from cohortium.errors import Malformed
from factory import BIG_ENDIAN, CT_IMAGE, DEFLATED, EXPLICIT, IMPLICIT, ct


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED])
def test_peek_tells_where_a_file_goes(syntax: str) -> None:
    assert slow.peek(ct(syntax=syntax)) == slow.Peek(syntax, CT_IMAGE, "CT")
    assert slow.peek(ct(syntax=syntax, Modality=None)).Modality == ""


@pytest.mark.parametrize("content", [b"", b"text" * 100, ct()[:140], ct(syntax=DEFLATED)[:340] + b"\xff" * 50])
def test_peek_refuses_what_makes_no_sense(content: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        slow.peek(content)
    assert factory.planted_in(str(caught.value).encode()) == []


def test_words_are_swapped_by_their_size() -> None:
    words = np.arange(8, dtype="<u2")
    assert slow._swapped(words.astype(">u2").tobytes(), 2) == words.tobytes()
    longs = np.arange(4, dtype="<u4")
    assert slow._swapped(longs.astype(">u4").tobytes(), 4) == longs.tobytes()
    assert slow._swapped(b"odd", 2) == b"odd"
    assert slow._word(0x7FE00010, "OW", 32) == 4


def test_a_deflated_data_set_without_an_end_is_truncated() -> None:
    whole = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    content = whole.compress(b"x" * 10_000) + whole.flush()
    assert slow._inflated(content) == b"x" * 10_000
    with pytest.raises(Malformed, match="truncated"):
        slow._inflated(content[:-1])
    with pytest.raises(Malformed):
        slow._inflated(b"\xff" * 40)


def test_a_deflated_data_set_may_not_swell_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow, "LARGEST_INFLATED", 1000)
    bomb = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    with pytest.raises(Malformed):
        slow._inflated(bomb.compress(bytes(100_000)) + bomb.flush())
