"""Safe private attributes: by group, creator and low byte, wherever their block lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import factory
from cohortium.deidentify import Deidentified, Deidentifier, load_protocol
from cohortium.deidentify.difference import attributes, rules
from cohortium.deidentify.explain import explain
from cohortium.deidentify.private import retained
from cohortium.errors import ConfigError
from cohortium.keys import SiteKey
from cohortium.values import Protocol
from factory import BIG_ENDIAN, CT_IMAGE, DEFLATED, EXPLICIT, IMPLICIT

PHILIPS = b"Philips PET Private Group "
SIEMENS = b"SIEMENS SYNGO ADVANCED PRESENTATION "
FULL, MODIFIED = (f"Retain Longitudinal Temporal Information {which} Dates" for which in ("Full", "Modified"))


def protocol(tmp_path: Path, *options: str, more: str = "") -> Protocol:
    names = ", ".join(f'"{option}"' for option in options)
    path = tmp_path / "private.toml"
    head = 'name = "private"\nversion = "1"\ntitle = "Private"\nedition = "2026c"\nbase = "basic"\n'
    path.write_text(f"{head}options = [{names}]\n{more}", "utf-8")
    return load_protocol(path)


def kept(rules: Protocol, raw: dict[int, bytes], syntax: str = EXPLICIT, **changes: Any) -> dict[int, Any]:
    """What is left of the private elements of a CT slice, at the top level."""
    result = Deidentifier(rules, SiteKey(bytes(32)), "project")(factory.ct(syntax=syntax, raw=raw, **changes))
    assert isinstance(result, Deidentified), result
    content = factory.joined(result.slices)
    assert factory.planted_in(content) == []
    return {tag: value for tag, _, value in factory.listed(content) if tag >> 16 & 1}


def encoded(elements: dict[int, tuple[str, bytes]], syntax: str = EXPLICIT) -> dict[int, bytes]:
    implicit, big = syntax == IMPLICIT, syntax == BIG_ENDIAN
    return {tag: factory.element(tag, value, vr, implicit=implicit, big=big) for tag, (vr, value) in elements.items()}


PET = {0x70530010: ("LO", PHILIPS), 0x70531000: ("DS", b"0.123 "), 0x70531009: ("DS", b"4.5 ")}


@pytest.fixture
def safe(tmp_path: Path) -> Protocol:
    return protocol(tmp_path, "Retain Safe Private")


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED])
@pytest.mark.parametrize("vr", ["DS", "UN"])
def test_suv_factors_of_philips_stay_in_whatever_encoding(safe: Protocol, syntax: str, vr: str) -> None:
    elements = PET | {0x70531000: (vr, b"0.123 "), 0x70531001: ("LO", b"secret")}
    left = kept(safe, encoded(elements, syntax), syntax)
    assert left == {0x70530010: PHILIPS, 0x70531000: b"0.123 ", 0x70531009: b"4.5 "}


def test_without_the_option_nothing_private_stays() -> None:
    assert kept(load_protocol("basic"), encoded(PET)) == {}


def test_the_block_is_of_no_account_and_several_may_be_reserved(safe: Protocol) -> None:
    elements = {
        0x70530042: ("LO", b"SOMEBODY"),
        0x70530043: ("LO", PHILIPS),
        0x705300FF: ("LO", PHILIPS),
        0x70534200: ("DS", b"1 "),
        0x70534300: ("DS", b"2 "),
        0x7053FF09: ("DS", b"3 "),
    }
    left = kept(safe, encoded(elements))
    assert left == {0x70530043: PHILIPS, 0x705300FF: PHILIPS, 0x70534300: b"2 ", 0x7053FF09: b"3 "}


@pytest.mark.parametrize(
    "elements",
    [
        {0x70531000: ("DS", b"1 ")},  # nobody reserved the block
        {0x70530010: ("LO", b"Philips PET private group "), 0x70531000: ("DS", b"1 ")},  # somebody else did
        {0x70530011: ("LO", PHILIPS), 0x70531000: ("DS", b"1 ")},  # another block was
        {0x70510010: ("LO", PHILIPS), 0x70531000: ("DS", b"1 ")},  # in another group
        {0x70530010: ("DS", PHILIPS), 0x70531000: ("DS", b"1 ")},  # that is no creator
        {0x70530010: ("LO", PHILIPS)},  # nothing of the block is there
        {0x70530010: ("LO", PHILIPS), 0x70531001: ("DS", b"1 ")},  # nothing of it is safe
        {0x70530010: ("LO", PHILIPS), 0x70531000: ("DS", b"Hans")},  # no number
        {0x70530010: ("LO", PHILIPS), 0x70531000: ("UN", b"Hans")},
        {0x70530010: ("LO", PHILIPS), 0x70531000: ("FD", bytes(8))},  # another kind of value than is known
    ],
)
@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED])
def test_what_is_not_exactly_known_goes_and_the_creator_with_it(
    safe: Protocol, elements: dict[int, tuple[str, bytes]], syntax: str
) -> None:
    assert kept(safe, encoded(elements), syntax) == {}


def test_a_private_sequence_is_entered_and_judged_inside(safe: Protocol) -> None:
    own = encoded({0x00290010: ("LO", SIEMENS), 0x00291008: ("LO", b"x ")})
    public = factory.element("PatientAddress", factory.STREET.encode())
    seen = factory.element("Modality", b"CT")
    inner = factory.sequence(0x00291003, factory.item(seen + public))
    item = factory.item(own[0x00290010] + inner + own[0x00291008])
    raw = {
        0x00290010: factory.element(0x00290010, SIEMENS, "LO"),
        0x00291002: factory.sequence(0x00291002, item, factory.item(inner)),
    }
    inside = [(0x00290010, "LO", SIEMENS), (0x00291003, "SQ", [[(0x00080060, "CS", b"CT")]])]
    assert kept(safe, raw) == {0x00290010: SIEMENS, 0x00291002: [inside, []]}  # an item needs a creator of its own


def test_a_private_block_inside_a_public_sequence_stays(safe: Protocol) -> None:
    block = b"".join(encoded(PET).values())
    raw = {0x00082218: factory.sequence(0x00082218, factory.item(block))}
    result = Deidentifier(safe, SiteKey(bytes(32)), "project")(factory.ct(raw=raw))
    assert isinstance(result, Deidentified)
    items = next(value for tag, _, value in factory.listed(factory.joined(result.slices)) if tag == 0x00082218)
    assert [tag for tag, _, _ in items[0]] == list(PET)


def test_a_sequence_written_as_un_is_entered_too(safe: Protocol) -> None:
    content = factory.element(0x00290010, SIEMENS, implicit=True, vr="LO")
    content += factory.sequence(
        0x00291003, factory.item(factory.element("Modality", b"CT", implicit=True)), implicit=True
    )
    value = factory.item(content)
    for undefined in (False, True):
        raw = {
            0x00290010: factory.element(0x00290010, SIEMENS, "LO"),
            0x00291002: factory.sequence(0x00291002, value, vr="UN", undefined=undefined),
        }
        left = kept(safe, raw)
        assert [tag for tag, *_ in left[0x00291002][0]] == [0x00290010, 0x00291003]


GE = {
    0x00090010: ("LO", b"GEMS_PETD_01"),
    0x00091005: ("DT", b"20200304101112"),
    0x00091007: ("LO", b"1.2.276.0.4711.8"),
}


def test_private_dates_follow_the_rule_for_dates_and_uids_are_mapped(tmp_path: Path) -> None:
    shifting = protocol(tmp_path, "Retain Safe Private", MODIFIED)
    by = Deidentifier(shifting, SiteKey(bytes(32)), "project")
    result = by(
        factory.ct(raw=encoded(GE), AcquisitionDateTime="20200304101112", FrameOfReferenceUID="1.2.276.0.4711.8")
    )
    assert isinstance(result, Deidentified)
    left = {tag: value for tag, _, value in factory.listed(factory.joined(result.slices))}
    assert left[0x00091005] == left[0x0008002A] != b"20200304101112"
    assert left[0x00091007].strip(b" ") == left[0x00200052].strip(b"\0")
    assert left[0x00091007].startswith(b"2.25.")

    kept_whole = kept(protocol(tmp_path, "Retain Safe Private", FULL), encoded(GE))
    assert kept_whole[0x00091005] == b"20200304101112"
    removed = kept(protocol(tmp_path, "Retain Safe Private"), encoded(GE))
    assert 0x00091005 not in removed
    assert 0x00091007 in removed


@pytest.mark.parametrize("value", [b"\1\2 1.2.276.0.4711.1.1.3", b"at 20200304\0", b"\0\0 2020-03-04 "])
def test_bytes_of_a_maker_stay_only_without_readable_uids_and_dates(safe: Protocol, value: bytes) -> None:
    assert kept(safe, encoded(_opaque(b"\1\2\3\4"))) != {}
    assert kept(safe, encoded(_opaque(value))) == {}


def _opaque(value: bytes) -> dict[int, tuple[str, bytes]]:
    return {0x00530010: ("LO", b"GEHC_CT_ADVAPP_001"), 0x00531095: ("OW", value)}


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, DEFLATED])
def test_a_safe_attribute_in_which_somebody_typed_the_name_goes(safe: Protocol, syntax: str) -> None:
    elements = {0x00090010: ("LO", b"GEMS_PETD_01"), 0x00091003: ("SH", b"for Hans"), 0x00091004: ("SH", b"F-18")}
    left = kept(safe, encoded(elements, syntax), syntax)
    assert left == {0x00090010: b"GEMS_PETD_01", 0x00091004: b"F-18"}
    alone = {0x00090010: ("LO", b"GEMS_PETD_01"), 0x00091003: ("SH", b"for Hans")}
    assert kept(safe, encoded(alone, syntax), syntax) == {}


def test_the_stamp_says_that_private_attributes_stay(safe: Protocol, tmp_path: Path) -> None:
    few = protocol(tmp_path, more='[private."Philips PET Private Group"]\n"(7053,xx00)" = "DS"\n')
    for each in (safe, few):
        result = Deidentifier(each, SiteKey(bytes(32)), "project")(factory.ct(raw=encoded(PET)))
        assert isinstance(result, Deidentified)
        codes = factory.read(factory.joined(result.slices)).DeidentificationMethodCodeSequence
        assert "113111" in [code.CodeValue for code in codes]


def test_a_protocol_names_single_attributes_and_takes_others_away(tmp_path: Path) -> None:
    few = protocol(tmp_path, more='[private."Philips PET Private Group"]\n"(7053,xx00)" = "DS"\n')
    assert kept(few, encoded(PET)) == {0x70530010: PHILIPS, 0x70531000: b"0.123 "}
    table = '[private."Philips PET Private Group"]\n"7053XX00" = "remove"\n'
    most = protocol(tmp_path, "Retain Safe Private", more=table)
    assert kept(most, encoded(PET)) == {0x70530010: PHILIPS, 0x70531009: b"4.5 "}
    spelled = table.replace("7053XX00", "(7053,xx00)")
    assert protocol(tmp_path, "Retain Safe Private", more=spelled).digest == most.digest
    assert len({few.digest, most.digest, protocol(tmp_path).digest}) == 3


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("private = 3", "a table is expected"),
        ('[private]\nACME = "DS"', "a table is expected"),
        ('[private.ACME]\n"(0028,xx01)" = "DS"', "a private tag"),
        ('[private.ACME]\n"(0029,1001)" = "DS"', "without its block"),
        ('[private.ACME]\n"(0029,xx01)" = "PN"', "its VR is expected"),
        ('[private.ACME]\n"(0029,xx01)" = 1', "its VR is expected"),
        ('[private.""]\n"(0029,xx01)" = "DS"', "creator"),
        ('[private."a\\\\b"]\n"(0029,xx01)" = "DS"', "creator"),
    ],
)
def test_mistakes_in_the_table_are_named(tmp_path: Path, table: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        protocol(tmp_path, more=table)


def test_explain_and_diff_show_them(safe: Protocol) -> None:
    rows = {(row.tag, row.keyword): row for row in explain(safe, CT_IMAGE)}
    row = rows["(7053,xx00)", "Philips PET Private Group"]
    assert (row.vr, row.action, row.why) == ("DS", "keep", "Retain Safe Private, PS3.15 E.3.10")
    assert "option Retain Safe Private" in [each.what for each in rules(load_protocol("basic"), safe)]
    changed = {each.what: each for each in attributes(load_protocol("basic"), safe, CT_IMAGE)}
    assert changed["(7053,xx00) Philips PET Private Group"].one == "remove"
    assert changed["(7053,xx00) Philips PET Private Group"].other == "keep"
    assert all(what.startswith("(") and ",xx" in what for what in changed)


def test_the_table_is_whole(safe: Protocol) -> None:
    table = retained(safe)
    assert len(table) == 2443
    assert sum("E.3.10" in each.source for each in table.values()) == 87
