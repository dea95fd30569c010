"""Clean Structured Content: reports as hospitals have them keep their findings and lose whom they are about."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.data import get_testdata_file
from pydicom.sr import _concepts_dict

import factory
from cohortium.deidentify import Deidentified, Deidentifier, load_protocol, standard
from cohortium.keys import SiteKey

CLEAN = Path(__file__).with_name("clean.toml")
CONCEPTS = list(csv.DictReader((standard.DATA / "concepts.csv").read_text("utf-8").splitlines()))
COMPREHENSIVE = "1.2.840.10008.5.1.4.1.1.88.33"
DOCUMENTS = {
    "1.2.840.10008.5.1.4.1.1.88.11": "SR",  # Basic Text
    "1.2.840.10008.5.1.4.1.1.88.22": "SR",  # Enhanced
    COMPREHENSIVE: "SR",
    "1.2.840.10008.5.1.4.1.1.88.34": "SR",  # Comprehensive 3D
    "1.2.840.10008.5.1.4.1.1.88.50": "SR",  # Mammography CAD
    "1.2.840.10008.5.1.4.1.1.88.59": "KO",
    "1.2.840.10008.5.1.4.1.1.88.65": "SR",  # Chest CAD
    "1.2.840.10008.5.1.4.1.1.88.67": "SR",  # X-Ray Radiation Dose
}
Run = Callable[..., Dataset]


@pytest.fixture
def cleaned(clean: Callable[..., bytes], cleaning: Deidentifier) -> Run:
    """`cleaned(*items)`: the items of a document after Clean Structured Content; nothing planted is left."""

    def run(*items: dict[str, Any], sop_class: str = COMPREHENSIVE) -> Dataset:
        return factory.read(clean(document(sop_class, *items), cleaning))

    return run


# Documents


def code(value: str, scheme: str, meaning: str) -> list[dict[str, Any]]:
    return [{"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning}]


COMMENT = code("121106", "DCM", "Comment")
LENGTH = code("410668003", "SCT", "Length")
MILLIMETRES = code("mm", "UCUM", "millimeter")
OBSERVER = code("121008", "DCM", "Person Observer Name")


def content(
    value_type: str | None, name: list[dict[str, Any]] | None, relationship: str = "CONTAINS", **attributes: Any
) -> dict[str, Any]:
    """A content item; `ContentSequence` among the attributes makes it a tree."""
    found = {"RelationshipType": relationship, "ValueType": value_type, "ConceptNameCodeSequence": name, **attributes}
    return {keyword: value for keyword, value in found.items() if value is not None}


def number(name: list[dict[str, Any]] | None, value: str = "12.5", **attributes: Any) -> dict[str, Any]:
    measured = [{"NumericValue": value, "MeasurementUnitsCodeSequence": MILLIMETRES}]
    return content("NUM", name, MeasuredValueSequence=measured, **attributes)


def referenced(sop_class: str = factory.CT_IMAGE, instance: str = factory.INSTANCE + ".9") -> list[dict[str, Any]]:
    return [{"ReferencedSOPClassUID": sop_class, "ReferencedSOPInstanceUID": instance}]


def document(sop_class: str, *items: dict[str, Any], **changes: Any) -> bytes:
    """An SR document about the factory's patient, with these items below its root."""
    evidence = [
        {
            "StudyInstanceUID": factory.STUDY,
            "ReferencedSeriesSequence": [
                {"SeriesInstanceUID": factory.SERIES, "ReferencedSOPSequence": referenced()},
            ],
        }
    ]
    attributes = {
        "SOPClassUID": sop_class,
        "SOPInstanceUID": factory.INSTANCE,
        "StudyDate": "20200304",
        "StudyTime": "101112",
        "ContentDate": "20200304",
        "ContentTime": "101112",
        "Modality": DOCUMENTS[sop_class],
        "Manufacturer": "ACME",
        "ReferencedPerformedProcedureStepSequence": [],
        "StudyInstanceUID": factory.STUDY,
        "SeriesInstanceUID": factory.SERIES,
        "StudyID": factory.SECRET,
        "SeriesNumber": "1",
        "InstanceNumber": "1",
        "PerformedProcedureCodeSequence": [],
        "CurrentRequestedProcedureEvidenceSequence": evidence,
        "CompletionFlag": "COMPLETE",
        "CompletionFlagDescription": f"Completed by {factory.NAME}",
        "VerificationFlag": "VERIFIED",
        "VerifyingObserverSequence": [
            {
                "VerifyingOrganization": "WESTSTADT",
                "VerificationDateTime": "20200304101112",
                "VerifyingObserverName": factory.NAME,
                "VerifyingObserverIdentificationCodeSequence": code("4711", "99HOSPITAL", factory.NAME),
            }
        ],
        "ValueType": "CONTAINER",
        "ConceptNameCodeSequence": code("113000", "DCM", "Of Interest")
        if DOCUMENTS[sop_class] == "KO"
        else code("121111", "DCM", "Summary"),
        "ContinuityOfContent": "SEPARATE",
        "ContentTemplateSequence": [{"MappingResource": "DCMR", "TemplateIdentifier": "2010"}],
        "ContentSequence": list(items),
    }
    return factory.part10(factory.data_set(factory.identity() | attributes | changes), sop_class=sop_class)


# What stays


def test_measurements_codes_and_geometry_stay(cleaned: Run) -> None:
    after = cleaned(
        number(LENGTH, ContentSequence=[content("CODE", COMMENT, "HAS CONCEPT MOD", ConceptCodeSequence=LENGTH)]),
        content("SCOORD", COMMENT, GraphicType="POLYLINE", GraphicData=[1.5, 2.5, 3.5, 4.5]),
        content("CONTAINER", COMMENT, ContinuityOfContent="SEPARATE", ContentSequence=[number(LENGTH, "7")]),
    )
    measured, polyline, container = after.ContentSequence
    assert measured.MeasuredValueSequence[0].NumericValue == 12.5
    assert measured.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue == "mm"
    assert measured.ConceptNameCodeSequence[0].CodeMeaning == "Length"
    assert measured.ContentSequence[0].ConceptCodeSequence[0].CodeValue == "410668003"
    assert polyline.GraphicData == [1.5, 2.5, 3.5, 4.5]
    assert container.ContentSequence[0].MeasuredValueSequence[0].NumericValue == 7


def test_references_are_mapped_as_everywhere(cleaned: Run) -> None:
    after = cleaned(
        content("IMAGE", None, ReferencedSOPSequence=referenced()),
        content("UIDREF", code("112040", "DCM", "Tracking Unique Identifier"), UID=factory.INSTANCE + ".9"),
    )
    image, tracked = after.ContentSequence
    evidence = after.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    mapped = evidence.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == mapped == tracked.UID
    assert mapped.startswith("2.25.")


def test_free_text_keeps_radiologys_words(cleaned: Run) -> None:
    text, empty = cleaned(
        content("TEXT", COMMENT, TextValue=f"Tumor left lung 12 mm, seen by {factory.NAME} of {factory.STREET}"),
        content("TEXT", COMMENT, TextValue=factory.NAME),
    ).ContentSequence
    assert {"Tumor", "left", "lung"} <= set(re.findall(r"\w+", text.TextValue))
    assert empty.TextValue == "REMOVED"


# What goes


@pytest.mark.parametrize(
    ("item", "keyword", "after"),
    [
        (content("PNAME", OBSERVER, PersonName=factory.NAME), "PersonName", "REMOVED"),
        (content("TEXT", code("121030", "DCM", "Subject ID"), TextValue="Foot 5 mm"), "TextValue", "REMOVED"),
        (content("DATE", code("121031", "DCM", "Subject Birth Date"), Date="19610203"), "Date", "19000101"),
        (content("TEXT", code("113880", "DCM", "Device Serial Number"), TextValue="MR 1.5T"), "TextValue", "REMOVED"),
        (content("TEXT", code("113878", "DCM", "Device Manufacturer"), TextValue="ACME X"), "TextValue", "ACME X"),
        (
            content("DATE", COMMENT, Date="20200304"),
            "Date",
            "20200304",
        ),  # a date of the study: the protocol keeps those
    ],
)
def test_a_concept_decides_what_its_value_keeps(cleaned: Run, item: dict[str, Any], keyword: str, after: str) -> None:
    (found,) = cleaned(item).ContentSequence
    assert found[keyword].value == after
    assert found.ConceptNameCodeSequence[0].CodeValue == item["ConceptNameCodeSequence"][0]["CodeValue"]


def test_what_tells_who_somebody_is_stays_with_the_option_that_retains_it(tmp_path: Path) -> None:
    options = '"Clean Structured Content", "Retain Patient Characteristics", "Retain Device Identity"'
    written = tmp_path / "p.toml"
    text = CLEAN.read_text("utf-8")
    written.write_text(text[: text.index("options")] + f"options = [{options}]\n", "utf-8")
    retaining = Deidentifier(load_protocol(written), SiteKey(bytes(32)), "project")
    result = retaining(
        document(
            COMPREHENSIVE,
            number(code("121033", "DCM", "Subject Age"), "61"),
            content("TEXT", code("113880", "DCM", "Device Serial Number"), TextValue="S-77"),
            content("TEXT", code("121030", "DCM", "Subject ID"), TextValue="Foot"),
        )
    )
    assert isinstance(result, Deidentified)
    age, serial, subject = factory.read(factory.joined(result.slices)).ContentSequence
    assert age.MeasuredValueSequence[0].NumericValue == 61
    assert serial.TextValue == "S-77"
    assert subject.TextValue == "REMOVED"


def test_numbers_and_dates_stay_only_under_a_concept_that_is_understood(cleaned: Run) -> None:
    birth = code("B1", "99HOSPITAL", "Geburtsdatum")
    age, phone, missing, own, born = cleaned(
        number(code("121033", "DCM", "Subject Age"), "61"),
        number(code("P1", "99HOSPITAL", "Telephone of the patient"), "5557788"),
        number(None, "5557788"),
        number(code("D1", "99HOSPITAL", "Tumor"), "14"),
        content("DATE", birth, Date="19610203"),
    ).ContentSequence
    assert born.Date == "19000101"
    assert [list(each.MeasuredValueSequence) for each in (age, phone, missing)] == [[], [], []]
    assert own.MeasuredValueSequence[0].NumericValue == 14


def test_codes_of_a_hospitals_own_scheme_keep_what_radiology_would_say(cleaned: Run) -> None:
    def coded(codes: list[dict[str, Any]]) -> dict[str, Any]:
        return content("CODE", COMMENT, ConceptCodeSequence=codes)

    found = cleaned(
        coded(code("T-1", "99WESTSTADT", "Tumor")),
        coded(code(factory.SECRET, "99HOSPITAL", f"Tumor {factory.NAME}")),
        coded(code("7", "L", factory.NAME)),
        coded(code("PAT-4711-X", "NPI", factory.NAME)),
        coded([{"LongCodeValue": factory.STREET, "CodeMeaning": factory.NAME}]),
    ).ContentSequence
    kept = [(each.CodeValue, each.CodeMeaning) for item in found for each in item.ConceptCodeSequence]
    assert {item.ConceptCodeSequence[0].CodingSchemeDesignator for item in found} == {"REMOVED", "SCT"}
    unknown = ("261665006", "Unknown")
    assert kept == [("T-1", "Tumor"), ("REMOVED", "Tumor"), unknown, unknown, unknown]


def test_ages_go_where_the_protocol_caps_them(tmp_path: Path) -> None:
    """A number has no way to say 90 or older."""
    written = tmp_path / "p.toml"
    options = 'options = ["Clean Structured Content", "Retain Patient Characteristics"]\n[dates]\nages = "cap"\n'
    text = CLEAN.read_text("utf-8")
    written.write_text(text[: text.index("options")] + options, "utf-8")
    capping = Deidentifier(load_protocol(written), SiteKey(bytes(32)), "project")
    items = number(code("121033", "DCM", "Subject Age"), "93"), number(code("27113001", "SCT", "Body weight"), "81")
    result = capping(document(COMPREHENSIVE, *items))
    assert isinstance(result, Deidentified)
    age, weight = factory.read(factory.joined(result.slices)).ContentSequence
    assert list(age.MeasuredValueSequence) == []
    assert weight.MeasuredValueSequence[0].NumericValue == 81


def test_a_persons_code_becomes_unknown(cleaned: Run) -> None:
    (item,) = cleaned(
        content("CODE", code("121081", "DCM", "Physician"), ConceptCodeSequence=code("1", "DCM", "Tumor"))
    ).ContentSequence
    assert [(each.CodeValue, each.CodingSchemeDesignator) for each in item.ConceptCodeSequence] == [
        ("261665006", "SCT")
    ]


def test_an_item_keeps_only_what_its_value_type_has(cleaned: Run) -> None:
    surplus = {"PersonName": factory.NAME, "SequenceName": "ep2d", "ContentLabel": "X", "UID": factory.INSTANCE}
    (item,) = cleaned(content("TEXT", COMMENT, TextValue="Tumor", **surplus)).ContentSequence
    assert {each.keyword for each in item} == {"RelationshipType", "ValueType", "ConceptNameCodeSequence", "TextValue"}


@pytest.mark.parametrize(
    "odd",
    [
        content("MUELLER", COMMENT, TextValue="Tumor"),
        content(None, COMMENT, TextValue="Tumor"),
        content(
            "TABLE", COMMENT, TabulatedValuesSequence=[{"CellValuesSequence": [{"SelectorLOValue": factory.NAME}]}]
        ),
        content("TEXT", COMMENT, "HANS", TextValue="Tumor"),
        content("TEXT", COMMENT, TextValue="Tumor", ReferencedContentItemIdentifier=[1, 2]),
    ],
)
def test_an_item_that_cannot_be_judged_keeps_its_place_alone(cleaned: Run, odd: dict[str, Any]) -> None:
    """A reference by place still finds the item that it means."""
    odd = odd | {"ContentSequence": [number(LENGTH, "99")]}
    reference = content(None, None, "INFERRED FROM", ReferencedContentItemIdentifier=[1, 2])
    first, second = cleaned(odd, number(LENGTH, ContentSequence=[reference])).ContentSequence
    assert (first.ValueType, first.RelationshipType, first.TextValue) == ("TEXT", "CONTAINS", "REMOVED")
    assert "ContentSequence" not in first
    assert second.ContentSequence[0].ReferencedContentItemIdentifier == [1, 2]
    assert second.MeasuredValueSequence[0].NumericValue == 12.5


def test_a_tree_deeper_than_any_is_cleaned_to_its_end(cleaned: Run) -> None:
    tree = content("TEXT", COMMENT, TextValue=f"Tumor {factory.NAME}")
    for _ in range(20):
        tree = content("CONTAINER", COMMENT, ContinuityOfContent="SEPARATE", ContentSequence=[tree])
    found = cleaned(tree)
    for _ in range(21):
        found = found.ContentSequence[0]
    assert found.TextValue == "Tumor"


def test_acquisition_context_is_structured_content_too(clean: Callable[..., bytes], cleaning: Deidentifier) -> None:
    items = [
        {"ValueType": "TEXT", "ConceptNameCodeSequence": COMMENT, "TextValue": f"Tumor {factory.NAME}"},
        {
            "ValueType": "NUM",
            "ConceptNameCodeSequence": LENGTH,
            "NumericValue": "3",
            "MeasurementUnitsCodeSequence": MILLIMETRES,
        },
        {
            "ValueType": "NUM",
            "ConceptNameCodeSequence": code("27113001", "SCT", "Body weight"),
            "NumericValue": "81",
            "MeasurementUnitsCodeSequence": code("kg", "UCUM", "kg"),
        },
    ]
    steps = [{"SpecimenPreparationStepContentItemSequence": items[:1]}]
    specimen = [{"SpecimenIdentifier": factory.SECRET, "SpecimenPreparationSequence": steps}]
    output = clean(factory.ct(AcquisitionContextSequence=items, SpecimenDescriptionSequence=specimen), cleaning)
    text, length, weight = factory.read(output).AcquisitionContextSequence
    assert text.TextValue == "Tumor"
    assert length.NumericValue == 3
    assert (weight.ValueType, weight.TextValue) == ("TEXT", "REMOVED")
    (step,) = factory.read(output).SpecimenDescriptionSequence[0].SpecimenPreparationSequence
    assert step.SpecimenPreparationStepContentItemSequence[0].TextValue == "Tumor"


def test_an_echo_of_the_patient_in_a_kept_code_goes(cleaned: Run) -> None:
    (item,) = cleaned(content("CODE", COMMENT, ConceptCodeSequence=code("1", "SCT", "as Mueller said"))).ContentSequence
    assert item.ConceptCodeSequence[0].CodeMeaning == "REMOVED"


@pytest.mark.parametrize("protocol", ["basic", "cleaning"])
def test_a_verified_document_is_verified_by_nobody(
    request: pytest.FixtureRequest, clean: Callable[..., bytes], protocol: str
) -> None:
    """The sequence is required (1C), so a dummy stands there whatever happens to dates."""
    after = factory.read(clean(document(COMPREHENSIVE), request.getfixturevalue(protocol)))
    (observer,) = after.VerifyingObserverSequence
    assert (observer.VerifyingObserverName, observer.VerifyingOrganization) == ("REMOVED", "REMOVED")
    assert observer.VerificationDateTime == "19000101000000"
    assert list(observer.VerifyingObserverIdentificationCodeSequence) == []
    assert after.CompletionFlagDescription == "REMOVED"


# The tables


@pytest.mark.parametrize("row", CONCEPTS, ids=lambda row: row["code"])
def test_concepts_are_those_of_the_standard(row: dict[str, str]) -> None:
    assert row["values"] in ("dummy", "keep")
    assert row["unless"] in ("", "ages", *standard.options())
    if row["scheme"] == "DCM":
        names = [
            found for by in _concepts_dict.concepts["DCM"].values() for found in by.items() if found[0] == row["code"]
        ]
        assert {meaning for _, (meaning, _) in names} == {row["meaning"]}


def test_reports_of_highdicom_keep_their_measurements(clean: Callable[..., bytes], cleaning: Deidentifier) -> None:
    """TID 1500 as a library writes it: who measured goes, what was measured stays."""
    sr = pytest.importorskip("highdicom").sr
    codes_ = pytest.importorskip("pydicom.sr.codedict").codes
    image = factory.read(factory.ct(StudyID=factory.SECRET))
    person = sr.PersonObserverIdentifyingAttributes(
        name=factory.NAME, login_name=factory.SECRET, organization_name="WESTSTADT"
    )
    observer = sr.ObserverContext(observer_type=codes_.DCM.Person, observer_identifying_attributes=person)
    area = sr.Measurement(codes_.SCT.AreaOfDefinedRegion, 12.5, codes_.UCUM.SquareMillimeter)
    source = sr.SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID)
    group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(identifier=f"Lesion 1 {factory.NAME}"),
        referenced_region=sr.ImageRegion("POLYLINE", np.array([[1.0, 1.0], [5.0, 1.0], [1.0, 1.0]]), source),
        finding_type=codes_.SCT.Neoplasm,
        measurements=[area],
    )
    context = sr.ObservationContext(observer_person_context=observer)
    reported = codes_.LN.CTUnspecifiedBodyRegion
    report = sr.MeasurementReport(context, reported, imaging_measurements=[group])
    uids = {"series_instance_uid": factory.SERIES, "sop_instance_uid": factory.INSTANCE}
    before = sr.Comprehensive3DSR([image], report[0], series_number=1, instance_number=1, **uids)
    stream = io.BytesIO()
    before.save_as(stream)
    after = factory.read(clean(stream.getvalue(), cleaning))
    kept = sr.Comprehensive3DSR.from_dataset(after).content
    (found,) = kept.get_planar_roi_measurement_groups()
    assert found.tracking_identifier == "Lesion 1"
    assert found.finding_type == codes_.SCT.Neoplasm
    assert found.get_measurements()[0].value == 12.5
    assert found.roi.value.tolist() == [[1.0, 1.0], [5.0, 1.0], [1.0, 1.0]]


# Conformance


def errors(content: bytes, folder: Path) -> Counter[str]:
    """Errors of dciodvfy, without the values that it quotes."""
    path = folder / "x.dcm"
    path.write_bytes(content)
    answer = subprocess.run(["dciodvfy", "-new", path], capture_output=True, timeout=300, check=False)
    assert answer.returncode >= 0, "the checker crashed"
    lines = (line for line in answer.stderr.decode("latin-1").splitlines() if line.startswith("Error"))
    return Counter(re.sub(r"<(?!/)[^>]*>|[`'\"][^`'\"]*['\"]", "", line) for line in lines)


def whole() -> Iterator[tuple[str, bytes]]:
    """A document of each class, and those that come with pydicom."""
    text = content("TEXT", COMMENT, TextValue=f"Tumor of {factory.NAME}")
    observer = content("PNAME", OBSERVER, "HAS OBS CONTEXT", PersonName=factory.NAME)
    image = content("IMAGE", None, ReferencedSOPSequence=referenced())
    for sop_class, modality in DOCUMENTS.items():
        basic_text = sop_class.endswith(("88.11", "88.59"))
        more = () if basic_text else (number(LENGTH), content("DATETIME", COMMENT, DateTime="20200304101112"))
        items = (observer, text, image) if modality == "KO" else (observer, text, image, *more)
        yield sop_class, document(sop_class, *items)
    for name in ("test-SR.dcm", "reportsi.dcm"):
        yield name, Path(get_testdata_file(name)).read_bytes()


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dciodvfy of dicom3tools is not installed")
@pytest.mark.parametrize("options", ["basic", "clean"])
@pytest.mark.parametrize(("name", "before"), list(whole()), ids=lambda value: value if isinstance(value, str) else "")
def test_documents_conform_no_worse_than_before(
    name: str, before: bytes, options: str, basic: Deidentifier, cleaning: Deidentifier, tmp_path: Path
) -> None:
    result = (basic if options == "basic" else cleaning)(before)
    assert isinstance(result, Deidentified), result
    after = factory.joined(result.slices)
    assert errors(after, tmp_path) - errors(before, tmp_path) == Counter()
    assert ("ContentSequence" in pydicom.dcmread(io.BytesIO(after))) == (options == "clean")
