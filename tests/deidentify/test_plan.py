"""Plans: what is stamped, what is noted, and what a study's own rules change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pydicom.config
import pytest
from pydicom.valuerep import validate_value

import factory
from cohortium import __version__
from cohortium.deidentify import Deidentified, Deidentifier, load_protocol, standard
from cohortium.keys import SiteKey
from cohortium.values import Reason, SetAside
from factory import CT_IMAGE, ct

Clean = Callable[..., bytes]
STAMPS = ("PatientIdentityRemoved", "DeidentificationMethod", "LongitudinalTemporalInformationModified")


def own_protocol(folder: Path, *lines: str, options: str = "[]") -> Deidentifier:
    path = folder / "own.toml"
    head = f'name = "own"\nversion = "1"\ntitle = "Own"\nedition = "2026c"\nbase = "basic"\noptions = {options}\n'
    path.write_text(head + "[elements]\n" + "\n".join(lines))
    return Deidentifier(load_protocol(path), SiteKey(bytes(32)), "project")


@pytest.mark.parametrize(
    ("protocol", "codes", "dates"),
    [("basic", ["113100"], "REMOVED"), ("dragon", ["113100", "113105", "113106"], "UNMODIFIED")],
)
def test_what_was_done_is_stamped(request: pytest.FixtureRequest, protocol: str, codes: list[str], dates: str) -> None:
    by: Deidentifier = request.getfixturevalue(protocol)
    result = by(ct(DeidentificationMethod="by hand", PatientIdentityRemoved="NO", BurnedInAnnotation="NO"))
    assert isinstance(result, Deidentified)
    output = factory.read(factory.joined(result.slices))
    assert output.PatientIdentityRemoved == "YES"
    digest = f"sha256:{by.protocol.digest[:48]}"
    assert list(output.DeidentificationMethod) == [
        f"Cohortium {__version__}",
        f"{protocol} {by.protocol.version}",
        digest,
    ]
    assert [item.CodeValue for item in output.DeidentificationMethodCodeSequence] == codes
    assert {item.CodingSchemeDesignator for item in output.DeidentificationMethodCodeSequence} == {"DCM"}
    assert output.LongitudinalTemporalInformationModified == dates
    assert (result.PatientID, result.SOPInstanceUID) == (output.PatientID, output.SOPInstanceUID)


def test_every_value_stamped_is_within_its_limits(tmp_path: Path) -> None:
    """With every option of the standard that goes with the others, and the longest name."""
    offered = [name for name in standard.options() if "Full" not in name]
    options = str(offered).replace("'", '"')
    by = own_protocol(tmp_path, options=options)
    result = by(ct())
    assert isinstance(result, Deidentified)
    output = factory.read(factory.joined(result.slices))
    for keyword in (*STAMPS, "PatientID", "PatientName", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        each = output[keyword]
        for value in each.value if each.VM > 1 else [each.value]:
            validate_value(each.VR, str(value), pydicom.config.RAISE)
    for item in output.DeidentificationMethodCodeSequence:
        for each in item:
            validate_value(each.VR, each.value, pydicom.config.RAISE)


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_an_object_needs_its_uids(basic: Deidentifier, keyword: str) -> None:
    for value in (None, "", "1.2.3\\1.2.4"):
        result = basic(ct(**{keyword: value}))
        assert isinstance(result, SetAside)
        assert result.reason == Reason.MALFORMED
        assert keyword in result.detail


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"BurnedInAnnotation": "YES"}, Reason.PIXELS_NOT_REVIEWED),
        ({"Modality": "US"}, Reason.PIXELS_NOT_REVIEWED),
        ({"Modality": None}, Reason.PIXELS_NOT_REVIEWED),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, Reason.PIXELS_NOT_REVIEWED),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, Reason.PIXELS_NOT_REVIEWED),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"}, Reason.PIXELS_NOT_REVIEWED),
        ({"SOPClassUID": "1.2.3.4"}, Reason.SOP_CLASS_NOT_LISTED),
    ],
)
def test_what_may_carry_text_is_set_aside(basic: Deidentifier, changes: dict[str, object], reason: Reason) -> None:
    result = basic(ct(**changes))
    assert isinstance(result, SetAside)
    assert result.reason == reason


def test_retained_uids_stay_only_where_they_are_uids(tmp_path: Path) -> None:
    by = own_protocol(tmp_path, options='["Retain UIDs"]')
    result = by(ct())
    assert isinstance(result, Deidentified)
    output = factory.read(factory.joined(result.slices))
    assert (output.SOPInstanceUID, output.StudyInstanceUID) == (factory.INSTANCE, factory.STUDY)
    assert output.file_meta.MediaStorageSOPInstanceUID == factory.INSTANCE
    for false in (factory.NAME, "Müller", "1.2.3 x"):
        assert isinstance(by(ct(SOPInstanceUID=false)), SetAside)


def test_one_uid_may_stay_where_the_others_are_mapped(tmp_path: Path) -> None:
    result = own_protocol(tmp_path, 'StudyInstanceUID = "keep"')(ct())
    assert isinstance(result, Deidentified)
    assert result.StudyInstanceUID == factory.STUDY
    assert result.SeriesInstanceUID.startswith("2.25.")


def test_a_study_may_keep_remove_and_clean_single_attributes(tmp_path: Path) -> None:
    rules = 'StudyDescription = "clean"', 'PatientSex = "keep"', 'KVP = "remove"', 'StudyDate = "dummy"'
    result = own_protocol(tmp_path, *rules)(ct(StudyDescription="CT Thorax MUELLER"))
    assert isinstance(result, Deidentified)
    output = factory.read(factory.joined(result.slices))
    assert (output.StudyDescription, output.PatientSex, output.StudyDate) == ("CT Thorax", "M", "19000101")
    assert "KVP" not in output


def test_two_projects_give_unrelated_objects() -> None:
    one, other = (Deidentifier(load_protocol("basic"), SiteKey(bytes(32)), name)(ct()) for name in ("one", "other"))
    assert isinstance(one, Deidentified)
    assert isinstance(other, Deidentified)
    for field in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "subject_mark"):
        assert getattr(one, field) != getattr(other, field)


def test_references_stay_in_step_with_what_they_name(clean: Clean) -> None:
    """A structure set and its slices are mapped in files of their own, and must meet again."""
    slice_ = factory.read(clean(ct()))
    image = {"ReferencedSOPClassUID": CT_IMAGE, "ReferencedSOPInstanceUID": factory.INSTANCE}
    contour = [{"ReferencedROINumber": "1", "ContourSequence": [{"ContourImageSequence": [image]}]}]
    content = ct(
        SOPClassUID=factory.RT_STRUCTURE_SET,
        Modality="RTSTRUCT",
        PixelData=None,
        ROIContourSequence=contour,
        SOPInstanceUID=factory.INSTANCE + ".77",
    )
    structure = factory.read(clean(content))
    reference = structure.ROIContourSequence[0].ContourSequence[0].ContourImageSequence[0]
    assert reference.ReferencedSOPInstanceUID == slice_.SOPInstanceUID
    assert structure.StudyInstanceUID == slice_.StudyInstanceUID
    assert structure.PatientID == slice_.PatientID
