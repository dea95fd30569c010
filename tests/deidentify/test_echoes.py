"""A patient's own words in attributes that Table E.1-1 does not list."""

from __future__ import annotations

import struct
from io import BytesIO

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from cohortium.deidentify import Deidentified, Deidentifier, load_protocol
from cohortium.deidentify.echoes import Echoes
from cohortium.dicom.charset import character_sets
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
