"""Each preset, held to what its consortium published, element by element, in the policy and in an output."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pydicom
import pytest
from pydicom.datadict import tag_for_keyword

import factory
from cohortium.deidentify import Deidentified, Deidentifier, load_protocol, standard
from cohortium.deidentify.protocol import action_for, names
from cohortium.deidentify.secret import Secret
from cohortium.deidentify.subjects import Patient, Subjects
from cohortium.deidentify.table import Table
from cohortium.errors import ConfigError
from cohortium.keys import SiteKey
from cohortium.values import Action

KEY = SiteKey(bytes(32))
FULL = "Retain Longitudinal Temporal Information Full Dates"
MODIFIED = "Retain Longitudinal Temporal Information Modified Dates"
DESCRIPTORS, CHARACTERISTICS = "Clean Descriptors", "Retain Patient Characteristics"
BASIC, FULL_CODE, MODIFIED_CODE, DESCRIPTORS_CODE, CHARACTERISTICS_CODE = (
    "113100",
    "113106",
    "113107",
    "113105",
    "113108",
)

ALWAYS = {
    **dict.fromkeys(("PatientAddress", "PatientTelephoneNumbers", "OtherPatientIDs", "InstitutionName"), Action.REMOVE),
    **dict.fromkeys(("ReferringPhysicianName", "AccessionNumber"), Action.EMPTY),
    **dict.fromkeys(("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"), Action.UID),
    **dict.fromkeys(("Modality", "PixelSpacing", "SliceThickness", "Rows", "KVP"), Action.KEEP),
}
"""What every one of these processes does, for all of them start from the Basic Profile."""

DATES = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")
TIMES = ("StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime")
PHYSIQUE = ("PatientSex", "PatientAge", "PatientSize", "PatientWeight")
DESCRIPTIONS = ("StudyDescription", "SeriesDescription", "ProtocolName", "ContrastBolusAgent")


def all_of(keywords: tuple[str, ...], action: Action) -> dict[str, Action]:
    return dict.fromkeys(keywords, action)


def held(name: str, actions: Mapping[str, Action]) -> None:
    protocol = load_protocol(name)
    for keyword, expected in (ALWAYS | actions).items():
        found, why = action_for(protocol, int(tag_for_keyword(keyword) or 0), factory.CT_IMAGE)
        assert found is expected, f"{keyword}: {found} because {why}"
    assert action_for(protocol, 0x00091001, factory.CT_IMAGE)[0] is Action.REMOVE, "private"


def output(
    name: str, tmp_path: Path, secret: Secret | None = None, listed: str = "", **changes: object
) -> pydicom.Dataset:
    """One CT slice under the preset, with what its subjects need; nothing planted but dates may be left in it."""
    protocol = load_protocol(name)
    anchored = protocol.dates.rule == "anchor"
    table = Table(tmp_path / "subjects.sqlite", KEY, "project", protocol.subject, "site", anchored=anchored)
    if listed:
        table.take([(Patient(factory.ID), listed)])
    by = Deidentifier(protocol, KEY, "project", Subjects(protocol, KEY, "project", secret, table))
    made = by(
        factory.ct(PatientAge="059Y", PatientWeight="80", SeriesDescription="CT ABDOMEN CONTRAST MUELLER", **changes)
    )
    assert isinstance(made, Deidentified), made
    content = factory.joined(made.slices)
    assert set(factory.planted_in(content)) <= {"19610203"}
    return factory.read(content)


def codes(dataset: pydicom.Dataset) -> set[str]:
    return {item.CodeValue for item in dataset.DeidentificationMethodCodeSequence}


def test_chaimeleon_pseudonymise(tmp_path: Path) -> None:
    """All dates and the birth date kept, characteristics kept, descriptions cleaned; random pseudonym in a table."""
    protocol = load_protocol("chaimeleon-pseudonymise")
    assert set(protocol.options) == {DESCRIPTORS, FULL, CHARACTERISTICS}
    held(
        protocol.name,
        all_of((*DATES, *TIMES, *PHYSIQUE, "PatientBirthDate"), Action.KEEP) | all_of(DESCRIPTIONS, Action.CLEAN),
    )
    one, again = output(protocol.name, tmp_path), output(protocol.name, tmp_path)
    elsewhere = output(protocol.name, tmp_path / "other")
    assert one.PatientID == again.PatientID != elsewhere.PatientID, "the table remembers; chance decides"
    assert (one.StudyDate, one.StudyTime, one.PatientBirthDate) == ("20200304", "101112", "19610203")
    assert (one.PatientSex, one.PatientAge, one.PatientWeight) == ("M", "059Y", 80)
    assert one.SeriesDescription == "CT ABDOMEN CONTRAST"
    assert one.LongitudinalTemporalInformationModified == "UNMODIFIED"
    assert codes(one) == {BASIC, FULL_CODE, DESCRIPTORS_CODE, CHARACTERISTICS_CODE}


def test_eucanimage(tmp_path: Path) -> None:
    """SHA-512/256(secret + patient ID), 64 hexadecimal characters; dates kept; Basic Profile."""
    protocol = load_protocol("eucanimage")
    assert protocol.options == (FULL,)
    held(
        protocol.name,
        all_of((*DATES, *TIMES), Action.KEEP)
        | {"PatientBirthDate": Action.EMPTY, "PatientSex": Action.EMPTY, "PatientAge": Action.REMOVE}
        | {"StudyDescription": Action.REMOVE, "SeriesDescription": Action.REMOVE},
    )
    made = output(protocol.name, tmp_path, Secret(b"secret of the project"))
    assert made.PatientID == hashlib.new("sha512_256", b"secret of the project" + factory.ID.encode()).hexdigest()
    assert len(made.PatientID) == 64
    assert made.StudyDate == "20200304"
    assert codes(made) == {BASIC, FULL_CODE}


def test_netzeroaict(tmp_path: Path) -> None:
    """The same hash; contrast agent, series and protocol descriptions kept cleaned; characteristics kept."""
    protocol = load_protocol("netzeroaict")
    assert set(protocol.options) == {DESCRIPTORS, FULL, CHARACTERISTICS}
    held(
        protocol.name,
        all_of((*DATES, *TIMES, *PHYSIQUE), Action.KEEP)
        | all_of(DESCRIPTIONS, Action.CLEAN)
        | {"PatientBirthDate": Action.EMPTY},
    )
    made = output(protocol.name, tmp_path, Secret(b"one"), ContrastBolusAgent="IODINE given by Dr. MUELLER")
    assert made.PatientID == hashlib.new("sha512_256", b"one" + factory.ID.encode()).hexdigest()
    assert output(protocol.name, tmp_path, Secret(b"two")).PatientID != made.PatientID, "a secret per project"
    assert made.SeriesDescription == "CT ABDOMEN CONTRAST"
    assert "MUELLER" not in made.ContrastBolusAgent
    assert "iodine" in made.ContrastBolusAgent.lower()
    assert made.PatientBirthDate == ""


def test_procancer_i(tmp_path: Path) -> None:
    """Names by convention; the first date anchored once; times obscured; Supplement 142 for the rest."""
    protocol = load_protocol("procancer-i")
    assert protocol.options == (MODIFIED,)
    held(
        protocol.name,
        all_of((*DATES, *TIMES), Action.MODIFY)
        | {"PatientBirthDate": Action.EMPTY, "PatientAge": Action.REMOVE, "StudyDescription": Action.REMOVE},
    )
    first, later = output(protocol.name, tmp_path), output(protocol.name, tmp_path, StudyDate="20200404")
    earlier = output(protocol.name, tmp_path, StudyDate="20200303")
    assert {each.PatientID for each in (first, later, earlier)} == {"project-site-0001"}
    assert [each.StudyDate for each in (first, later, earlier)] == ["20000101", "20000201", "19991231"]
    assert first.StudyTime == "000000"
    assert first.LongitudinalTemporalInformationModified == "MODIFIED"
    assert codes(first) == {BASIC, MODIFIED_CODE}


def test_primage(tmp_path: Path) -> None:
    """A pseudonym per context, linkable by the key alone; dates kept; what PS3.15 lists removed or emptied."""
    protocol = load_protocol("primage")
    assert protocol.options == (FULL,)
    held(protocol.name, all_of((*DATES, *TIMES), Action.KEEP) | {"PatientBirthDate": Action.EMPTY})
    made = output(protocol.name, tmp_path)
    contexts = set()
    for context in ("project", "second", "third"):
        people = Table(tmp_path / "subjects.sqlite", KEY, context, protocol.subject, "site")
        (known,) = people.admit(Patient(factory.ID)).values()
        contexts.add(known.pseudonym)
    assert len(contexts) == 3
    assert made.PatientID in contexts
    again = output(protocol.name, tmp_path, PatientID=made.PatientID, PatientName=made.PatientID, PatientBirthDate="")
    assert again.PatientID not in contexts, "what is a pseudonym already is mapped again"
    assert codes(made) == {BASIC, FULL_CODE}


def test_eurobioimaging(tmp_path: Path) -> None:
    """Pseudonyms from a list; every date removed; no option."""
    protocol = load_protocol("eurobioimaging")
    assert protocol.options == ()
    held(
        protocol.name,
        all_of(("SeriesDate", "AcquisitionDate", "AcquisitionTime"), Action.REMOVE)
        | all_of(("StudyDate", "StudyTime", "ContentDate", "PatientBirthDate", "PatientSex"), Action.EMPTY)
        | all_of(("PatientAge", "PatientWeight", "StudyDescription", "SeriesDescription"), Action.REMOVE),
    )
    made = output(protocol.name, tmp_path, listed="EBI-17")
    assert (made.PatientID, made.StudyDate, made.PatientBirthDate) == ("EBI-17", "", "")
    assert made.LongitudinalTemporalInformationModified == "REMOVED"
    assert codes(made) == {BASIC}


@pytest.mark.parametrize("name", sorted(standard.not_yet()))
def test_what_is_not_there_yet_is_refused_by_name(name: str) -> None:
    assert name not in names()
    with pytest.raises(ConfigError, match=f"{name}.*is not in this version: it needs"):
        load_protocol(name)
