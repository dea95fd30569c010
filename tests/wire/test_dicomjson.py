"""DICOM JSON beside pydicom's own, and what stands in it by reference (PS3.18 Annex F)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

import portal_site
from cohortium.dicom import elements
from cohortium.wire import dicomjson

FILES = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "reportsi.dcm", "liver_1frame.dcm")


@pytest.mark.parametrize("name", FILES)
def test_it_says_what_pydicom_says(name: str) -> None:
    path = str(get_testdata_file(name, download=False))
    ours = dicomjson.document(elements.read(Path(path).read_bytes()).elements)
    theirs = pydicom.dcmread(path).to_json_dict(dicomjson.INLINE + 1, lambda element: "bulkdata/")
    theirs.pop("00080005", None)
    ours.pop("00080005", None)
    assert plain(ours) == plain({tag: each for tag, each in theirs.items() if not tag.endswith("0000")})


def plain(value: Any) -> Any:
    """What both must agree on: numbers as numbers, nothing where nothing is, references by their presence."""
    if isinstance(value, dict):
        found = {key: plain(each) for key, each in value.items() if each not in (None, [], "", {})}
        if "BulkDataURI" in found or (found.get("Value") and all(v is None for v in found["Value"])):
            return {"vr": found["vr"]}
        return found
    if isinstance(value, list):
        return [plain(each) for each in value]
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def document_of(dataset: Dataset) -> dicomjson.Document:
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "2.25.1"
    return dicomjson.document(elements.read(portal_site.encode(dataset)).elements)


def made() -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    dataset.PatientName = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    dataset.SliceThickness = "0.10"
    dataset.ImagePositionPatient = ["1", "-2.5", ""]
    dataset.add_new(0x00280009, "AT", 0x00181063)
    dataset.add_new(0x00282000, "OB", bytes(2000))
    dataset.Rows = 3
    item = Dataset()
    item.add_new(0x00282000, "OB", bytes(3000))
    item.RequestedProcedureID = 'x","BulkDataURI":"no'
    dataset.RequestAttributesSequence = [Dataset(), item]
    dataset.add_new(0x7FE00010, "OW", bytes(18))
    return dataset


def test_f_2_2_value_representations() -> None:
    found = document_of(made())
    assert found["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert found["00100010"]["Value"] == [
        {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}
    ]
    assert found["00180050"] == {"vr": "DS", "Value": [0.1]}
    assert found["00280009"] == {"vr": "AT", "Value": ["00181063"]}
    assert found["00280010"] == {"vr": "US", "Value": [3]}


def test_f_2_6_bulk_data_is_referred_to_by_where_it_stands() -> None:
    found = document_of(made())
    assert found["00282000"] == {"vr": "OB", "BulkDataURI": "bulkdata/00282000"}
    assert found["7FE00010"] == {"vr": "OW", "BulkDataURI": "bulkdata/7FE00010"}
    nested = found["00400275"]["Value"][1]["00282000"]["BulkDataURI"]
    assert nested == "bulkdata/00400275.2.00282000"
    for path in ("00282000", "00400275.2.00282000"):
        assert dicomjson.BULK_PATH.fullmatch(path)
        element = dicomjson.bulk(made(), path)
        assert element is not None
        assert len(element.value) in (2000, 3000)
    for path in ("00400275", "00400275.3.00282000", "00280010.1.00282000", "00280010"):
        assert dicomjson.bulk(made(), path) is None


@pytest.mark.parametrize("path", ["../7FE00010", "7FE0001", "00400275.0.00282000", "00400275.2", "", "7fe00010"])
def test_a_path_is_tags_and_item_numbers(path: str) -> None:
    assert not dicomjson.BULK_PATH.fullmatch(path)


def test_references_become_absolute_without_parsing_and_texts_stay() -> None:
    text = dicomjson.unpack(dicomjson.pack(document_of(made())))
    placed = json.loads(dicomjson.placed(text, "http://here/instances/1"))
    assert placed["7FE00010"]["BulkDataURI"] == "http://here/instances/1/bulkdata/7FE00010"
    assert placed["00400275"]["Value"][1]["00401001"]["Value"] == ['x","BulkDataURI":"no']


def test_against_a_sibling_a_header_packs_to_their_difference(tmp_path: Path) -> None:
    first, second = document_of(made()), document_of(made())
    second["00280010"] = {"vr": "US", "Value": [4]}
    dictionary = dicomjson.unpack(dicomjson.pack(first))
    packed = dicomjson.pack(second, dictionary)
    assert json.loads(dicomjson.unpack(packed, dictionary)) == second
    assert len(packed) * 3 < len(dicomjson.pack(second))
