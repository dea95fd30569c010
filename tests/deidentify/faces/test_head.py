"""Which objects may show a face: all that a header does not rule out."""

from __future__ import annotations

import pytest
from pydicom import Dataset

from cohortium.deidentify.faces import may_show
from cohortium.deidentify.faces.head import method

CT, MR, PT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.128"
MG, SR, RTSTRUCT = "1.2.840.10008.5.1.4.1.1.1.2", "1.2.840.10008.5.1.4.1.1.88.22", "1.2.840.10008.5.1.4.1.1.481.3"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"


def header(sop_class: str, **values: str) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = sop_class
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(
    ("sop_class", "values", "expected"),
    [
        (CT, {"BodyPartExamined": "HEAD"}, True),
        (CT, {"StudyDescription": "Schädel nativ"}, True),
        (MR, {"StudyDescription": "CRÂNE sans injection"}, True),
        (CT, {}, True),  # nothing is said
        (CT, {"StudyDescription": "C+ 5 mm"}, True),  # nothing of a body
        (CT, {"BodyPartExamined": "CHEST"}, False),
        (CT, {"StudyDescription": "CT ABD AND PELVIS WITH IV CONT"}, False),
        (CT, {"BodyPartExamined": "CHEST", "ProtocolName": "Thorax/Hals"}, True),  # the head's word counts
        (CT, {"BodyPartExamined": "CHEST", "StudyDescription": "PET-CT FDG"}, True),  # so does everything's
        (CT, {"BodyPartExamined": "CHEST", "SeriesDescription": "heart clear"}, False),  # no ear in it
        (CT, {"BodyPartExamined": "KNEE", "RecognizableVisualFeatures": "YES"}, True),
        (CT, {"BodyPartExamined": "HEAD", "RecognizableVisualFeatures": "NO"}, True),  # nobody here has checked that
        (PT, {"SeriesDescription": "WB"}, True),
        (MG, {}, False),
        (SR, {"StudyDescription": "HEAD"}, False),
        (RTSTRUCT, {}, True),  # contours draw a skin
        (RTSTRUCT, {"StudyDescription": "Prostata"}, False),
    ],
)
def test_a_head_is_ruled_out_by_the_header_or_not_at_all(sop_class, values, expected):
    assert may_show(header(sop_class, **values)) is expected


def test_a_coded_region_counts_as_a_text_does():
    dataset, region = header(CT, BodyPartExamined="CHEST"), Dataset()
    region.CodeMeaning = "Head and Neck"
    dataset.AnatomicRegionSequence = [region]
    assert may_show(dataset)


def test_a_header_that_cannot_be_read_may_show_anything():
    dataset = header(CT, BodyPartExamined="CHEST")
    dataset.AnatomicRegionSequence = []
    dataset.add_new(0x00082218, "LO", "no sequence")
    assert may_show(dataset)


def test_only_ct_and_mr_can_be_cleaned():
    assert [method(each) for each in (CT, MR, ENHANCED_MR, PT, RTSTRUCT, MG)] == ["skin", "shear", "shear", "", "", ""]
