"""Whatever comes in, its document keeps to the DICOM JSON Model (PS3.18 F), as `dicom_json` reads the standard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydicom import data

import factory
from cohortium.dicom import elements
from cohortium.errors import CohortiumError
from cohortium.wire import dicomjson
from dicom_json import BINARY, VRS, faults

VALUES = st.binary(max_size=40) | st.sampled_from(
    [
        b"",
        b" ",
        b"\0",
        b"\\",
        b"1\\\\2",
        b"=",
        b"^=^=",
        b"A=B=C=D",
        b"NaN",
        b"1e999",
        b"-0",
        b"1.50",
        b"9" * 30,
        b"\xc3",
    ]
)
PLAIN = [vr for vr in sorted(VRS) if vr != "SQ"]
CHARACTER_SETS = st.sampled_from([b"", b"ISO_IR 100", b"ISO_IR 192", b"GB18030", b"\\ISO 2022 IR 87", b"NO_SUCH"])
LEAVES = st.tuples(st.sampled_from(PLAIN), VALUES)
BODIES = st.dictionaries(st.sampled_from([0x00100010, 0x00181400, 0x00189999, 0x00291001, 0x7FE00010]), LEAVES)
SETS = st.recursive(
    BODIES,
    lambda within: st.tuples(BODIES, st.lists(within, max_size=3)).map(
        lambda made: {**made[0], 0x00081115: ("SQ", made[1])}
    ),
    max_leaves=6,
)


def broken(whole: Any) -> list[str]:
    """The faults of what is stored of a document, placed as it is sent."""
    text = dicomjson.unpack(dicomjson.pack(whole))
    return list(faults(json.loads(dicomjson.placed(text, "http://here/studies/1/series/1/instances/1"))))


@given(SETS, CHARACTER_SETS)
@example({0x00181400: ("FD", b"\0" * 6 + b"\xf8\x7f" + b"\0" * 6 + b"\xf0\xff")}, b"")
@example({0x00181400: ("AT", b"\1\2\3")}, b"")
def test_any_bytes_under_any_representation(made: dict[int, Any], character_set: bytes) -> None:
    assert broken(dicomjson.document({0x00080005: ("CS", character_set), **made})) == []


@pytest.mark.parametrize("vr", PLAIN)
@given(value=VALUES)
@example(value=b"1\\\t\\2")
def test_any_bytes_under_each_representation(vr: str, value: bytes) -> None:
    found = dicomjson.document({0x00181400: (vr, value)})
    assert broken(found) == []
    assert found["00181400"]["vr"] == vr
    assert vr in BINARY or "InlineBinary" not in found["00181400"]


@pytest.mark.parametrize("syntax", [factory.EXPLICIT, factory.IMPLICIT])
def test_objects_of_the_factory(syntax: str) -> None:
    assert broken(dicomjson.document(elements.read(factory.ct(syntax=syntax)).elements)) == []


def test_files_that_pydicom_is_tested_with() -> None:
    assert check(sorted((Path(data.__file__).parent / "test_files").glob("*.dcm"))) > 20


@pytest.mark.shared_data
def test_files_of_many_vendors(shared_data: Path) -> None:
    assert check(sorted(path for path in (shared_data / "dicom").rglob("*") if path.is_file())) > 50


def check(paths: list[Path]) -> int:
    """How many of the files could be read; each of these keeps to the model."""
    read = 0
    for path in paths:
        try:
            found = elements.read(path.read_bytes())
        except CohortiumError:
            continue  # what cannot be read does not come in
        assert broken(dicomjson.document(found.elements)) == [], path.name
        read += 1
    return read


@pytest.mark.parametrize(
    "attribute",
    [
        {},
        {"vr": "ZZ"},
        {"vr": "LO", "Value": []},
        {"vr": "LO", "Value": "text"},
        {"vr": "LO", "Value": [1]},
        {"vr": "LT", "Value": ["one", "two"]},
        {"vr": "US", "Value": ["1"]},
        {"vr": "US", "Value": [65536]},
        {"vr": "SS", "Value": [True]},
        {"vr": "IS", "Value": [1.5]},
        {"vr": "FD", "Value": ["Infinity"]},
        {"vr": "AT", "Value": ["0018106"]},
        {"vr": "PN", "Value": ["Doe^John"]},
        {"vr": "PN", "Value": [{"Alphabetic": ""}]},
        {"vr": "PN", "Value": [{"Family": "Doe"}]},
        {"vr": "OB", "Value": ["AAAA"]},
        {"vr": "OB", "InlineBinary": "no base64!"},
        {"vr": "OB", "InlineBinary": "AAAA", "BulkDataURI": "http://here"},
        {"vr": "OB", "BulkDataURI": ""},
        {"vr": "LO", "InlineBinary": "AAAA"},
        {"vr": "LO", "Value": ["a"], "Other": 1},
        {"vr": "SQ", "BulkDataURI": "http://here"},
        {"vr": "SQ", "Value": [{"00100010": {"vr": "PN", "Value": [1]}}]},
        {"vr": "SQ", "Value": [None]},
    ],
    ids=str,
)
def test_what_breaks_the_model_is_told(attribute: dict[str, Any]) -> None:
    assert list(faults({"00081115": attribute}))


@pytest.mark.parametrize("tag", ["0008111", "00081115 ", "7fe00010", "00080000", "00020010"])
def test_a_key_that_is_no_tag_is_told(tag: str) -> None:
    assert list(faults({tag: {"vr": "LO"}}))
    assert list(faults({"00100020": {"vr": "LO"}, "00100010": {"vr": "PN"}}))
