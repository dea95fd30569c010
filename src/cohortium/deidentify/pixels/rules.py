"""What the header alone says about text in a picture: rectangles to blank, or that a person must look.

What always holds: an object whose pixels are a risk (`standard.pixel_risk`) gets rectangles only from a rule of
`rules.toml`; where no rule knows it, or a rule's facts make no sense, it is held.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword

from cohortium.deidentify import standard
from cohortium.deidentify.pixels import signatures, ultrasound
from cohortium.deidentify.pixels.signatures import Condition, Signature
from cohortium.dicom import codecs
from cohortium.dicom.redact import Areas, Rectangle
from cohortium.errors import ConfigError

__all__ = ["Hold", "Rules", "load", "regions", "shipped"]

MOST_FRAMES = 1 << 16  # an hour of film


@dataclass(frozen=True, slots=True)
class Hold:
    """The picture stays where it is until a person has looked at it; the reasons never repeat a value of it."""

    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.reasons)


@dataclass(frozen=True, slots=True)
class Rules:
    """`rules.toml`, read: kinds that are held with the reason, how ultrasound is judged, and devices."""

    hold: Mapping[str, str]
    ultrasound: frozenset[str]
    largest: float
    signatures: tuple[Signature, ...]


def regions(dataset: Dataset, rules: Rules | None = None) -> Areas | Hold:
    """What to blank in each frame, from the header of the object as it came.

    An object without a risk gets the rectangles of the signatures that match it, and else none.
    """
    rules = rules or shipped()
    try:
        found = _rectangles(dataset, rules)
        frames = int(dataset.get("NumberOfFrames") or 1)
    except codecs.BAD_INPUT:
        return Hold(("its header does not say what the picture is like",))
    if isinstance(found, Hold):
        return found
    if not found:
        return {}
    return dict.fromkeys(range(frames), found) if frames <= MOST_FRAMES else Hold(("it claims more frames than any",))


def _rectangles(dataset: Dataset, rules: Rules) -> tuple[Rectangle, ...] | Hold:
    sop_class, image_type = signatures.text(dataset, "SOPClassUID"), signatures.text(dataset, "ImageType")
    modality, burned_in = signatures.text(dataset, "Modality"), signatures.text(dataset, "BurnedInAnnotation")
    risk = standard.pixel_risk(sop_class, modality, burned_in, image_type)
    if reason := rules.hold.get(standard.iod(sop_class)):
        return Hold((reason,))
    if standard.shows_a_screen(image_type):
        return Hold((rules.hold["screen"],))
    if "Rows" not in dataset:
        return Hold((risk,)) if risk else ()
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    known = [
        each
        for signature in rules.signatures
        if signature.matches(dataset)
        for each in signatures.placed(signature.rectangles, rows, columns)
    ]
    if modality in rules.ultrasound and "SequenceOfUltrasoundRegions" in dataset:
        scans = ultrasound.declared(dataset)
        if scans is None:
            return Hold(("its ultrasound regions make no sense",))
        if 1 - ultrasound.uncovered(scans, rows, columns) > rules.largest:
            return Hold(("its ultrasound regions are nearly the whole picture, so they do not tell where text is",))
        known += ultrasound.around(scans, rows, columns)
    return tuple(known) if known or not risk else Hold((risk, "no rule knows where this device writes"))


@cache
def shipped() -> Rules:
    """The rules that come with Cohortium."""
    return load(files("cohortium.deidentify.pixels").joinpath("rules.toml").read_text("utf-8"))


def load(text: str) -> Rules:
    """Rules from TOML; one `ConfigError` names every mistake in a signature."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"pixel rules: {error}") from None
    entries = document.get("signature", [])
    if problems := [problem for number, entry in enumerate(entries, 1) for problem in _problems(number, entry)]:
        raise ConfigError("pixel rules:\n" + "\n".join(f"  {problem}" for problem in problems))
    scans = document.get("ultrasound", {})
    return Rules(
        hold=document.get("hold", {}) | {"screen": document.get("hold", {}).get("screen", "a picture of a screen")},
        ultrasound=frozenset(scans.get("modalities", ())),
        largest=float(scans.get("largest", 0)),
        signatures=tuple(_signature(entry) for entry in entries),
    )


def _signature(entry: Mapping[str, Any]) -> Signature:
    where = tuple(Condition(*condition) for condition in entry["where"])
    return Signature(entry["name"], where, tuple(Rectangle(*each) for each in entry["rectangles"]))


def _problems(number: int, entry: Mapping[str, Any]) -> Iterator[str]:
    name = f"signature {number}"
    if not isinstance(entry.get("name"), str):
        yield f"{name}: a name is expected"
    if not entry.get("where") or not entry.get("rectangles"):
        yield f"{name}: conditions (where) and rectangles are expected"
    for condition in entry.get("where") or ():
        if reason := _senseless(condition):
            yield f"{name}: {reason}"
    for each in entry.get("rectangles") or ():
        if len(each) != 4 or not all(isinstance(edge, int) for edge in each) or each[2] < 1 or each[3] < 1:
            yield f"{name}: a rectangle is [left, top, width, height], with a size of at least one pixel"


def _senseless(condition: Sequence[object]) -> str:
    """Why nothing can be tested so; empty where it can."""
    if not 2 <= len(condition) <= 3 or not all(isinstance(part, str) for part in condition):
        return "a condition is [keyword, test, value], all of them text"
    keyword, test, *value = map(str, condition)
    if tag_for_keyword(keyword) is None:
        return f"{keyword} is no attribute"
    if test not in signatures.TESTS:
        return f"{test} is no test; there are {', '.join(signatures.TESTS)}"
    if test != "absent" and not value:
        return f"{keyword} {test}: a value is expected"
    if test == "matches":
        try:
            re.compile(value[0])
        except re.error:
            return f"{keyword} matches: no regular expression"
    return ""
