"""Which of XNAT's types a session or a scan is, by its modalities, and the schema of all types that we hold.

XNAT's clients make their classes of this schema, so it names what is held and nothing else.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from cohortium.archive.resources import Level
from cohortium.find.criteria import Kind

__all__ = ["PROJECT", "RESOURCE", "SUBJECT", "elements", "kind", "modality_of", "scan_type", "schema", "session_type"]

PROJECT, SUBJECT, RESOURCE = "xnat:projectData", "xnat:subjectData", "xnat:resourceCatalog"
WHOLE = {  # types of all things of a level
    PROJECT: Level.PROJECT,
    SUBJECT: Level.SUBJECT,
    **dict.fromkeys(("xnat:imageSessionData", "xnat:subjectAssessorData", "xnat:experimentData"), Level.SESSION),
    "xnat:imageScanData": Level.SCAN,
}
FOLDER = Path(__file__).parent
OTHER = "OT"
EXTENSION = """
  <xs:element name="{element}" type="{name}"/>
  <xs:complexType name="{element}">
    <xs:complexContent><xs:extension base="{base}"/></xs:complexContent>
  </xs:complexType>"""


@cache
def _rows() -> dict[str, dict[str, str]]:
    with (FOLDER / "types.csv").open(newline="", encoding="utf-8") as file:
        return {row["Modality"]: row for row in csv.DictReader(file)}


def scan_type(modality: str) -> str:
    """The type of a scan."""
    return _rows().get(modality, _rows()[OTHER])["scan"]


def session_type(modalities: Iterable[str]) -> str:
    """The type of a session: that of the modality that stands first in the table; a PET/CT is a PET."""
    held = set(modalities)
    first = next((modality for modality in _rows() if modality in held), OTHER)
    return _rows()[first]["session"]


def modality_of(xsi_type: str) -> str | None:
    """The modality that a type speaks of, None where it is none of a session or a scan."""
    return next((key for key, row in _rows().items() if xsi_type in (row["session"], row["scan"])), None)


def kind(xsi_type: str) -> Kind | None:
    """What things are of a type; None where that is none that is held."""
    if xsi_type in WHOLE:
        return Kind(WHOLE[xsi_type])
    for level, column in ((Level.SESSION, "session"), (Level.SCAN, "scan")):
        if held := frozenset(key for key, row in _rows().items() if row[column] == xsi_type):
            return Kind(level, held, tuple(_rows()))
    return None


def elements() -> list[str]:
    """Every type that can be searched for."""
    sessions = dict.fromkeys(row["session"] for row in _rows().values())
    scans = dict.fromkeys(row["scan"] for row in _rows().values())
    return [PROJECT, SUBJECT, *sessions, *scans]


@cache
def schema() -> str:
    """The schema as XML: what stands in `xnat.xsd`, and a type for each of the table."""
    found = "".join(
        EXTENSION.format(element=name.removeprefix("xnat:"), name=name, base=base)
        for column, base in (("session", "xnat:imageSessionData"), ("scan", "xnat:imageScanData"))
        for name in dict.fromkeys(row[column] for row in _rows().values())
    )
    return (FOLDER / "xnat.xsd").read_text("utf-8").replace("</xs:schema>", f"{found}\n</xs:schema>")
