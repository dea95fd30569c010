"""Lengths, bits and segments of pixel data by themselves; whole files with such traps are in deidentify/test_traps."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohortium.dicom import pixels
from cohortium.errors import Malformed
from cohortium.values import Finding
from factory import EXPLICIT, element


def noted(
    rows: int = 4, columns: int = 5, *, samples: int = 1, allocated: int = 16, stored: int | None = None, **more: bytes
) -> dict[int, bytes]:
    values = {
        pixels.ROWS: rows,
        pixels.COLUMNS: columns,
        pixels.SAMPLES_PER_PIXEL: samples,
        pixels.BITS_ALLOCATED: allocated,
        pixels.BITS_STORED: allocated if stored is None else stored,
    }
    found = {tag: struct.pack("<H", value) for tag, value in values.items()}
    return found | {int(getattr(pixels, name)): value for name, value in more.items()}


def cleaned(samples: bytes, header: dict[int, bytes]) -> tuple[bytes, list[str]]:
    content = element(0x7FE00010, samples, "OW")
    findings: list[Finding] = []
    slices, behind = pixels.clean(memoryview(content), 0, 12, EXPLICIT, header, findings)
    assert behind == len(content)
    return b"".join(slices), [finding.rule for finding in findings]


@pytest.mark.parametrize(
    ("header", "length"),
    [
        (noted(), 40),
        (noted(allocated=8), 20),
        (noted(allocated=1, rows=3, columns=3), 2),
        (noted(allocated=1, FRAMES=b"3 "), 8),
        (noted(samples=3, allocated=8), 60),
        (noted(samples=3, allocated=8, PHOTOMETRIC=b"YBR_FULL_422"), 40),
        (noted(FRAMES=b"10"), 400),
        (noted(FRAMES=b"0 "), 40),
        (noted(FRAMES=b""), 40),
    ],
)
def test_the_length_that_the_header_announces(header: dict[int, bytes], length: int) -> None:
    assert pixels.native_length(header) == length


@pytest.mark.parametrize("broken", [{pixels.ROWS: b""}, {pixels.BITS_ALLOCATED: b"\1"}, {pixels.FRAMES: b"-1"}])
def test_a_length_that_cannot_be_known(broken: dict[int, bytes]) -> None:
    with pytest.raises(Malformed):
        pixels.native_length(noted() | broken)


def test_an_odd_length_is_padded() -> None:
    output, rules = cleaned(bytes(range(16)), noted(3, 5, allocated=8))
    assert output == element(0x7FE00010, bytes(range(15)) + b"\0", "OW")
    assert rules == []


@given(
    stored=st.integers(1, 15),
    signed=st.booleans(),
    values=st.lists(st.integers(0, 0xFFFF), min_size=20, max_size=20),
)
def test_bits_above_those_stored_are_cleared(stored: int, signed: bool, values: list[int]) -> None:
    """Whatever stands in the unused bits, the output is what the used ones say, sign-extended where signed."""
    header = noted(stored=stored, REPRESENTATION=struct.pack("<H", signed), HIGH_BIT=struct.pack("<H", stored - 1))
    output, rules = cleaned(np.array(values, "<u2").tobytes(), header)
    expected = [value & (1 << stored) - 1 for value in values]
    if signed:
        expected = [value - (1 << stored) if value >> stored - 1 else value for value in expected]
    assert np.array_equal(np.frombuffer(output[12:], "<i2" if signed else "<u2"), expected)
    assert (rules == ["pixels.unused-bits"]) == (output[12:] != np.array(values, "<u2").tobytes())


def test_used_bits_never_change() -> None:
    samples = np.arange(20, dtype="<u2").tobytes()
    assert cleaned(samples, noted(stored=12)) == (element(0x7FE00010, samples, "OW"), [])


def test_rle_segments_are_measured() -> None:
    assert pixels._rle_length(memoryview(b"\x02abc\xfdxREST"), 7) == 6
    assert pixels._rle_length(memoryview(b"\x80\x80\x00aREST"), 1) == 4
    with pytest.raises(Malformed, match="truncated"):
        pixels._rle_length(memoryview(b"\x02abc"), 4)
