"""Results of a search as DICOM JSON, written row by row as text: keys, VRs and order are made once for all of them.

A thousand rows as Python objects take longer to build and to write than the store takes to find them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from json import JSONEncoder
from typing import Any

from cohortium.find.attributes import ATTRIBUTES, MODALITIES, Attribute, Level

__all__ = ["UIDS", "text"]

COUNTS = {
    "NumberOfStudyRelatedSeries": ("00201206", Level.STUDY),
    "NumberOfStudyRelatedInstances": ("00201208", Level.STUDY),
    "NumberOfSeriesRelatedInstances": ("00201209", Level.SERIES),
}
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
AVAILABILITY, RETRIEVE_URL = "00080056", "00081190"
ONLINE = '{"vr":"CS","Value":["ONLINE"]}'

Row = Mapping[str, Any]
json = JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode


def text(rows: Iterable[tuple[Row, Row]], level: Level, pinned: int, address: Callable[..., str]) -> str:
    """A JSON array of rows, each with further elements by tag.

    A row has the attributes of its own level, those of levels that the address leaves open (it names `pinned` UIDs),
    and all UIDs.
    """
    return "[" + ",".join(_row(row, further, level, pinned, address) for row, further in rows) + "]"


def _row(row: Row, further: Row, level: Level, pinned: int, address: Callable[..., str]) -> str:
    found = {tag: json(element) for tag, element in further.items()}
    for attribute in _attributes(level, pinned):
        found[attribute.tag] = _element(attribute.vr, row[attribute.keyword])
    for sequence, within in _sequences(level, pinned):
        item = [f'"{each.tag}":{_element(each.vr, row[each.keyword])}' for each in within if row[each.keyword]]
        if item:
            found[sequence] = '{"vr":"SQ","Value":[{' + ",".join(item) + "}]}"
    for keyword, (tag, of) in COUNTS.items():
        if pinned <= of <= level:
            found[tag] = f'{{"vr":"IS","Value":[{row[keyword]}]}}'
    if not pinned:
        found[MODALITIES.tag] = f'{{"vr":"CS","Value":{json(row[MODALITIES.keyword])}}}'
    found[AVAILABILITY] = ONLINE
    found[RETRIEVE_URL] = _element("UR", address(row["project"], *(row[keyword] for keyword in UIDS[: level + 1])))
    return "{" + ",".join([f'"{tag}":{found[tag]}' for tag in sorted(found)]) + "}"


@cache
def _attributes(level: Level, pinned: int) -> list[Attribute]:
    return [each for each in ATTRIBUTES.values() if not each.sequence and _is_shown(each, level, pinned)]


@cache
def _sequences(level: Level, pinned: int) -> list[tuple[str, list[Attribute]]]:
    within = [each for each in ATTRIBUTES.values() if each.sequence and _is_shown(each, level, pinned)]
    names = dict.fromkeys(each.sequence for each in within)
    return [(name, [each for each in within if each.sequence == name]) for name in names]


def _is_shown(attribute: Attribute, level: Level, pinned: int) -> bool:
    return attribute.level <= level and (attribute.level >= pinned or attribute.keyword in UIDS)


def _element(vr: str, value: Any) -> str:
    if value is None or value == "":
        return f'{{"vr":"{vr}"}}'
    said = str(value) if isinstance(value, int) else json(value)
    return f'{{"vr":"{vr}","Value":[{{"Alphabetic":{said}}}]}}' if vr == "PN" else f'{{"vr":"{vr}","Value":[{said}]}}'
