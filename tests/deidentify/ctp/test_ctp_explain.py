"""What is said about a script, and what becomes of it as a protocol."""

from __future__ import annotations

import tomllib

import pytest

from cohortium.deidentify import ctp, load_protocol
from cohortium.deidentify.ctp.convert import convert
from cohortium.deidentify.ctp.explain import description, explain
from cohortium.deidentify.ctp.functions import FUNCTIONS, MARKERS

CT = "1.2.840.10008.5.1.4.1.1.2"
ALL = '<r en="T" t="unspecifiedelements"/><r en="T" t="privategroups"/><r en="T" t="overlays"/><r en="T" t="curves"/>'


def rule(tag: str, text: str) -> str:
    return f'<e en="T" t="{tag}" n="x">{text}</e>'


def lines(*rules: str) -> dict[str, ctp.explain.Line]:
    script = ctp.read(f"<s>{''.join(rules)}</s>")
    return {line.name or line.tag: line for line in explain(script, load_protocol("basic"), CT)}


@pytest.mark.parametrize(
    ("tag", "text", "leak", "instead"),
    [
        ("00080060", "@keep()", "", "as the script"),
        ("00101040", "@remove()", "", "as the script"),
        ("00101040", "@keep()", "the value stays", "as the standard: remove"),
        ("00101040", "@if(PatientSex,equals,F){@keep()}{@remove()}", "the value stays", "as the standard: remove"),
        ("00100010", "@hash(this,8)", "an MD5 sum without a key", "over a keyed value"),
        ("00100020", "@lookup(this,ptid)", "", "as the script"),
        ("00100010", "@initials(this)", "a part of one", "a finding"),
        ("00080020", "@incrementdate(this,-3)", "the same change for all", "a finding"),
        ("00080020", "@hash(this)", "cannot write this into DA", "over a keyed value"),
        ("00081140", "@keep()", "the whole sequence stays", "as the standard"),
        ("00081140", "@process()", "", "as the standard"),
        ("00100010", "@skip()", "the whole object leaves", "the object is set aside"),
        ("00080080", "@contents(this)", "stays", "as the standard: remove, where all of the value stays"),
        ("00120064", "113100/113105", "", "as the script"),
        ("00120063", "@always()@append(){cleaned}", "", "as the script"),
        ("00091001", "@keep()", "the value stays", "as the standard: remove"),
    ],
)
def test_leaks_by_the_standard(tag, text, leak, instead):
    found = next(iter(lines(rule(tag, text)).values()))
    assert bool(found.leak) == bool(leak)
    assert leak in found.leak
    assert instead in found.instead


def test_what_has_no_rule_leaks_too():
    found = lines(rule("00100010", "x"))
    assert found["PatientID"].leak == "the value stays"
    assert {"private attributes", "overlays", "curves"} <= found.keys()
    assert "Rows" not in found


def test_a_script_that_removes_the_rest_still_keeps_some():
    found = lines(rule("00100010", "x"), ALL)
    assert "PatientID" not in found
    assert found["StudyInstanceUID"].instead == "as the standard: map UID"
    assert not {"private attributes", "overlays", "curves"} & found.keys()


RT = "1.2.840.10008.5.1.4.1.1.481.3"
CONTOURS = "ROIContourSequence/ContourSequence/ContourImageSequence/ReferencedSOPInstanceUID"


def nested(*rules: str) -> dict[str, ctp.explain.Line]:
    found = explain(ctp.read(f"<s>{''.join(rules)}</s>"), load_protocol("basic"), RT)
    return {line.name: line for line in found if "/" in line.name}


def test_attributes_in_sequences_are_judged_too():
    line = nested(rule("30060039", "@keep()"))[CONTOURS]
    assert line.does == "stands in a sequence that is copied whole"
    assert (line.leak, line.instead) == ("the value stays", "as the standard: map UID")
    assert not nested(rule("30060039", "@remove()")).keys() & {CONTOURS}
    assert not nested(rule("00100010", "x"), ALL)


def test_in_a_sequence_that_is_processed_rules_count():
    entered = [rule(tag, "@process()") for tag in ("30060039", "30060040", "30060016")]
    line = nested(*entered, rule("00081155", "@hashuid(1.2,this)"), ALL)[CONTOURS]
    assert line.leak.startswith("an MD5 sum without a key")
    assert line.instead == "as the script, over a keyed value"
    assert nested(*entered)[CONTOURS].does == "no rule: it stays"


def test_keys_that_stand_in_a_script_are_never_shown():
    (line, *_) = lines(rule("00100010", 'x@encrypt(this,"topsecret")')).values()
    assert "topsecret" not in str(line)
    assert "whoever holds the script" in line.leak


@pytest.mark.parametrize("name", sorted({*FUNCTIONS, *MARKERS}))
def test_every_function_can_be_said_in_words(name):
    clauses = {"if": "{a}{b}", "select": "{a}{b}", "append": "{a}"}.get(name, "")
    words = description(ctp.read(f"<s>{rule('00100010', f'@{name}(this,x){clauses}')}</s>").rules[0].expression)
    assert words
    assert "{" not in words
    assert "the call itself" not in words


def test_a_protocol_says_what_it_can(tmp_path):
    rules = [
        rule("00181000", "@empty()"),
        rule("00081030", ""),
        rule("00101040", "@remove()"),
        rule("00080080", "@keep()"),
        rule("00080060", "@keep()"),
        rule("0020000E", "@remove()"),
        rule("00080020", "@incrementdate(this,PatientID,offset)"),
        rule("00091001", "@keep()"),
        rule("00120062", "@always()YES"),
        rule("00181002", "@hashuid(1.2,this)"),
    ]
    result = convert(ctp.read(f"<s>{''.join(rules)}{ALL}</s>"), "mine", load_protocol("basic"), CT)
    assert tomllib.loads(result.toml)["elements"] == {"DeviceSerialNumber": "empty", "StudyDescription": "empty"}
    left = "\n".join(map(str, result.left))
    assert "InstitutionName: kept by the script" in left
    assert "SeriesInstanceUID: remove: an object needs it" in left
    assert "StudyDate: [elements] cannot say: moves it by" in left
    assert "(0009,1001): private" in left
    assert "every attribute without a rule" in left
    assert len(result.left) == 5
    path = tmp_path / "mine.toml"
    path.write_text(result.toml, "utf-8")
    assert load_protocol(path).name == "mine"


@pytest.mark.parametrize(
    ("text", "dates", "remarks"),
    [
        ("@hashdate(this,PatientID)", {"rule": "shift", "days": [-3650, -1]}, 0),
        ("@incrementdate(this,@INC)", {"rule": "shift", "days": [-3650, -1]}, 2),
        ("@modifydate(this,*,*,1)", {"rule": "truncate", "precision": "month"}, 0),
        ("@modifydate(this,*,1,1)", {"rule": "truncate", "precision": "year"}, 0),
        ("@modifydate(this,2000,1,1)", None, 2),
        ("@incrementdate(this,PatientID,offset)", None, 2),
        ("@hashdate(this,StudyInstanceUID)", None, 2),
    ],
)
def test_dates_move_as_the_script_moves_them(tmp_path, text, dates, remarks):
    script = ctp.read(f"<s>{rule('00080020', text)}{rule('00080022', text)}{rule('00080021', '@remove()')}</s>")
    result = convert(script, "mine", load_protocol("basic"), CT)
    document = tomllib.loads(result.toml)
    assert document.get("dates") == dates
    assert document["elements"] == ({"SeriesDate": "remove"} if dates else {})
    assert len(result.left) == remarks
    (tmp_path / "mine.toml").write_text(result.toml, "utf-8")
    load_protocol(tmp_path / "mine.toml")


def test_dates_that_move_in_two_ways_are_left_to_a_person():
    script = ctp.read(
        f"<s>{rule('00080020', '@hashdate(this,PatientID)')}{rule('00080022', '@modifydate(this,*,1,1)')}</s>"
    )
    result = convert(script, "mine", load_protocol("basic"), CT)
    assert "dates" not in tomllib.loads(result.toml)
    assert len(result.left) == 2
