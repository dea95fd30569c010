"""A patient's own words in attributes that Table E.1-1 does not list."""

from __future__ import annotations

import struct
from dataclasses import replace
from io import BytesIO
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

import factory
from cohortium.deidentify import Deidentified, Deidentifier, load_protocol
from cohortium.deidentify.echoes import Echoes, names
from cohortium.dicom.charset import character_sets
from cohortium.dicom.mentions import in_data_set
from cohortium.keys import SiteKey

KEY = SiteKey(bytes(32))


def deidentified(dataset: Dataset) -> tuple[bytes, Dataset, set[str]]:
    stream = BytesIO()
    dataset.save_as(stream)
    result = Deidentifier(load_protocol("basic"), KEY, "project")(stream.getvalue())
    assert isinstance(result, Deidentified), result
    content = b"".join(result.slices)
    return content, pydicom.dcmread(BytesIO(content)), {finding.rule for finding in result.findings}


@pytest.fixture
def slice_of_somebody() -> Dataset:
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.PatientName = "Grünewald^Ottilie"
    dataset.PatientID = "QX-778812"
    return dataset


@pytest.mark.parametrize("deflated", [False, True])
@pytest.mark.parametrize("text", ["for GRÜNEWALD", "ottilie", "scan of 778812", "x/Grünewald/y"])
def test_a_name_typed_into_a_kept_label_goes_on_either_path(
    slice_of_somebody: Dataset, text: str, deflated: bool
) -> None:
    slice_of_somebody.SequenceName = text[:16]
    item = Dataset()
    item.CodeMeaning = text
    item.CodeValue = "T-1"
    slice_of_somebody.AnatomicRegionSequence = [item]
    if deflated:
        slice_of_somebody.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    content, after, rules = deidentified(slice_of_somebody)
    assert after.SequenceName == after.AnatomicRegionSequence[0].CodeMeaning == "REMOVED"
    assert after.AnatomicRegionSequence[0].CodeValue == "T-1"
    assert "subject.echo" in rules
    for word in ("Grünewald", "GRÜNEWALD", "ottilie", "778812"):
        assert word.encode("latin-1") not in content
        assert word.encode() not in content


@pytest.mark.parametrize("text", ["Grünewaldstr", "scottilies", "17788123", "CT", "qx"])
def test_words_that_only_contain_the_name_stay(slice_of_somebody: Dataset, text: str) -> None:
    slice_of_somebody.SequenceName = text
    _, after, rules = deidentified(slice_of_somebody)
    assert after.SequenceName == text
    assert "subject.echo" not in rules


def test_a_patient_called_like_a_body_part_costs_no_body_part(slice_of_somebody: Dataset) -> None:
    slice_of_somebody.PatientName = "Chest^Phantom"
    slice_of_somebody.BodyPartExamined = "CHEST"
    _, after, _ = deidentified(slice_of_somebody)
    assert after.BodyPartExamined == "CHEST"


def test_a_japanese_name_is_found_in_its_own_character_set() -> None:
    sets = character_sets(rb"\ISO 2022 IR 87")
    echoes = Echoes(("Yamada^Tarou=山田^太郎=やまだ^たろう",), sets)
    assert echoes("図 山田 様".encode("iso2022_jp"))
    assert echoes(b"of yamada")
    assert not echoes("図 田中 様".encode("iso2022_jp"))


def test_a_patient_without_a_name_echoes_nowhere() -> None:
    assert not Echoes(("", "12"), character_sets(b""))(b"anything at all 12")


def test_a_name_that_breaks_its_character_set_is_looked_for_all_the_same(slice_of_somebody: Dataset) -> None:
    slice_of_somebody.SpecificCharacterSet = "ISO_IR 192"
    slice_of_somebody.SequenceName = "XQZW"
    stream = BytesIO()
    slice_of_somebody.save_as(stream)
    broken = stream.getvalue().replace("Grünewald".encode(), b"Gr\xfcnewald ").replace(b"XQZW", b"gr\xfcn")
    result = Deidentifier(load_protocol("basic"), KEY, "project")(broken)
    assert isinstance(result, Deidentified)


@pytest.mark.parametrize("follows", [0x00321030, 0x00380300, 0x00700084])
def test_the_next_elements_tag_is_no_part_of_the_word(follows: int) -> None:
    echoes = Echoes(("Ottilie",), character_sets(b""))
    tag = struct.pack("<HH", follows >> 16, follows & 0xFFFF)
    assert echoes(b"for  Ottilie" + tag)
    assert not echoes(b"for Ottilien" + tag)


SYNTAXES = [factory.EXPLICIT, factory.IMPLICIT, factory.BIG_ENDIAN, factory.DEFLATED]


def labelled(label: str, syntax: str = factory.EXPLICIT, options: tuple[str, ...] = (), **changes: object) -> str:
    """What is left of a label that nobody expects to name anybody."""
    protocol = replace(load_protocol("basic"), options=options)
    result = Deidentifier(protocol, KEY, "project")(factory.ct(syntax=syntax, SequenceName=label, **changes))
    assert isinstance(result, Deidentified), result
    dataset = factory.read(factory.joined(result.slices))
    assert ("subject.echo" in {finding.rule for finding in result.findings}) == (dataset.SequenceName != label)
    return str(dataset.SequenceName)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(
    "changes",
    [
        {"PerformingPhysicianName": "Lindner^Eva"},
        {"OperatorsName": ["Baum^Ida", "Lindner^Eva"]},
        {"NameOfPhysiciansReadingStudy": "LINDNER"},
        {"InstitutionalDepartmentName": "Lindner Pavillon"},
        {"StationName": "LINDNER"},
        {"PatientInstitutionResidence": "Haus Lindner"},
        {"PerformingPhysicianIdentificationSequence": [{"InstitutionName": "Lindner-Klinik"}]},
        {"ReferencedPatientPhotoSequence": [{"PersonName": "Lindner"}]},
        {"AnatomicRegionSequence": [{"CodeValue": "1", "OperatorsName": "Lindner"}]},  # a sequence that stays
        {"RequestAttributesSequence": [{"RequestedProcedureCodeSequence": [{"PersonName": "Lindner"}]}]},
    ],
)
def test_words_of_physicians_and_the_institution_are_cut_at_whatever_depth_they_are_named(
    changes: dict[str, Any], syntax: str
) -> None:
    assert labelled("t1 LINDNER fs", syntax, **changes) == "t1 fs"
    assert labelled("t1 Lindnerei", syntax, **changes) == "t1 Lindnerei"


def test_a_hospital_loses_what_names_it_and_nothing_else() -> None:
    hospital = {"InstitutionName": "Radiology Centre Hamburg", "InstitutionAddress": "Am Baumwall 7, 20459 Hamburg"}
    assert labelled("Radiology Centre Hamburg, Am Baumwall 7", **hospital) == "Radiology Centre , Am 7"
    assert labelled("CT 20459 ", **hospital) == "CT"
    assert labelled("Baumwall-Hamburg", **hospital) == "REMOVED"


def test_what_the_protocol_keeps_is_not_searched_for() -> None:
    changes = {"InstitutionName": "Hamburg", "ReferringPhysicianName": "Lindner"}
    assert labelled("Hamburg Lindner", options=("Retain Institution Identity",), **changes) == "Hamburg"
    assert labelled("Hamburg Lindner", **changes) == "REMOVED"


@pytest.mark.parametrize(
    "changes",
    [
        {"AccessionNumber": "A77-889900"},
        {"OtherPatientIDsSequence": [{"PatientID": "889900"}]},
        {"PatientTelephoneNumbers": "+49 40 889900"},
        {"PatientBirthName": "Oh^889900"},
    ],
)
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_text_with_another_of_the_patients_own_numbers_goes_as_a_whole(changes: dict[str, Any], syntax: str) -> None:
    assert labelled("scan of 889900", syntax, **changes) == "REMOVED"


def test_the_maker_of_a_device_may_be_called_like_a_physician(slice_of_somebody: Dataset) -> None:
    slice_of_somebody.OperatorsName = "Philips^Ada"
    slice_of_somebody.Manufacturer = "Philips Medical Systems"
    slice_of_somebody.SequenceName = "Philips"
    _, after, _ = deidentified(slice_of_somebody)
    assert (after.Manufacturer, after.SequenceName) == ("Philips Medical Systems", "REMOVED")


def test_a_number_is_not_cut_out_of_numbers(slice_of_somebody: Dataset) -> None:
    slice_of_somebody.PerformingPhysicianName = "10008^11000"
    slice_of_somebody.RescaleSlope = "11000"
    _, after, _ = deidentified(slice_of_somebody)
    assert after.RescaleSlope == 11000
    assert after.SOPClassUID.startswith("1.2.840.10008.")


@given(st.binary(max_size=64), st.booleans())
def test_gathering_reads_any_bytes(content: bytes, explicit: bool) -> None:
    for big in (False, True):
        found = in_data_set(content, names(lambda tag: False), explicit=explicit, big=big)
        assert all(value in content for value, _ in found)
