"""Each preset, held to what its consortium published: element by element, on an object that has them all.

The tables are literal: what a reader of the publication expects to find in the output.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b32encode
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pydicom
import pytest

import factory
from cohortium.deidentify import Deidentified, Deidentifier, load_protocol
from cohortium.deidentify.protocol import SHIPPED, names
from cohortium.deidentify.secret import Secret
from cohortium.deidentify.subjectrule import TABLED
from cohortium.deidentify.subjects import Patient, Subjects
from cohortium.deidentify.table import Table
from cohortium.errors import ConfigError
from cohortium.keys import SiteKey

KEY = SiteKey(bytes(32))
FULL = "Retain Longitudinal Temporal Information Full Dates"
MODIFIED = "Retain Longitudinal Temporal Information Modified Dates"
DESCRIPTORS, CHARACTERISTICS = "Clean Descriptors", "Retain Patient Characteristics"
CODES = {
    FULL: "113106",
    MODIFIED: "113107",
    DESCRIPTORS: "113105",
    CHARACTERISTICS: "113108",
    "Retain Safe Private": "113111",
}
MAPPED = "a UID under 2.25, another than before"

OBJECT: Mapping[str, Any] = {
    "StudyDate": "20200304",
    "SeriesDate": "20200304",
    "AcquisitionDate": "20200304",
    "ContentDate": "20200305",
    "AcquisitionDateTime": "20200304101530",
    "StudyTime": "101112",
    "SeriesTime": "101200",
    "AcquisitionTime": "101530.25",
    "ContentTime": "101600",
    "TimezoneOffsetFromUTC": "+0100",
    "AccessionNumber": "ACC-77",
    "StudyID": "ST-5",
    "OtherPatientIDs": ["OTHER-1", "OTHER-2"],
    "AdmissionID": "ADM-9",
    "InstitutionName": "WESTSTADT KLINIK",
    "InstitutionAddress": factory.STREET,
    "InstitutionalDepartmentName": "Radiologie 3",
    "ReferringPhysicianName": "BAUER^EVA",
    "PerformingPhysicianName": "BAUER^EVA",
    "OperatorsName": "KURZ^OLE",
    "StationName": "PACS_WEST",
    "StudyDescription": "CT THORAX MUELLER",
    "SeriesDescription": "CT ABDOMEN CONTRAST MUELLER",
    "ProtocolName": "ABDOMEN KURZ",
    "ContrastBolusAgent": "IODINE given by Dr. BAUER",
    "ImageComments": "tell MUELLER",
    "PatientBirthDate": "19610203",
    "PatientSex": "M",
    "PatientAge": "059Y",
    "PatientSize": "1.80",
    "PatientWeight": "80",
    "EthnicGroup": "X",
    "SmokingStatus": "YES",
    "PatientComments": factory.SECRET,
    "AdditionalPatientHistory": "worked at WESTSTADT",
    "Manufacturer": "ACME",
    "ManufacturerModelName": "Scanner 9",
    "SoftwareVersions": "syngo 1",
    "DeviceSerialNumber": "SN-1234",
    "DateOfLastCalibration": "20200301",
}
"""A CT slice with everything that these processes speak of; the rest is the factory's."""

KEPT = {
    **{each: OBJECT[each] for each in ("Manufacturer", "ManufacturerModelName", "SoftwareVersions")},
    **{"Modality": "CT", "SliceThickness": "1.25", "KVP": "120", "ConvolutionKernel": "B30f", "InstanceNumber": "7"},
    **{"PixelSpacing": "0.75\\0.5", "Rows": "8", "BitsStored": "12", "RescaleIntercept": "-1024"},
    "ImageType": "ORIGINAL\\PRIMARY\\AXIAL",
}
UIDS = dict.fromkeys(("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"), MAPPED)
GONE = dict.fromkeys(
    (
        *("PatientAddress", "PatientTelephoneNumbers", "PatientComments", "OtherPatientIDs", "AdmissionID"),
        *("InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName", "StationName", "DeviceSerialNumber"),
        *("PerformingPhysicianName", "OperatorsName", "ImageComments", "AdditionalPatientHistory", "EthnicGroup"),
        *("DateOfLastCalibration", "RequestAttributesSequence", "SmokingStatus", "PatientAge", "PatientSize"),
        *("PatientWeight", "StudyDescription", "SeriesDescription", "ProtocolName"),
    )
)
EMPTIED = dict.fromkeys(
    ("ReferringPhysicianName", "AccessionNumber", "StudyID", "PatientBirthDate", "PatientSex", "ContrastBolusAgent"), ""
)
NO_DATES = {
    **dict.fromkeys(("SeriesDate", "AcquisitionDate", "AcquisitionDateTime", "SeriesTime", "AcquisitionTime")),
    **dict.fromkeys(("StudyDate", "StudyTime", "ContentDate", "ContentTime"), ""),
    "TimezoneOffsetFromUTC": None,
}
BASIC = {**KEPT, **UIDS, **GONE, **EMPTIED, **NO_DATES, "PatientIdentityRemoved": "YES"}
"""The Basic Profile, on a CT slice: all of these processes start from it."""

DATES = {each: OBJECT[each] for each in (*NO_DATES, "DateOfLastCalibration")}
CHARACTERISED = {
    **{each: OBJECT[each] for each in ("PatientSex", "PatientAge", "PatientSize", "PatientWeight", "EthnicGroup")},
    "SmokingStatus": "YES",
}
CLEANED = {
    "StudyDescription": "CT THORAX",
    "SeriesDescription": "CT ABDOMEN CONTRAST",
    "ProtocolName": "ABDOMEN",
    "ContrastBolusAgent": "IODINE",
    **dict.fromkeys(("PatientComments", "ImageComments", "AdditionalPatientHistory"), ""),
    "RequestAttributesSequence": "(0032,1060) Requested Procedure Description     LO: ''",  # the ID went
}


def output(
    name: str,
    folder: Path,
    secret: Secret | None = None,
    listed: str = "",
    level: str = "",
    **changes: object,
) -> pydicom.Dataset:
    """The object under the preset, with what its subjects need; of what was planted, the birth date alone may stay."""
    protocol = load_protocol(name, level)
    anchored = protocol.dates.rule == "anchor"
    table = Table(folder / "subjects.sqlite", KEY, "project", protocol.subject, "site", anchored=anchored)
    if listed:
        table.take([(Patient(factory.ID), listed)])
    by = Deidentifier(protocol, KEY, "project", Subjects(protocol, KEY, "project", secret, table))
    private = {0x00091001: factory.element(0x00091001, b"MUELLER ", "LO")}
    made = by(factory.ct(**OBJECT | changes, raw=private))
    assert isinstance(made, Deidentified), made
    content = factory.joined(made.slices)
    assert set(factory.planted_in(content)) <= {"19610203"}
    dataset = factory.read(content)
    assert not [each for each in dataset.iterall() if each.tag.is_private]
    return dataset


def held(dataset: pydicom.Dataset, expected: Mapping[str, str | None], options: tuple[str, ...], dates: str) -> None:
    """Every element is as the table says, and the object says of itself what was done."""
    for keyword, value in expected.items():
        element = dataset.get(keyword)
        if value is MAPPED:
            assert element.startswith("2.25."), keyword
            assert element != factory.attributes()[keyword]
            continue
        found = None if element is None else "\\".join(map(str, element)) if _is_list(element) else str(element)
        assert found == value, f"{keyword}: {found!r}, not {value!r}"
    stated = {item.CodeValue for item in dataset.DeidentificationMethodCodeSequence}
    assert stated == {"113100", *(CODES[option] for option in options)}
    assert dataset.LongitudinalTemporalInformationModified == dates


def _is_list(value: object) -> bool:
    return not isinstance(value, str) and hasattr(value, "__iter__")


def test_basic(tmp_path: Path) -> None:
    """The Basic Profile of PS3.15, with no option."""
    held(output("basic", tmp_path), BASIC, (), "REMOVED")


def test_chaimeleon_pseudonymise(tmp_path: Path) -> None:
    """All dates and the birth date kept, characteristics kept, descriptions cleaned; random pseudonym in a table."""
    one, again = output("chaimeleon-pseudonymise", tmp_path), output("chaimeleon-pseudonymise", tmp_path)
    elsewhere = output("chaimeleon-pseudonymise", tmp_path / "other")
    assert one.PatientID == again.PatientID != elsewhere.PatientID, "the table remembers; chance decides"
    assert len(one.PatientID) == 16
    expected = BASIC | DATES | CHARACTERISED | CLEANED | {"PatientBirthDate": "19610203"}
    held(one, expected, (DESCRIPTORS, FULL, CHARACTERISTICS), "UNMODIFIED")


def test_chaimeleon_anonymise(tmp_path: Path) -> None:
    """A new identifier with no table, all dates shifted per subject, the birth date too; the rest as in step 1."""
    protocol = load_protocol("chaimeleon-anonymise")
    assert protocol.subject.kind == "fresh"
    assert protocol.subject.kind not in TABLED, "no table is kept"
    made = output(protocol.name, tmp_path)
    shift = date.fromisoformat(made.StudyDate) - date(2020, 3, 4)
    assert -3650 <= shift.days <= -1
    first, next_day, birth = (f"{day + shift:%Y%m%d}" for day in (date(2020, 3, 4), date(2020, 3, 5), date(1961, 2, 3)))
    expected = {
        **BASIC,
        **CHARACTERISED,
        **CLEANED,
        **dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate", "AcquisitionDateTime"), first),
        **dict.fromkeys(("StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime"), "000000"),
        **{"ContentDate": next_day, "PatientBirthDate": birth, "TimezoneOffsetFromUTC": ""},
    }
    held(made, expected, (DESCRIPTORS, MODIFIED, CHARACTERISTICS), "MODIFIED")


def test_eucanimage(tmp_path: Path) -> None:
    """SHA-512/256(secret + patient ID), 64 hexadecimal characters; dates kept; Basic Profile."""
    made = output("eucanimage", tmp_path, Secret(b"secret of the project"))
    assert made.PatientID == hashlib.new("sha512_256", b"secret of the project" + factory.ID.encode()).hexdigest()
    assert len(made.PatientID) == 64
    held(made, BASIC | DATES, (FULL,), "UNMODIFIED")


def test_netzeroaict(tmp_path: Path) -> None:
    """The same hash; contrast agent, series and protocol descriptions kept cleaned; characteristics kept."""
    made = output("netzeroaict", tmp_path, Secret(b"one"))
    assert made.PatientID == hashlib.new("sha512_256", b"one" + factory.ID.encode()).hexdigest()
    assert output("netzeroaict", tmp_path, Secret(b"two")).PatientID != made.PatientID, "a secret per project"
    expected = BASIC | DATES | CHARACTERISED | CLEANED
    held(made, expected, (DESCRIPTORS, FULL, CHARACTERISTICS), "UNMODIFIED")


def test_incisive(tmp_path: Path) -> None:
    """Names by convention; one shift for all dates of a subject; other identifiers hashed under a key."""
    made, later = output("incisive", tmp_path), output("incisive", tmp_path, StudyDate="20200404")
    assert made.PatientID == made.PatientName == later.PatientID == "project-site-0001"
    secret = KEY.derive("hashed identifiers", "project")

    def token(value: str, length: int) -> str:
        return b32encode(hmac.digest(secret, f"project-site-0001\x1f{value}".encode(), "sha256")).decode()[:length]

    shift = date.fromisoformat(made.StudyDate) - date(2020, 3, 4)
    assert date.fromisoformat(later.StudyDate) - date.fromisoformat(made.StudyDate) == date(2020, 4, 4) - date(
        2020, 3, 4
    )
    first, next_day = (f"{date(2020, 3, day) + shift:%Y%m%d}" for day in (4, 5))
    expected = {
        **BASIC,
        **DATES,
        **dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate"), first),
        "DateOfLastCalibration": None,
        **{"ContentDate": next_day, "AcquisitionDateTime": f"{first}101530"},
        **{"AccessionNumber": token("ACC-77", 16), "StudyID": token("ST-5", 16), "AdmissionID": token("ADM-9", 32)},
        "OtherPatientIDs": f"{token('OTHER-1', 32)}\\{token('OTHER-2', 32)}",
    }
    assert shift.days < 0
    held(made, expected, (MODIFIED,), "MODIFIED")


def test_incisive_as_published_needs_a_word_and_warns(tmp_path: Path) -> None:
    """`compat = true`: a hash that anybody can work out, and a finding in the report of every object."""
    text = (SHIPPED / "incisive.toml").read_text("utf-8").replace("\nbase =", "\ncompat = true\nbase =")
    (tmp_path / "p.toml").write_text(text, "utf-8")
    keyed, protocol = load_protocol("incisive"), load_protocol(tmp_path / "p.toml")
    assert protocol.digest != keyed.digest
    table = Table(tmp_path / "subjects.sqlite", KEY, "project", protocol.subject, "site")
    made = [
        Deidentifier(each, KEY, "project", Subjects(each, KEY, "project", None, table))(factory.ct(**OBJECT))
        for each in (keyed, protocol)
    ]
    numbers = [
        factory.read(factory.joined(each.slices)).AccessionNumber for each in made if isinstance(each, Deidentified)
    ]
    digits = str(int.from_bytes(hashlib.md5(b"project-site-0001ACC-77").digest(), "big"))
    assert numbers[1] == digits[:16] != numbers[0]
    rules = [{finding.rule for finding in each.findings} for each in made if isinstance(each, Deidentified)]
    assert rules[1] - rules[0] == {"subject.unkeyed-hash"}
    (tmp_path / "p.toml").write_text(
        (SHIPPED / "basic.toml").read_text("utf-8").replace("\nbase =", "\ncompat = true\nbase =")
    )
    with pytest.raises(ConfigError, match="no attribute is hashed"):
        load_protocol(tmp_path / "p.toml")


def test_the_levels_of_incisive(tmp_path: Path) -> None:
    """Low is what was published; medium keeps no identifier and no minute; high no time of day, and no device."""
    base = output("incisive", tmp_path)
    low, medium, high = (output("incisive", tmp_path, level=level) for level in ("low", "medium", "high"))
    differs = {each.keyword for each in low if each.value != base.get(each.keyword)}
    assert differs == {"DeidentificationMethod"}
    dates = {each: str(low[each].value) for each in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")}
    hours = {"StudyTime": "10", "SeriesTime": "10", "AcquisitionTime": "10", "ContentTime": "10"}
    day, zone = low.AcquisitionDateTime[:8], {"TimezoneOffsetFromUTC": "+0100"}
    held(medium, BASIC | dates | hours | zone | {"AcquisitionDateTime": f"{day}10"}, (MODIFIED,), "MODIFIED")
    midnight = dict.fromkeys(hours, "000000")
    device = dict.fromkeys(("Manufacturer", "ManufacturerModelName", "SoftwareVersions"), "REMOVED")
    nowhere = {"TimezoneOffsetFromUTC": "", "AcquisitionDateTime": day}
    held(high, BASIC | dates | midnight | device | nowhere, (MODIFIED,), "MODIFIED")
    stamped = [each.DeidentificationMethod[1] for each in (base, low, medium, high)]
    assert stamped == ["incisive 1.0", *(f"incisive 1.0 level {name}" for name in ("low", "medium", "high"))]
    assert len({each.DeidentificationMethod[2] for each in (base, low, medium, high)}) == 4, "a digest each"


def test_procancer_i(tmp_path: Path) -> None:
    """Names by convention; the first date anchored once; times obscured; Supplement 142 for the rest."""
    first, later = output("procancer-i", tmp_path), output("procancer-i", tmp_path, **_studied("20200404"))
    earlier = output("procancer-i", tmp_path, **_studied("20200303"))
    assert {each.PatientID for each in (first, later, earlier)} == {"project-site-0001"}
    assert [each.StudyDate for each in (later, earlier)] == ["20000201", "19991231"]
    expected = {
        **BASIC,
        **dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate", "AcquisitionDateTime"), "20000101"),
        **dict.fromkeys(("StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime"), "000000"),
        **{"ContentDate": "20000102", "TimezoneOffsetFromUTC": ""},
    }
    held(first, expected, (MODIFIED,), "MODIFIED")


def _studied(day: str) -> dict[str, str]:
    return dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"), day)


def test_primage(tmp_path: Path) -> None:
    """A pseudonym per context, linkable by the key alone; dates kept; what PS3.15 lists removed or emptied."""
    protocol = load_protocol("primage")
    made = output("primage", tmp_path)
    contexts = set()
    for context in ("project", "second", "third"):
        people = Table(tmp_path / "subjects.sqlite", KEY, context, protocol.subject, "site")
        (known,) = people.admit(Patient(factory.ID)).values()
        contexts.add(known.pseudonym)
    assert len(contexts) == 3
    assert made.PatientID in contexts
    again = output("primage", tmp_path, PatientID=made.PatientID, PatientName=made.PatientID, PatientBirthDate="")
    assert again.PatientID not in contexts, "what is a pseudonym already is mapped again"
    held(made, BASIC | DATES, (FULL,), "UNMODIFIED")


def test_eurobioimaging(tmp_path: Path) -> None:
    """Pseudonyms from a list; every date removed; no option."""
    made = output("eurobioimaging", tmp_path, listed="EBI-17")
    assert made.PatientID == "EBI-17"
    held(made, BASIC, (), "REMOVED")


def test_eurobioimaging_pet(tmp_path: Path) -> None:
    """The same, but weight and size kept; on PET more, see test_relative. On CT no time has an injection to go by."""
    made = output("eurobioimaging-pet", tmp_path, listed="EBI-17")
    kept = {"PatientWeight": "80", "PatientSize": "1.80", "AcquisitionDate": "19000101"}
    held(made, BASIC | kept, (MODIFIED, "Retain Safe Private"), "MODIFIED")


def test_dragon(tmp_path: Path) -> None:
    """At most 10 characters; dates kept; descriptions cleaned; what its specification asks of an image is there."""
    made = output("dragon", tmp_path)
    assert len(made.PatientID) == 10
    held(made, BASIC | DATES | CLEANED, (DESCRIPTORS, FULL), "UNMODIFIED")
    asked = ("Modality", "SeriesDate", "ConvolutionKernel", "SliceThickness", "PixelSpacing", *UIDS)
    assert all(made.get(keyword) for keyword in asked)


def test_no_preset_is_without_its_table() -> None:
    held_here = {name.removeprefix("test_").replace("_", "-") for name in globals() if name.startswith("test_")}
    assert set(names()) <= held_here
