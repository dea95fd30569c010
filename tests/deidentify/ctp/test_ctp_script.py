"""Reading scripts: both forms, what is wrong in them, what cannot be honoured."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohortium.deidentify import ctp
from cohortium.errors import ConfigError

XML = """<?xml version="1.0" encoding="ISO-8859-1"?>
<script>
  <!-- a comment -->
  <p t="SITEID">99</p>
  <e en="T" t="00100010" n="PatientName"> @hash(this,
      10) </e>
  <e en="F" t="00100020" n="PatientID">@keep()</e>
  <e en="t" t="00100030" n="PatientBirthDate">@keep()</e>
  <e en="T" t="0009[CTP]02" n="MyName"></e>
  <k en="T" t="0018">Keep group 18</k>
  <k en="F" t="0020">Keep group 20</k>
  <k en="T" t="safeprivateelements">Keep safe private elements</k>
  <r en="T" t="privategroups">Remove private groups</r>
  <r en="F" t="curves">Remove curves</r>
</script>
"""

PROPERTIES = """# a comment
param.SITEID=99
set.[0010,0010]PatientName=@hash(this,\\
   10)
#set.[0010,0020]PatientID=@keep()
set.[0009,[CTP]02]MyName=
keep.group18=
remove.privategroups=
"""


@pytest.mark.parametrize("text", [XML, PROPERTIES], ids=["xml", "properties"])
def test_both_forms_say_the_same(text):
    script = ctp.read(text)
    assert script.parameters == {"SITEID": "99"}
    assert [(rule.where, rule.name) for rule in script.rules] == [
        ("0010,0010", "PatientName"),
        ("0009,[CTP]02", "MyName"),
    ]
    assert script.rules[0].tag == 0x00100010
    assert script.rules[1].tag == 0
    assert script.rules[0].expression[0].arguments == ("this", "10")
    assert script.kept_groups == {0x18}
    assert script.removes == {"privategroups"}
    assert not script.problems


def test_only_a_capital_t_switches_a_rule_on():
    assert [rule.where for rule in ctp.read(XML).rules] == ["0010,0010", "0009,[CTP]02"]


def test_lines_are_those_of_the_file(tmp_path):
    path = tmp_path / "a.script"
    path.write_text(XML, "utf-8")
    assert [rule.line for rule in ctp.read(path).rules] == [5, 9]


def test_all_mistakes_are_named_with_their_lines():
    text = XML.replace('t="SITEID"', "").replace('t="0018"', "").replace("0009[CTP]02", "0010")
    with pytest.raises(ConfigError) as caught:
        ctp.read(text)
    message = str(caught.value)
    assert "line 4: the attribute t is missing" in message
    assert "line 9: the attribute t is missing or too short" in message
    assert "line 10: the attribute t is missing" in message


def test_what_ctp_passes_over_is_noted():
    text = XML.replace('t="0018"', 't="xyz"').replace("00100010", "60xx0022").replace("<!-- a comment -->", "<x/>")
    script = ctp.read(text)
    assert [rule.where for rule in script.rules] == ["0009,[CTP]02"]
    assert not script.kept_groups
    passed = [note.line for note in script.notes if "passes over" in note.text]
    assert passed == [3, 5, 10]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<script><e></script>", "line 1: not well-formed XML"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><script/>", "a document type is not read"),
        ("hello", "no rule for any attribute"),
        ("<script/>", "no rule for any attribute"),
        (
            '<s><e en="T" t="00100010" n="A">1</e>\n<e en="T" t="00100010" n="B">2</e></s>',
            "line 2: another rule for the attribute of line 1",
        ),
    ],
)
def test_what_is_no_script_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        ctp.read(text)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        ctp.read(tmp_path / "none")


def test_the_last_of_equal_rules_counts():
    text = '<s><e en="T" t="00100010" n="A">1</e><e en="T" t="00100010" n="A">2</e></s>'
    assert [rule.text for rule in ctp.read(text).rules] == ["2"]


def one(expression):
    return ctp.read(f'<script>\n<e en="T" t="00100010" n="PatientName">{expression}</e></script>')


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("@call(myplugin)", "@call: plug-ins"),
        ("me@home", "an @ without a function"),
        ("@hash()", "@hash: needs 1 argument"),
        ("@lookup(PatientID)", "@lookup: needs 2 arguments"),
        ('@contents(this,"[a[b]]")', "@contents: the regular expression"),
        ('@if(PatientID,matches,"*"){a}{b}', "@if: the regular expression"),
        ("@if(PatientID,isblank){@call(x)}{b}", "@call: plug-ins"),
    ],
)
def test_what_cannot_be_honoured_is_a_problem(expression, problem):
    (found,) = one(expression).problems
    assert found.line == 2
    assert problem in str(found)


def test_an_unknown_global_rule_is_a_problem():
    script = ctp.read('<script><r en="T" t="everything">x</r></script>')
    assert "no such global rule" in str(script.problems[0])


@pytest.mark.parametrize(
    ("expression", "note"),
    [
        ("@hash(OtherPatientIDsSequence)", "reads it as absent; it writes OtherPatientIDsSeq"),
        ("@lookup(PatientID|NoSuchName,x)", "no attribute of this name"),
        ("@nosuch(this)", "no function @nosuch"),
        ("@hash(this,@LEN)", "a parameter that is nowhere given"),
        ("@hash(this", "a call that never ends"),
        ("", "an empty script empties"),
    ],
)
def test_oddities_are_noted(expression, note):
    script = one(expression)
    assert not script.problems
    assert note in str(script.notes[0])


@pytest.mark.parametrize("expression", ["@hash(root:PatientID)", "@hash(OtherPatientIDsSeq::PatientID)", "@keep()"])
def test_what_is_in_order_is_not_noted(expression):
    assert not one(expression).notes


@given(st.text(max_size=60) | st.from_regex(r'<s>(<[ekrp] en="T" t="[0-9a-f,]{0,8}">@?[a-z(){}]{0,9}</[ekrp]>)*</s>'))
def test_any_text_is_a_script_or_refused(text):
    with suppress(ConfigError):
        assert isinstance(ctp.read(text), ctp.Script)
