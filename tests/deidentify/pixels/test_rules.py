"""What the header alone decides."""

from __future__ import annotations

import pytest
from pydicom import Dataset

from cohortium.deidentify.pixels import Hold, regions
from cohortium.deidentify.pixels.rules import load, shipped
from cohortium.dicom import codecs
from cohortium.dicom.redact import Rectangle
from cohortium.errors import ConfigError

US, CT, CR = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.1"
US_MULTI, SC, PDF = "1.2.840.10008.5.1.4.1.1.3.1", "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.104.1"
SR = "1.2.840.10008.5.1.4.1.1.88.11"


def made(sop_class: str, modality: str, **more: object) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.Modality = sop_class, modality
    dataset.Rows, dataset.Columns = 480, 640
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    return dataset


def region(left: int, top: int, right: int, bottom: int) -> Dataset:
    item = Dataset()
    item.RegionLocationMinX0, item.RegionLocationMinY0 = left, top
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = right, bottom
    return item


def test_around_ultrasound_regions_in_every_frame():
    scan = made(US_MULTI, "US", SequenceOfUltrasoundRegions=[region(100, 50, 539, 479)], NumberOfFrames=4)
    expected = (Rectangle(0, 0, 640, 50), Rectangle(0, 50, 100, 430), Rectangle(540, 50, 100, 430))
    assert regions(scan) == dict.fromkeys(range(4), expected)


def test_a_known_device():
    assert regions(made(US, "US", ManufacturerModelName="iU22 G5")) == {0: (Rectangle(0, 0, 640, 47),)}


def test_a_known_device_that_declares_regions_gets_both():
    scan = made(US, "US", ManufacturerModelName="iU22", SequenceOfUltrasoundRegions=[region(0, 30, 639, 479)])
    assert regions(scan) == {0: (Rectangle(0, 0, 640, 47), Rectangle(0, 0, 640, 30))}


def test_a_known_device_whose_pictures_are_no_risk_else():
    found = regions(made(CR, "CR", Manufacturer="Canon Inc.", ManufacturerModelName="CXDI", Rows=2592, Columns=2208))
    assert found == {0: (Rectangle(0, 0, 2208, 80), Rectangle(0, 2512, 2208, 80))}


@pytest.mark.parametrize("dataset", [made(CT, "CT"), made(CT, "CT", BurnedInAnnotation="NO")])
def test_a_plain_picture_has_nothing_to_blank(dataset):
    assert regions(dataset) == {}


def test_no_picture_and_no_risk():
    report = made(SR, "SR")
    del report.Rows
    assert regions(report) == {}


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (made(US, "US"), "no rule"),
        (made(US, "US", ManufacturerModelName="iU22", Rows=481), "no rule"),
        (made(CT, "CT", BurnedInAnnotation="YES"), "BurnedInAnnotation is YES"),
        (made(CT, "XX"), "modality"),
        (made(SC, "US", SequenceOfUltrasoundRegions=[region(0, 50, 639, 479)]), "secondary"),
        (made(CT, "CT", ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"]), "screen"),
        (made(US, "US", SequenceOfUltrasoundRegions=[]), "no sense"),
        (made(US, "US", SequenceOfUltrasoundRegions=[region(0, 50, 640, 479)]), "no sense"),
        (made(US, "US", SequenceOfUltrasoundRegions=[region(0, 2, 639, 479)]), "nearly the whole"),
        (made("1.2.3", "US"), "not on the list"),
        (made(US_MULTI, "US", ManufacturerModelName="iU22", NumberOfFrames=2**31 - 1), "frames"),
        (made(US_MULTI, "US", ManufacturerModelName="iU22", Columns=[640, 640]), "header"),
        (made(US, "US", Rows=None, ManufacturerModelName="iU22"), "header"),
    ],
)
def test_held(dataset, words):
    found = regions(dataset)
    assert isinstance(found, Hold)
    assert words in str(found)


def test_a_document_is_held_for_what_it_is():
    document = made(PDF, "DOC")
    del document.Rows, document.Columns
    assert "document" in str(regions(document))


def test_the_shipped_rules_stay_within_their_pictures():
    for signature in shipped().signatures:
        size = {each.keyword: int(each.value) for each in signature.where if each.keyword in ("Rows", "Columns")}
        assert size.keys() == {"Rows", "Columns"}, signature.name
        for each in signature.rectangles:
            assert 0 <= each.left + each.width <= size["Columns"], signature.name
            assert each.top + each.height <= size["Rows"], signature.name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("signature = 3 =", "pixel rules"),
        ("[[signature]]\nwhere=[['Modality','equals','US']]\nrectangles=[[0,0,1,1]]", "a name"),
        ("[[signature]]\nname='a'\nrectangles=[[0,0,1,1]]", "conditions"),
        ("[[signature]]\nname='a'\nwhere=[]\nrectangles=[[0,0,1,1]]", "conditions"),
        ("[[signature]]\nname='a'\nwhere=[['Modality','equals','US']]", "rectangles"),
        ("[[signature]]\nname='a'\nwhere=[['Mod','equals','US']]\nrectangles=[[0,0,1,1]]", "Mod is no attribute"),
        ("[[signature]]\nname='a'\nwhere=[['Modality','is','US']]\nrectangles=[[0,0,1,1]]", "is is no test"),
        ("[[signature]]\nname='a'\nwhere=[['Modality','equals']]\nrectangles=[[0,0,1,1]]", "a value"),
        ("[[signature]]\nname='a'\nwhere=[['Modality','matches','(']]\nrectangles=[[0,0,1,1]]", "expression"),
        ("[[signature]]\nname='a'\nwhere=[['Modality']]\nrectangles=[[0,0,1,1]]", "a condition is"),
        ("[[signature]]\nname='a'\nwhere=[['Modality','equals','US']]\nrectangles=[[0,0,0,1]]", "a rectangle is"),
        ("[[signature]]\nname='a'\nwhere=[['Modality','equals','US']]\nrectangles=[[0,0,1]]", "a rectangle is"),
    ],
)
def test_mistakes_in_rules_are_named(text, words):
    with pytest.raises(ConfigError, match=words):
        load(text)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("JPGLosslessP14SV1_1s_1f_8b.dcm", Rectangle(0, 0, 1024, 38)),  # it declares its region
        ("GH364.dcm", Rectangle(0, 0, 1024, 75)),  # it declares none, but its model is known
    ],
)
def test_real_ultrasound(shared_data, name, expected):
    found = regions(codecs.read((shared_data / "dicom" / "odd" / name).read_bytes()))
    assert found[0][0] == expected
