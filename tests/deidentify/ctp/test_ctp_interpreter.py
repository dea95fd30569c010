"""A whole script on a whole dataset: which attributes stay, go and change."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from cohortium.deidentify import ctp
from cohortium.values import Reason, SetAside


@pytest.fixture
def dataset() -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    dataset.SOPInstanceUID = "1.2.3"
    dataset.StudyInstanceUID = "1.2.4"
    dataset.SeriesInstanceUID = "1.2.5"
    dataset.StudyDate = "20240301"
    dataset.PatientName = "Doe^Jane"
    dataset.PatientID = "P1"
    dataset.KVP = "120"
    dataset.Rows = 4
    inner = Dataset()
    inner.CodeValue = "inner"
    outer = Dataset()
    outer.PatientID = "OLD"
    outer.StudyDate = "20200101"
    outer.PurposeOfReferenceCodeSequence = [inner]
    dataset.OtherPatientIDsSequence = [outer]
    block = dataset.private_block(0x0009, "ACME", create=True)
    block.add_new(0x01, "LO", "private")
    dataset.add_new(0x60000022, "LO", "overlay")
    dataset.add_new(0x50000022, "LO", "curve")
    dataset.PixelData = b"\0" * 16
    dataset["PixelData"].VR = "OW"
    dataset.add_new(0xFFFCFFFC, "OB", b"\0\0")
    return dataset


def applied(dataset: Dataset, *rules: str, tables: ctp.Tables | None = None) -> Dataset:
    before = copy.deepcopy(dataset)
    result = ctp.apply(ctp.read(f"<s>{''.join(rules)}</s>"), dataset, tables)
    assert dataset == before, "the input is never changed"
    assert isinstance(result, Dataset), result
    return result


def tags(dataset: Dataset) -> set[int]:
    return {int(element.tag) for element in dataset}


def rule(tag: str, text: str, name: str = "x") -> str:
    return f'<e en="T" t="{tag}" n="{name}">{text}</e>'


def switch(kind: str, name: str) -> str:
    return f'<{kind} en="T" t="{name}">x</{kind}>'


def test_what_has_no_rule_stays(dataset):
    result = applied(dataset, rule("00100010", "x"))
    assert result.PatientName == "x"
    assert tags(result) == tags(dataset) - {0xFFFCFFFC}
    assert result.OtherPatientIDsSequence[0].PatientID == "OLD"


def test_unspecified_elements_go_but_for_a_few(dataset):
    result = applied(dataset, rule("00100010", "@keep()"), switch("r", "unspecifiedelements"))
    kept = "00080016 00080018 00100010 0020000d 00280010 50000022 60000022 7fe00010"
    assert tags(result) == {int(tag, 16) for tag in kept.split()}


def test_kept_groups_stay(dataset):
    result = applied(dataset, switch("k", "0018"), switch("r", "unspecifiedelements"))
    assert result.KVP == 120
    assert "PatientID" not in result


def test_overlays_go_when_asked_and_curves_only_as_unspecified(dataset):
    assert 0x60000022 not in applied(dataset, switch("r", "overlays"))
    assert 0x50000022 in applied(dataset, switch("r", "curves"))
    assert 0x50000022 not in applied(dataset, switch("r", "curves"), switch("r", "unspecifiedelements"))


def test_private_groups_go_unless_they_have_a_rule_or_are_safe(dataset):
    private = switch("r", "privategroups")
    assert 0x00091001 not in applied(dataset, private)
    assert applied(dataset, private, rule("0009[ACME]01", "@keep()"))[0x00091001].value == "private"
    safe = switch("k", "safeprivateelements")
    assert 0x00091001 not in applied(dataset, private, safe)
    tables = ctp.Tables(is_safe=lambda creator, tag: creator == "ACME" and tag & 0xFF == 1)
    result = applied(dataset, private, safe, tables=tables)
    assert (result[0x00090010].value, result[0x00091001].value) == ("ACME", "private")


def test_a_name_for_a_private_attribute_can_be_used_in_the_script(dataset):
    result = applied(dataset, rule("0009[ACME]01", "@keep()", "MyName"), rule("00100010", "@contents(myname)"))
    assert result.PatientName == "private"


def test_a_private_replacement_is_text(dataset):
    assert applied(dataset, rule("00091001", "x"))[0x00091001].VR == "LO"
    assert applied(dataset, rule("00091001", "x" * 65))[0x00091001].VR == "LT"


def test_always_writes_what_is_missing(dataset):
    result = applied(
        dataset,
        rule("00120062", "@always()YES"),
        rule("00104000", "@always()@blank(3)"),
        rule("00101090", "gone"),
        rule("00081140", "@always()@require()"),
        rule("00081010", "@always()@remove()"),
        rule("00181000", "@always()@require(PatientID)"),
    )
    assert result.PatientIdentityRemoved == "YES"
    assert not result.PatientComments
    assert "MedicalRecordLocator" not in result
    assert len(result.ReferencedImageSequence) == 0
    assert "StationName" not in result
    assert result.DeviceSerialNumber == "P1"


def test_method_codes_become_items(dataset):
    result = applied(dataset, rule("00120064", "113100/113105/99"))
    items = [
        (item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning)
        for item in result.DeidentificationMethodCodeSequence
    ]
    assert items == [
        ("113100", "DCM", "Basic Application Confidentiality Profile"),
        ("113105", "DCM", "Clean Descriptors Option"),
        ("99", "UNKNOWN", "UNKNOWN"),
    ]
    again = applied(result, rule("00120064", "reset/113100"))
    assert [item.CodeValue for item in again.DeidentificationMethodCodeSequence] == ["113100"]
    assert "DeidentificationMethodCodeSequence" not in applied(result, rule("00120064", "@remove()"))
    assert len(applied(result, rule("00120064", "@keep()")).DeidentificationMethodCodeSequence) == 3


def test_only_process_enters_a_sequence(dataset):
    identity = rule("00100020", "@select(){root}{item}")
    assert applied(dataset, identity, rule("00101002", "@keep()")).OtherPatientIDsSequence[0].PatientID == "OLD"
    result = applied(dataset, identity, rule("00101002", "@process()"))
    assert result.PatientID == "root"
    assert result.OtherPatientIDsSequence[0].PatientID == "item"
    assert result.OtherPatientIDsSequence[0].StudyDate == "20200101"
    strict = applied(dataset, identity, rule("00101002", "@process()"), switch("r", "unspecifiedelements"))
    assert [element.keyword for element in strict.OtherPatientIDsSequence[0]] == ["PatientID"]


def test_the_root_can_be_seen_from_an_item(dataset):
    text = "@contents(PatientID)/@contents(root:PatientID)"
    result = applied(dataset, rule("00100020", text), rule("00101002", "@process()"))
    assert result.OtherPatientIDsSequence[0].PatientID == "OLD/P1"


@pytest.mark.parametrize(
    ("tag", "text", "value"),
    [
        ("00080020", "no date", None),
        ("00080020", "20240302", "20240302"),
        ("00280010", "many", None),
        ("00280010", "70000", None),
        ("00280010", "7", 7),
        ("00180060", "much", None),
        ("00180060", "80.5", 80.5),
        ("00101002", "text", []),
        ("00101002", "@empty()", []),
        ("00100010", "@empty()", None),
        ("00080008", "A\\\\B", ["A", "B"]),
    ],
)
def test_what_an_attribute_cannot_hold_becomes_no_value(dataset, tag, text, value):
    dataset.ImageType = ["ORIGINAL"]
    element = applied(dataset, rule(tag, text))[int(tag, 16)]
    assert (list(element.value) if element.VM > 1 or element.VR == "SQ" else element.value or None) == value


def test_a_missing_character_set_is_stated(dataset):
    del dataset.SpecificCharacterSet
    assert applied(dataset, rule("00100010", "x")).SpecificCharacterSet == "ISO_IR 100"
    assert "SpecificCharacterSet" not in applied(dataset, switch("r", "unspecifiedelements"))


def test_behind_the_pixels_only_removal_counts(dataset):
    dataset.add_new(0x7FE10010, "LO", "ACME")
    dataset.add_new(0x7FE11001, "OB", b"raw")
    result = applied(dataset, rule("7FE11001", "x"))
    assert result[0x7FE11001].value == b"raw"
    assert 0x7FE11001 not in applied(dataset, rule("7FE11001", "@remove()"))
    assert 0x7FE11001 not in applied(dataset, switch("r", "privategroups"))
    assert 0xFFFCFFFC not in result


@pytest.mark.parametrize("text", ["@quarantine()", "@skip()", "@call(x)", "@lookup(PatientID,none)", "a@b"])
def test_what_a_script_keeps_back_is_set_aside(dataset, text):
    result = ctp.apply(ctp.read(f"<s>{rule('00100010', text)}</s>"), dataset)
    assert isinstance(result, SetAside)
    assert result.reason is Reason.SCRIPT
    assert "P1" not in str(result)


def test_an_attribute_can_be_asked_by_itself(dataset):
    script = ctp.read(f"<s>{rule('00100020', '@select(){r}{i}')}</s>")
    (item,) = dataset.OtherPatientIDsSequence
    assert ctp.evaluate(script, dataset, 0x00100020) == ctp.Outcome(ctp.Kind.REPLACE, "r")
    assert ctp.evaluate(script, item, 0x00100020, within=(dataset,)) == ctp.Outcome(ctp.Kind.REPLACE, "i")
    assert ctp.evaluate(script, dataset, 0x00100010) is None


TEXTS = st.sampled_from(
    ["@keep()", "@remove()", "@empty()", "x", "1", "20240101", "@process()", "@hash(this,8)", "@contents(PatientName)"]
)


@given(rules=st.dictionaries(st.sampled_from(["00080020", "00100010", "00101002", "00280010", "00091001"]), TEXTS))
def test_any_script_gives_a_dataset(rules):
    source = Dataset()
    source.PatientName, source.Rows, source.StudyDate = "Doe", 4, "20240301"
    source.OtherPatientIDsSequence = [copy.deepcopy(source)]
    source.private_block(0x0009, "ACME", create=True).add_new(0x01, "SL", 5)
    result = applied(source, switch("r", "overlays"), *(rule(tag, text) for tag, text in rules.items()))
    for tag, text in rules.items():
        assert text != "@remove()" or int(tag, 16) not in result
