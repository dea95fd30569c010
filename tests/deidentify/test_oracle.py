"""Two implementations of one policy, held to each other and to `protocol.action_for`, on data sets made by Hypothesis.

`scan.rewrite` and `slow.rewrite` must come to the same elements, as pydicom reads them, with the same findings, and no
planted value may be left in either.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_VM, dictionary_VR, tag_for_keyword

import factory
from cohortium.deidentify import Deidentified, Deidentifier, load_protocol
from cohortium.deidentify.protocol import action_for
from cohortium.dicom import scan, slow
from cohortium.dicom.plan import TEXT_VRS
from cohortium.keys import SiteKey
from cohortium.values import Action, Protocol
from factory import CT_IMAGE, EXPLICIT, IMPLICIT, MR_IMAGE, PET_IMAGE, RT_STRUCTURE_SET, SECRET

CLEAN = str(Path(__file__).with_name("clean.toml"))
SOP_CLASSES = {CT_IMAGE: "CT", MR_IMAGE: "MR", PET_IMAGE: "PT", RT_STRUCTURE_SET: "RTSTRUCT"}
STAMPED = {0x00080018, 0x00100010, 0x00100020, 0x00120062, 0x00120063, 0x00120064, 0x0020000D, 0x0020000E, 0x00280303}
PIXELS = {0x7FE00008, 0x7FE00009, 0x7FE00010}
LEAK = f"{SECRET}@{factory.NAME}".encode()
CHARSETS = {"": "latin-1", "ISO_IR 100": "latin-1", "ISO_IR 192": "utf-8", "GB18030": "gb18030"}


PRIVATE = """
name = "private"
version = "1"
title = "Safe private attributes kept, dates shifted"
edition = "2026c"
base = "basic"
options = [
  "Clean Descriptors",
  "Retain Longitudinal Temporal Information Modified Dates",
  "Retain Safe Private",
]

[private."OURS"]
"(0029,xx10)" = "LO"
"(0029,xx11)" = "SQ"
"(0029,xx12)" = "DA"
"(0029,xx13)" = "UI"
"(0029,xx14)" = "US"
"(0029,xx15)" = "OB"
"(0029,xx16)" = "LT"
"""


@cache
def protocol_of(name: str) -> Protocol:
    if name != "private":
        return load_protocol(name)
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(PRIVATE)
        file.flush()
        return load_protocol(file.name)


@cache
def deidentifier(protocol: str) -> Deidentifier:
    return Deidentifier(protocol_of(protocol), SiteKey(bytes(32)), "project")


def both(protocol: str, content: bytes, sop_class: str = CT_IMAGE) -> tuple[Any, Any]:
    """What the two paths make of a file: (elements, findings) each."""
    plan = deidentifier(protocol)._plan(sop_class)
    results = []
    for rewrite in (scan.rewrite, slow.rewrite):
        rewritten = rewrite(content, plan)
        output = factory.joined(rewritten.slices)
        assert factory.planted_in(output) == [], rewrite.__module__
        rules = {(finding.rule, finding.message) for finding in rewritten.context.findings}
        results.append((factory.listed(output), rules, rewritten.context.subject_mark))
    return results[0], results[1]


# Elements of every kind

KNOWN = sorted(tag for tag in DicomDictionary if 0x0008 <= tag >> 16 < 0x7FE0 and tag & 0xFFFF)
RESERVED = STAMPED | {0x00080005, 0x00080016, 0x00080060, 0x00100021, 0x00280301, 0x00080008}
RESERVED |= {
    int(tag_for_keyword(keyword) or 0) for keyword in factory.attributes() if keyword not in factory.identity()
}
FREE = [tag for tag in KNOWN if tag not in RESERVED and len(dictionary_VR(tag)) == 2]
# A text that policy lets pass as it is must not be called a leak: the planted text goes to attributes that lose it.
LOSING = {tag for tag in FREE if action_for(load_protocol("dragon"), tag, "")[0] not in (Action.KEEP, Action.CLEAN)} & {
    tag for tag in FREE if action_for(load_protocol("basic"), tag, "")[0] not in (Action.KEEP, Action.CLEAN)
}
LOSING_TEXT = sorted(tag for tag in LOSING if dictionary_VR(tag) not in ("SQ", *factory.FORMATS))
SEQUENCES = sorted(tag for tag in FREE if dictionary_VR(tag) == "SQ")
NUMBERS = st.one_of(st.integers(-9999, 9999).map(str), st.floats(-1e6, 1e6).map(lambda f: f"{f:.6g}"))


def harmless(tag: int) -> st.SearchStrategy[bytes]:
    """A value that the VR allows and that identifies nobody; at times one that it does not allow."""
    vr = dictionary_VR(tag)
    if vr in factory.FORMATS:
        size = struct.calcsize(factory.FORMATS[vr])
        return st.one_of(st.binary(min_size=size, max_size=size), st.binary(max_size=12).map(_even))
    if vr in ("DS", "IS"):
        return st.lists(NUMBERS, max_size=3).map(lambda values: _even("\\".join(values).encode()))
    if vr in ("DA", "TM", "DT"):
        return st.sampled_from([b"", b"20200304", b"101112", b"99", b"no date"]).map(_even)
    if vr == "AS":
        return st.sampled_from([b"", b"042Y", b"4 years "])
    if vr == "UI":
        return st.sampled_from(
            [b"", b"1.2.840.10008.1.2.1\0", b"1.2.3.4.5\0", b"1.2.3\\1.2.4", b"no UID", b"1.2.840.10008.x\0"]
        )
    if vr.startswith("O") or vr == "UN":
        return st.binary(max_size=8).map(_even)
    return st.sampled_from(
        [b"", b"HFS ", b"THORAX", b"A\\B ", b"B30f\0\0", b"x\0y ", b"CT M\xc3\xbcller ", b"\x1b$)C\xb1\xe8 "]
    )


def _even(value: bytes) -> bytes:
    return value + b" " * (len(value) % 2)


@st.composite
def elements(draw: st.DrawFn, *, implicit: bool, depth: int = 0) -> dict[int, bytes]:
    """A data set's own elements, encoded, by tag."""
    found: dict[int, bytes] = {}
    for tag in draw(st.lists(st.sampled_from(FREE), max_size=6, unique=True)):
        vr = dictionary_VR(tag)
        if vr == "SQ":
            continue
        odd = draw(st.sampled_from([None] * 8 + ["UN", "LO", "UT", "OB"])) if not implicit else None
        odd = None if odd == "UN" else odd  # what is known and written as UN is for the slow path alone
        found[tag] = factory.element(tag, draw(harmless(tag)), odd or vr, implicit=implicit)
    for tag in draw(st.lists(st.sampled_from(LOSING_TEXT), max_size=4, unique=True)):
        found[tag] = factory.element(tag, _even(LEAK), dictionary_VR(tag), implicit=implicit)
    for tag in draw(
        st.lists(st.sampled_from([0x00090010, 0x00091001, 0x0019100A, 0x00291008, 0x00291010]), max_size=3)
    ):
        private = _even(LEAK)
        found[tag] = factory.element(tag, private, draw(st.sampled_from(["LO", "UN", "OB", "DS"])), implicit=implicit)
    found |= draw(private_blocks(implicit=implicit, depth=depth))
    for tag in draw(
        st.lists(st.sampled_from([0x00180000, 0x0018FFF1, 0x00200001, 0x60000010, 0x50000022]), max_size=2)
    ):
        found[tag] = factory.element(tag, _even(LEAK), "LO", implicit=implicit)
    if depth < 3:
        choices = st.one_of(
            st.sampled_from(SEQUENCES), st.sampled_from([0x00191020, 0x00082218, 0x00081140, 0x00400275])
        )
        for tag in draw(st.lists(choices, max_size=2, unique=True)):
            items = [
                factory.item(
                    _encoded(draw(elements(implicit=implicit, depth=depth + 1))), undefined=draw(st.booleans())
                )
                for _ in range(draw(st.integers(0, 2)))
            ]
            undefined = draw(st.booleans())
            found[tag] = factory.sequence(tag, *items, implicit=implicit, undefined=undefined)
    if depth and draw(st.booleans()):
        found[0x00080005] = factory.element(0x00080005, b"ISO_IR 192", "CS", implicit=implicit)
    return found


CREATORS = [b"OURS", b"OURS\0\0", b"GEMS_PETD_01", b"SIEMENS MR SDI 02 ", b"OURZ", b"", _even(LEAK)]
IN_BLOCK = [0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x05, 0x07, 0xFE]
VALUES = [b"", b"AX", b"20200304", b"1.2.3.4 ", b"1.2.840.10008.1.2\0", b"\1\0", b"no one\0x", b"of Hans ", b"\xff\0"]


@st.composite
def private_blocks(draw: st.DrawFn, *, implicit: bool, depth: int) -> dict[int, bytes]:
    """Blocks of several creators, reserved twice, by nobody or by somebody else, with values good and bad."""
    found: dict[int, bytes] = {}
    for group in draw(st.lists(st.sampled_from([0x0009, 0x0021, 0x0029]), max_size=2, unique=True)):
        for block in draw(st.lists(st.sampled_from([0x10, 0x11, 0xFF]), max_size=2, unique=True)):
            creator, vr = draw(st.sampled_from(CREATORS)), draw(st.sampled_from(["LO", "LO", "LO", "UN", "SH"]))
            found[group << 16 | block] = factory.element(group << 16 | block, creator, vr, implicit=implicit)
        for block in draw(st.lists(st.sampled_from([0x10, 0x11, 0xFF]), max_size=2, unique=True)):
            for low in draw(st.lists(st.sampled_from(IN_BLOCK), max_size=3, unique=True)):
                tag = group << 16 | block << 8 | low
                if low in (0x11, 0xFE) and draw(st.booleans()):
                    content = {}
                    if depth < 3:
                        content = draw(elements(implicit=implicit, depth=depth + 1))
                    items = factory.item(_encoded(content), undefined=draw(st.booleans()))
                    found[tag] = factory.sequence(tag, items, implicit=implicit, undefined=draw(st.booleans()))
                    continue
                vr = draw(st.sampled_from(["LO", "UN", "OB", "DA", "US", "SS", "UI", "LT"]))
                if low in (0x11, 0xFE):
                    vr = "OB"  # bytes that are no sequence; one written as UN is for the slow path alone
                if low in (0x11, 0xFE) and implicit:
                    continue
                found[tag] = factory.element(tag, draw(st.sampled_from(VALUES)), vr, implicit=implicit)
    return found


def _encoded(found: dict[int, bytes]) -> bytes:
    return b"".join(found[tag] for tag in sorted(found))


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, str]:
    """A file, and its SOP class."""
    syntax, sop_class = draw(st.sampled_from([EXPLICIT, IMPLICIT])), draw(st.sampled_from(sorted(SOP_CLASSES)))
    changes: dict[str, Any] = {"SOPClassUID": sop_class, "Modality": SOP_CLASSES[sop_class]}
    charset = draw(st.sampled_from(sorted(CHARSETS)))
    if charset:
        changes["SpecificCharacterSet"] = charset
    changes["PatientID"] = draw(st.sampled_from([factory.ID, "PAT-4711-X Müller", "", None]))
    kind = draw(st.sampled_from(["pixels", "dirty", "none"]))
    if kind == "none":
        changes["PixelData"] = None
    if kind == "dirty":
        changes["PixelData"] = b"\xf0\xf1" + factory.samples()[2:] + LEAK
    raw = draw(elements(implicit=syntax == IMPLICIT))
    behind = draw(st.sampled_from([b"", LEAK, bytes(10)])) if kind != "none" and sop_class != RT_STRUCTURE_SET else b""
    return factory.ct(syntax=syntax, charset=CHARSETS[charset], raw=raw, behind=behind, **changes), sop_class


@pytest.mark.parametrize("protocol", ["basic", "dragon", "private"])
@given(file=files())
def test_scan_and_slow_agree(protocol: str, file: tuple[bytes, str]) -> None:
    """60 examples a protocol by default, 2,000 in full."""
    content, sop_class = file
    fast, slow_ = both(protocol, content, sop_class)
    assert fast == slow_


@pytest.mark.parametrize("protocol", ["basic", "dragon", "private"])
@given(file=files())
def test_rewriting_is_deterministic_and_can_be_repeated(protocol: str, file: tuple[bytes, str]) -> None:
    content, _ = file
    by = deidentifier(protocol)
    once = by(content)
    assert isinstance(once, Deidentified)
    again = by(content)
    assert isinstance(again, Deidentified)
    assert factory.joined(once.slices) == factory.joined(again.slices)
    assert once.digest() == again.digest()
    twice = by(factory.joined(once.slices))
    assert isinstance(twice, Deidentified), twice
    first, second = (factory.listed(factory.joined(each.slices)) for each in (once, twice))
    stamps = {0x00120062, 0x00120063, 0x00120064, 0x00280303}
    assert [each for each in first if each[0] in stamps] == [each for each in second if each[0] in stamps]
    assert {tag for tag, _, _ in second} <= {tag for tag, _, _ in first}


# Trees of structured content

SR_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.88.11": "SR",  # Basic Text
    "1.2.840.10008.5.1.4.1.1.88.34": "SR",  # Comprehensive 3D
    "1.2.840.10008.5.1.4.1.1.88.59": "KO",
    "1.2.840.10008.5.1.4.1.1.88.67": "SR",  # X-Ray Radiation Dose
    CT_IMAGE: "CT",  # where no tree belongs
}
CODES = st.sampled_from(
    [
        {"CodeValue": "121106", "CodingSchemeDesignator": "DCM", "CodeMeaning": "Comment"},
        {"CodeValue": "121008", "CodingSchemeDesignator": "DCM", "CodeMeaning": "Person Observer Name"},
        {"CodeValue": "121033", "CodingSchemeDesignator": "DCM", "CodeMeaning": "Subject Age"},
        {"CodeValue": "113878", "CodingSchemeDesignator": "DCM", "CodeMeaning": "Device Manufacturer"},
        {"CodeValue": "410668003", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Length"},
        {"CodeValue": "V1", "CodingSchemeDesignator": "99ACME", "CodeMeaning": "Tumor"},
        {"CodeValue": factory.SECRET, "CodingSchemeDesignator": "99ACME", "CodeMeaning": f"Tumor {factory.NAME}"},
        {"CodeValue": "7", "CodingSchemeDesignator": "L", "CodeMeaning": factory.NAME},
        {"CodeValue": "V1"},
        {"LongCodeValue": factory.SECRET, "CodeMeaning": factory.STREET},
    ]
)
CONTENT = {
    "TextValue": [f"Tumor of {factory.NAME}", factory.STREET, "Thorax", ""],
    "PersonName": [factory.NAME],
    "Date": ["20200304", "never"],
    "DateTime": ["20200304101112"],
    "UID": [factory.INSTANCE + ".8", "no UID"],
    "NumericValue": ["12.5", factory.SECRET],
    "MeasuredValueSequence": [[{"NumericValue": "12.5"}], []],
    "ReferencedContentItemIdentifier": [[1, 2, 1], [1]],
    "ContinuityOfContent": ["SEPARATE"],
    "GraphicType": ["POINT"],
    "ReferencedSOPSequence": [[{"ReferencedSOPClassUID": CT_IMAGE, "ReferencedSOPInstanceUID": factory.INSTANCE}]],
    "ObservationUID": [factory.INSTANCE + ".7"],
    "PatientComments": [factory.SECRET],
    "CellValuesSequence": [[{"NumericValue": "1"}]],
}
VALUE_TYPES = [
    "CODE",
    "NUM",
    "TEXT",
    "PNAME",
    "DATE",
    "DATETIME",
    "UIDREF",
    "IMAGE",
    "CONTAINER",
    "TABLE",
    "MUELLER",
    None,
]
RELATIONSHIPS = ["CONTAINS", "HAS PROPERTIES", "INFERRED FROM", "HANS", None]


@st.composite
def content_items(draw: st.DrawFn, *, implicit: bool, depth: int = 0) -> bytes:
    """One content item with what belongs to it, what does not, and what nobody understands."""

    def codes(keyword: str) -> bytes:
        items = draw(st.lists(CODES, max_size=2)) if draw(st.integers(0, 9)) == 0 else [draw(CODES)]
        encoded = (factory.item(factory.data_set(each, implicit=implicit), undefined=draw(shape)) for each in items)
        return factory.sequence(keyword, *encoded, implicit=implicit, undefined=draw(shape))

    shape = st.booleans()
    wanted: dict[str, Any] = {
        "ValueType": draw(st.sampled_from(VALUE_TYPES)),
        "RelationshipType": draw(st.sampled_from(RELATIONSHIPS)),
    }
    for keyword in draw(st.lists(st.sampled_from(sorted(CONTENT)), max_size=4, unique=True)):
        wanted[keyword] = draw(st.sampled_from(CONTENT[keyword]))
    raw = {
        int(tag_for_keyword(keyword) or 0): codes(keyword)
        for keyword in ("ConceptNameCodeSequence", "ConceptCodeSequence", "MeasurementUnitsCodeSequence")
        if draw(st.integers(0, 3))
    }
    if draw(shape):
        raw[0x00091001] = factory.element(0x00091001, _even(LEAK), "LO", implicit=implicit)
    if depth < 3:
        for tag in (0x0040A730, 0x00400441):
            raw |= {tag: draw(trees(tag, implicit=implicit, depth=depth + 1))} if draw(st.integers(0, 2)) == 0 else {}
    return factory.item(factory.data_set(wanted, raw, implicit=implicit), undefined=draw(shape))


@st.composite
def trees(draw: st.DrawFn, tag: int, *, implicit: bool, depth: int = 0) -> bytes:
    items = draw(st.lists(content_items(implicit=implicit, depth=depth), max_size=2 if depth < 2 else 1))
    return factory.sequence(tag, *items, implicit=implicit, undefined=draw(st.booleans()))


@st.composite
def reports(draw: st.DrawFn) -> tuple[bytes, str]:
    """A file with a content tree, and its SOP class."""
    syntax, sop_class = draw(st.sampled_from([EXPLICIT, IMPLICIT])), draw(st.sampled_from(sorted(SR_CLASSES)))
    implicit = syntax == IMPLICIT
    changes: dict[str, Any] = {"SOPClassUID": sop_class, "Modality": SR_CLASSES[sop_class], "PixelData": None}
    tags = draw(st.lists(st.sampled_from([0x0040A730, 0x00400555]), min_size=1, unique=True))
    raw = {tag: draw(trees(tag, implicit=implicit)) for tag in tags}
    return factory.ct(syntax=syntax, raw=raw, **changes), sop_class


@given(file=reports())
def test_scan_and_slow_agree_on_content_trees(file: tuple[bytes, str]) -> None:
    """60 examples by default, 2,000 in full."""
    content, sop_class = file
    fast, slow_ = both(CLEAN, content, sop_class)
    assert fast == slow_


@given(file=reports())
def test_a_cleaned_tree_is_cleaned(file: tuple[bytes, str]) -> None:
    """What was put in the place of what went is understood; nothing changes twice but what is stamped."""
    content, sop_class = file
    plan = deidentifier(CLEAN)._plan(sop_class)
    once = factory.joined(scan.rewrite(content, plan).slices)
    trees_ = [value for tag, _, value in factory.listed(once) if tag in (0x0040A730, 0x00400555)]
    again = [
        value
        for tag, _, value in factory.listed(factory.joined(scan.rewrite(once, plan).slices))
        if tag in (0x0040A730, 0x00400555)
    ]
    assert _shape(trees_) == _shape(again)


def _shape(value: Any) -> Any:
    """A tree without its UIDs, which are mapped each time."""
    if isinstance(value, list):
        return [_shape(each) for each in value]
    if isinstance(value, tuple):
        tag, _, inner = value
        return tag, b"" if dictionary_VR(tag) == "UI" else _shape(inner)
    return value


# The whole dictionary against the policy


def _sample(tag: int, vr: str) -> bytes:
    if vr in factory.FORMATS:
        count = dictionary_VM(tag)
        return bytes(struct.calcsize(factory.FORMATS[vr]) * (int(count) if count.isdigit() else 1))
    fixed = {
        "SQ": b"",
        "AT": bytes(4),
        "DA": b"20200304",
        "DT": b"20200304101112",
        "TM": b"101112",
        "AS": b"042Y",
        "UI": b"1.2.3.4\0",
    }
    return fixed.get(vr, b"11")


@pytest.mark.parametrize("protocol", ["basic", "dragon"])
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("sop_class", sorted(SOP_CLASSES))
@pytest.mark.parametrize("rewrite", [scan.rewrite, slow.rewrite])
def test_every_known_attribute_does_what_the_policy_says(
    protocol: str, syntax: str, sop_class: str, rewrite: Callable[..., Any]
) -> None:
    """All attributes of the dictionary, in one data set, top level: what is kept, emptied, replaced and gone."""
    rules = load_protocol(protocol)
    raw = {
        tag: factory.element(tag, _sample(tag, _vr(tag, syntax)), _vr(tag, syntax), implicit=syntax == IMPLICIT)
        for tag in KNOWN
        if tag not in RESERVED and _vr(tag, syntax) != "NONE"
    }
    changes = {"SOPClassUID": sop_class, "Modality": SOP_CLASSES[sop_class], "PixelData": None}
    content = factory.ct(syntax=syntax, raw=raw, **changes)
    output = factory.joined(rewrite(content, deidentifier(protocol)._plan(sop_class)).slices)
    result = {tag: value for tag, _, value in factory.listed(output)}
    wrong = []
    for tag in raw:
        action, _ = action_for(rules, tag, sop_class)
        before = _sample(tag, _vr(tag, syntax)) if _vr(tag, syntax) != "SQ" else []
        if not _as_asked(action, tag, before, result.get(tag)):
            wrong.append((f"{tag:08x}", _vr(tag, syntax), action.value, result.get(tag)))
    assert wrong == []


def _vr(tag: int, syntax: str) -> str:
    choices = DicomDictionary[tag][0].split(" or ")
    return choices[0] if syntax == IMPLICIT else choices[-1]


def _as_asked(action: Action, tag: int, before: Any, after: Any) -> bool:
    vr = dictionary_VR(tag)
    match action:
        case Action.KEEP:
            return after == before
        case Action.REMOVE:
            return after is None
        case Action.EMPTY:
            return after in (b"", [])
        case Action.DUMMY:
            return after is not None and (after != before or vr in ("SQ", "OB", "OW"))
        case Action.UID:
            return after == [] if vr == "SQ" else after is not None and after.startswith(b"2.25.")
        case Action.CLEAN:
            return after is None if vr not in TEXT_VRS else after in (b"", b"REMOVED ")
    return False
