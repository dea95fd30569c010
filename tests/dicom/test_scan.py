"""The fast path alone, under a plan of six rules: which bytes stay, and what is refused."""

from __future__ import annotations

import struct
from typing import Any

import pytest

import factory
from cohortium.deidentify.echoes import Echoes
from cohortium.dicom import pixels, scan, slow
from cohortium.dicom.plan import CODES, Context, Do, Plan, Rule, View
from cohortium.errors import Malformed
from cohortium.values import Finding
from factory import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, UNDEFINED, ct, element, item, part10, sequence

MODALITY, COMMENT, REGION, WAVE, ID = 0x00080060, 0x00104000, 0x00082218, 0x54001010, 0x00100020
DO = {
    0x00080016: ("UI", Do.NOTE, None),
    MODALITY: ("CS", Do.CHECK, CODES),
    REGION: ("SQ", Do.ENTER, None),
    ID: ("LO", Do.TAKE, None),
    COMMENT: ("LT", Do.EDIT, lambda value, _context: value[::-1]),
    WAVE: ("OW", Do.KEEP, None),
    0x7FE00010: ("OW", Do.PIXELS, None),
    0xFFFEE00D: ("\0\0", Do.END, None),
} | {tag: ("US", Do.NOTE, None) for tag in sorted(pixels.NEEDED) if tag not in (0x00280008, 0x00280004)}


def rules(path: tuple[int, ...], explicit: bool) -> dict[bytes, Rule]:
    table = {}
    for tag, (vr, do, argument) in DO.items():
        long = explicit and vr in factory.LONG
        do = Do.EDIT if path and do in (Do.TAKE, Do.PIXELS) else do
        table[factory.tag_bytes(tag) + (vr.encode() if explicit else b"")] = Rule(tag, do + 20 * long, argument)
    return table


def plan() -> Plan:
    def prepare(_view: View) -> Context:
        sets = {0x00080018: b"2.25.1", 0x00100010: b"NAME"}
        return Context(sets, ("latin-1",), list[Finding](), "mark", Echoes((), ("latin-1",)))

    def dropped(tag: int, _vr: str, _path: tuple[int, ...]) -> Rule:
        return Rule(tag, Do.DROP)

    return Plan(rules, dropped, {0x00080018: "UI", 0x00100010: "PN"}, prepare, rules)


def data(output: scan.Rewritten) -> list[tuple[int, str, Any]]:
    return factory.listed(factory.joined(output.slices))


def small(*elements: bytes, syntax: str = EXPLICIT) -> bytes:
    implicit = syntax == IMPLICIT
    uid = element("SOPClassUID", factory.CT_IMAGE.encode() + b"\0", implicit=implicit)
    return part10(uid + b"".join(elements), syntax)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_keeps_takes_edits_drops_and_sets(syntax: str) -> None:
    implicit = syntax == IMPLICIT
    content = small(
        element(MODALITY, b"CT", implicit=implicit),
        element(0x00080070, b"ACME", implicit=implicit),
        element(ID, b"PAT1", implicit=implicit),
        element(COMMENT, b"drab", implicit=implicit),
        element(WAVE, b"\1\2\3\4", "OW", implicit=implicit),
        syntax=syntax,
    )
    found = {tag: value for tag, _, value in data(scan.rewrite(content, plan()))}
    assert found == {
        0x00080016: factory.CT_IMAGE.encode() + b"\0",
        0x00080018: b"2.25.1",
        MODALITY: b"CT",
        0x00100010: b"NAME",
        COMMENT: b"bard",
        WAVE: b"\1\2\3\4",
    }


def test_elements_to_set_come_even_where_the_data_set_ends_before_them() -> None:
    assert [tag for tag, _, _ in data(scan.rewrite(small(), plan()))] == [0x00080016, 0x00080018, 0x00100010]


def test_a_sequence_that_stays_keeps_every_byte() -> None:
    inside = item(element(MODALITY, b"MR"), undefined=True) + item(element(MODALITY, b"CT"))
    for undefined in (False, True):
        kept = sequence(REGION, inside, undefined=undefined)
        assert kept in factory.joined(scan.rewrite(small(kept), plan()).slices)


@pytest.mark.parametrize("undefined", [False, True])
def test_a_sequence_that_changes_is_framed_anew(undefined: bool) -> None:
    inner = sequence(REGION, item(element(0x00080070, b"ACME"), undefined=undefined), undefined=undefined)
    outer = sequence(REGION, item(element(MODALITY, b"MR") + inner, undefined=undefined), undefined=undefined)
    found = data(scan.rewrite(small(outer), plan()))
    assert found[2] == (REGION, "SQ", [[(MODALITY, "CS", b"MR"), (REGION, "SQ", [[]])]])


def test_pixels_are_handed_on_by_reference() -> None:
    content = ct()
    output = scan.rewrite(content, plan())
    views = [piece for piece in output.slices if isinstance(piece, memoryview)]
    assert len(views) == 1
    assert views[0].obj is content
    assert bytes(views[0]) == factory.samples()


def test_a_header_longer_than_what_is_read_at_first() -> None:
    long = element(WAVE, bytes(300_000), "OW")
    assert (WAVE, "OW", bytes(300_000)) in data(scan.rewrite(small(element(MODALITY, b"CT"), long), plan()))


@pytest.mark.parametrize(
    "content",
    [
        ct(syntax=BIG_ENDIAN),
        ct(syntax=DEFLATED),
        small(element(ID, b"1 "), element(MODALITY, b"CT")),
        small(sequence(REGION, item(), reserved=b"\1\0")),
    ],
    ids=["big endian", "deflated", "out of order", "reserved bytes"],
)
def test_what_only_the_slow_path_can_read(content: bytes) -> None:
    with pytest.raises(scan.NotScannable):
        scan.rewrite(content, plan())
    slow.rewrite(content, plan())


@pytest.mark.parametrize(
    "broken",
    [
        element(MODALITY, b"CT", length=3),
        element(MODALITY, b"CT") * 2,
        element(MODALITY, b"CT")[:6],
        element(MODALITY, b"CT", "ZZ"),
        element(0x00080070, b"", "OB", length=UNDEFINED),
        element(WAVE, b"", "OW", length=UNDEFINED),
        sequence(REGION, b"no item!"),
        sequence(REGION, b"\xfe\xff"),
        sequence(REGION, item(b"", length=8)),
        sequence(REGION, item(element(MODALITY, b"CT", length=40))),
        sequence(REGION, b"\xfe\xff\x00\xe0\xff\xff\xff\xff"),
        item(),
        b"\xfe\xff\xdd\xe0" + bytes(4),
        b"\xff" * 12,
    ],
)
def test_broken_structures_are_malformed(broken: bytes) -> None:
    with pytest.raises(Malformed):
        scan.rewrite(small(broken), plan())


def test_a_value_that_outgrows_a_short_element() -> None:
    assert scan.element(b"\x08\0\x18\0UI", bytes(0xFFFE))[6:8] == b"\xfe\xff"
    with pytest.raises(Malformed):
        scan.element(b"\x08\0\x18\0UI", bytes(0x10000))
    assert scan.element(b"\x08\0\x18\0", bytes(0x10000))[4:8] == struct.pack("<I", 0x10000)


def test_a_set_sequence_is_encoded_in_both_vrs() -> None:
    value = (((0x00080100, "SH", b"113100"),),)
    explicit = scan.set_element(0x00120064, "SQ", value, True)
    implicit = scan.set_element(0x00120064, "SQ", value, False)
    assert explicit == sequence(0x00120064, item(element("CodeValue", b"113100")))
    assert implicit == sequence(0x00120064, item(element("CodeValue", b"113100", implicit=True)), implicit=True)
