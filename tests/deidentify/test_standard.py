"""The tables of the standard, against facts that anyone can look up in PS3.3, PS3.6 and PS3.15."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohortium.deidentify import standard
from cohortium.values import Action
from waiting import least_cost

CT, ENHANCED_CT, MR, RT_PLAN = (f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("2", "2.1", "4", "481.5"))
US, SC, DX, MG, XA, SEG, DOSE, STRUCT, SR, KO, PR, ECG, PDF, STL, VL, VOICE = (
    f"1.2.840.10008.5.1.4.1.1.{end}"
    for end in (
        *("6.1", "7", "1.1", "1.2", "12.1", "66.4", "481.2", "481.3", "88.11", "88.59", "11.1", "9.1.1"),
        *("104.1", "104.3", "77.1.4", "9.4.1"),
    )
)
COMPOUND = ("X/Z", "X/D", "Z/D", "X/Z/D", "X/Z/U*")
TYPES = ("1", "1C", "2", "2C", "3")


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        (0x00100010, "Z"),
        (0x00100020, "Z/D"),
        (0x00080080, "X/Z/D"),
        (0x00080018, "U"),
        (0x00081140, "X/Z/U*"),
        (0x00100011, "X"),  # newer than the data dictionary
        (0x60023000, "X"),
        (0x50100005, "X"),
        (0x00291010, "X"),  # private
        (0x00080060, ""),
        (0x60020010, ""),
    ],
)
def test_basic_profile(tag, code):
    assert standard.basic(tag) == code


def test_an_earlier_edition_says_otherwise_where_it_did_and_nothing_less_elsewhere():
    site = 0x30100077
    assert (standard.basic(site, "2021b"), standard.basic(site), standard.basic(site, "2026c")) == ("D", "X/D", "X/D")
    differing = [tag for tag in _listed() if standard.basic(tag, "2021b") != standard.basic(tag)]
    assert differing == [0x00100020, site]
    assert standard.basic(0x00080054, "2021b") == "X", "listed later"


def test_options_by_their_name_in_the_standard():
    dates = "Retain Longitudinal Temporal Information Full Dates"
    assert standard.option(dates, 0x00080020) == "K"
    assert standard.option(dates, 0x00100030) == ""
    assert standard.option("Clean Descriptors", 0x0008103E) == "C"
    assert standard.option("Clean Pixel Data", 0x7FE00010) == ""
    assert {option.code for option in standard.options().values()} == {str(code) for code in range(113101, 113113)}


def test_no_attribute_is_both_kept_and_cleaned_by_what_is_offered():
    offered = list(standard.options())
    for tag in _listed():
        cells = {standard.option(name, tag) for name in offered if "Modified Dates" not in name}
        assert not {"K", "C"} <= cells, f"{tag:08x}"


def test_every_code_of_the_table_resolves_for_every_type():
    codes = {standard.basic(tag) for tag in _listed()}
    assert set(COMPOUND) < codes
    assert all(isinstance(standard.resolve(code, type_), Action) for code in codes for type_ in TYPES)


@pytest.mark.parametrize(
    ("code", "actions"),
    [  # for types 1, 1C, 2, 2C, 3
        ("X/Z", "DDZZX"),
        ("X/D", "DDDDX"),
        ("Z/D", "DDZZZ"),
        ("X/Z/D", "DDZZX"),
        ("X/Z/U*", "UUUUX"),
        ("Z", "DDZZZ"),
        ("X", "XXXXX"),
        ("D", "DDDDD"),
        ("U", "UUUUU"),
    ],
)
def test_compound_codes(code, actions):
    assert "".join(standard.resolve(code, type_) for type_ in TYPES) == actions


@given(st.sampled_from(COMPOUND))
def test_a_compound_code_never_leaves_an_iod_less_valid_than_it_was(code):
    assert standard.resolve(code, "1") in (Action.DUMMY, Action.UID)
    assert standard.resolve(code, "2") is not Action.REMOVE


@pytest.mark.parametrize(
    ("sop_class", "attribute", "path", "type_"),
    [
        (CT, "StudyInstanceUID", (), "1"),
        (CT, "PatientName", (), "2"),
        (CT, 0x00100010, (), "2"),
        (CT, "StationName", (), "3"),
        (CT, "AcquisitionDate", (), "3"),
        (MR, "ContrastBolusAgent", (), "2"),
        (RT_PLAN, "RTPlanDate", (), "2"),
        (RT_PLAN, "RTPlanLabel", (), "1"),
        (ENHANCED_CT, "DeviceSerialNumber", (), "1"),
        (ENHANCED_CT, "StationName", (), "3"),
        (
            ENHANCED_CT,
            "FrameAcquisitionDateTime",
            ("PerFrameFunctionalGroupsSequence", "FrameContentSequence"),
            "1C",
        ),
        (ENHANCED_CT, "FrameAcquisitionDateTime", (0x52009230, 0x00209111), "1C"),
        (ENHANCED_CT, "FrameAcquisitionDateTime", (), "3"),
        (DX, "BurnedInAnnotation", (), "1"),
        ("1.2.3", "PatientName", (), "3"),
        (CT, "NoSuchKeyword", (), "3"),
        (CT, 0x00091001, (0x00091000,), "3"),
    ],
)
def test_attribute_types(sop_class, attribute, path, type_):
    assert standard.attribute_type(sop_class, attribute, path) == type_


def test_what_one_sop_class_needs_loads_fast():
    def load():
        standard._types.cache_clear()
        standard._modules.cache_clear()
        standard.attribute_type(ENHANCED_CT, "PatientName")

    assert least_cost(load) < 0.1  # 11 ms on the machine it was written on


def test_storage_sop_classes_are_those_of_patients():
    classes = standard.storage_sop_classes()
    assert classes[CT] == "CT Image"
    assert "1.2.840.10008.1.3.10" not in classes, "DICOMDIR"
    assert "1.2.840.10008.5.1.4.38.1" not in classes, "hanging protocols"
    assert "1.2.840.10008.1.1" not in classes, "verification"


def test_tables_say_the_same_of_an_attribute_as_the_data_dictionary():
    for name in ("confidentiality.csv", "unlisted.csv"):
        for row in _rows(name):
            if row["keyword"]:
                assert standard.keyword(int(row["tag"], 16)) == row["keyword"]


def test_our_additions_add_and_do_not_contradict():
    listed = {row["tag"]: row["basic"] for row in _rows("confidentiality.csv")}
    for row in _rows("unlisted.csv"):
        assert listed.get(row["tag"], row["action"]) == row["action"]
        assert standard.is_known(int(row["tag"].replace("x", "0"), 16)) or "x" in row["tag"]


def test_no_public_attribute_that_holds_a_person_a_date_or_an_address_is_forgotten():
    """What neither Table E.1-1 nor we rule out, of those value representations that identify: only these."""
    from pydicom.datadict import DicomDictionary

    left = {
        entry[4]
        for tag, entry in DicomDictionary.items()
        if entry[0] in ("PN", "DA", "DT", "TM", "AE", "AS", "UR")
        and not standard.basic(tag)
        and not standard.unlisted(tag)
    }
    assert left == {
        "CodingSchemeURL",  # of a public terminology
        "RelativeURIReferenceWithinEncapsulatedDocument",  # encapsulated documents are held
    }


@pytest.mark.parametrize("tag", [0x00080060, 0x00280010, 0x7FE00010, 0x00100011, 0x60023000])
def test_known(tag):
    assert standard.is_known(tag)


@pytest.mark.parametrize("tag", [0x00189FFF, 0x00091001, 0xFFFE1234])
def test_unknown(tag):
    assert not standard.is_known(tag)


@pytest.mark.parametrize(
    ("sop_class", "modality"),
    [
        *((CT, "CT"), (ENHANCED_CT, "CT"), (MR, "MR"), (SEG, "SEG"), (DOSE, "RTDOSE")),
        *((STRUCT, "RTSTRUCT"), (RT_PLAN, "RTPLAN"), (SR, "SR"), (KO, "KO"), (PR, "PR"), (ECG, "ECG")),
    ],
)
@pytest.mark.parametrize("burned_in", ["", "NO"])
def test_plain_objects_go_on(sop_class, modality, burned_in):
    assert standard.pixel_risk(sop_class, modality, burned_in) is None


@pytest.mark.parametrize(
    ("sop_class", "modality", "burned_in", "word"),
    [
        (CT, "CT", "YES", "BurnedInAnnotation"),
        (SR, "SR", "yes ", "BurnedInAnnotation"),
        (US, "US", "NO", "ultrasound"),
        (SC, "CT", "NO", "secondary capture"),
        (XA, "XA", "", "angiography"),
        (VL, "XC", "", "photograph"),
        (PDF, "DOC", "NO", "encapsulated"),
        (STL, "M3D", "", "encapsulated"),
        (VOICE, "AU", "", "voice"),
        (CT, "OT", "NO", "modality"),
        (CT, "", "", "missing"),
        (DX, "DX", "", "required"),
        (MG, "MG", "", "required"),
        (DX, "DX", "UNKNOWN", "required"),
        ("1.2.3", "CT", "NO", "not on the list"),
    ],
)
def test_risky_pixels_are_held_with_a_reason(sop_class, modality, burned_in, word):
    assert word in (standard.pixel_risk(sop_class, modality, burned_in) or "")


def test_required_and_answered():
    assert standard.pixel_risk(DX, "DX", "NO") is None


def test_a_picture_of_a_screen_in_ct_clothing():
    assert standard.pixel_risk(CT, "CT", "", "DERIVED\\SECONDARY\\SCREEN SAVE") == "a picture of a screen"
    assert standard.pixel_risk(CT, "CT", "", "ORIGINAL\\PRIMARY\\AXIAL") is None


@given(st.text(), st.text(), st.text())
def test_a_reason_never_repeats_a_value(modality, burned_in, image_type):
    reason = standard.pixel_risk(CT, modality, burned_in, image_type)
    assert reason in (
        *(None, "BurnedInAnnotation is YES", "pictures of this modality may carry text"),
        *("Modality is missing", "a picture of a screen"),
    )


def test_rules_about_pixels_name_iods_that_exist():
    rules, iods = standard._pixel_rules(), set(standard._iods().values())
    assert set(rules["plain"]) | set(rules["reasons"]) <= iods
    assert not set(rules["plain"]) & set(rules["reasons"])


def test_transfer_syntaxes():
    assert {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.90"} <= standard.transfer_syntaxes()
    for video_or_jpip in ("1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.107", "1.2.840.10008.1.2.4.94"):
        assert video_or_jpip not in standard.transfer_syntaxes()


def _rows(name):
    with (standard.DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _listed():
    return [
        int(row["tag"], 16) for row in _rows("confidentiality.csv") if "x" not in row["tag"] and row["tag"] != "odd"
    ]
