"""The attributes that QIDO-RS matches and answers from columns (PS3.18 10.6), each with its level."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib.resources import files
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from sqlalchemy import Column

from cohortium.store.schema import instance, scan, session, subject

__all__ = ["ATTRIBUTES", "MODALITIES", "SERIES", "Attribute", "Level", "level_of"]


class Level(IntEnum):
    STUDY = 0
    SERIES = 1
    INSTANCE = 2


def level_of(tag: str) -> Level:
    """To which level an attribute of a header belongs; to the instance where `levels.csv` does not say otherwise."""
    return _levels().get(tag, Level.INSTANCE)


@cache
def _levels() -> Mapping[str, Level]:
    table = files("cohortium.find").joinpath("levels.csv").read_text("utf-8")
    rows = csv.DictReader(table.splitlines())
    return {f"{tag_for_keyword(row['keyword']):08X}": Level[row["level"].upper()] for row in rows}


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """`tag` and `sequence` as keys of DICOM JSON; `sequence` is what it stands within, if anything."""

    keyword: str
    tag: str
    vr: str
    level: Level
    column: Column[Any]  # of MODALITIES, that of the alias SERIES
    sequence: str = ""


def _attributes(level: Level, columns: Mapping[str, Column[Any]], sequence: str = "") -> list[Attribute]:
    found = []
    for keyword, column in columns.items():
        tag = tag_for_keyword(keyword)
        assert tag is not None
        found.append(Attribute(keyword, f"{tag:08X}", dictionary_VR(tag), level, column, sequence))
    return found


def _named(table: Any, *keywords: str) -> dict[str, Column[Any]]:
    return {keyword: table.c[keyword] for keyword in keywords}


_all = [
    *_attributes(Level.STUDY, _named(session, "StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber")),
    *_attributes(Level.STUDY, _named(session, "ReferringPhysicianName", "StudyID", "StudyDescription", "PatientName")),
    *_attributes(Level.STUDY, _named(session, "PatientBirthDate", "PatientSex") | _named(subject, "PatientID")),
    *_attributes(Level.SERIES, _named(scan, "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription")),
    *_attributes(Level.SERIES, _named(scan, "BodyPartExamined", "PerformedProcedureStepStartDate")),
    *_attributes(Level.SERIES, _named(scan, "PerformedProcedureStepStartTime")),
    *_attributes(Level.SERIES, _named(scan, "ScheduledProcedureStepID", "RequestedProcedureID"), "00400275"),
    *_attributes(Level.INSTANCE, _named(instance, "SOPClassUID", "SOPInstanceUID", "InstanceNumber")),
    *_attributes(Level.INSTANCE, _named(instance, "NumberOfFrames", "Rows", "Columns", "BitsAllocated")),
]

ATTRIBUTES: Mapping[str, Attribute] = {
    f"{each.sequence}.{each.tag}" if each.sequence else each.tag: each for each in _all
}
"""By the key of DICOM JSON, within a sequence by both keys joined with a dot."""

SERIES = scan.alias("series")
MODALITIES = Attribute("ModalitiesInStudy", "00080061", "CS", Level.STUDY, SERIES.c.Modality)
"""Of a study, the modalities of its series."""
