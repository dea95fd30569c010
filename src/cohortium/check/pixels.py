"""Whether words that tell who somebody is can be read in pictures (check 1), where the extra `ocr` is installed.

Every picture is read of what may carry text, and a few of each series of CT, MR and PET as the device made them. A
reader misses some text, so that nothing was read is no proof. What was read stands in no finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from cohortium.check import scan as scans
from cohortium.check.pictures import is_plain
from cohortium.check.rule import Check, Found, Limit, Rule, Scope, Skipped
from cohortium.check.scan import File, Scan
from cohortium.dicom import codecs, meta, reading
from cohortium.errors import Malformed
from cohortium.texts.said import Said
from cohortium.texts.wording import objection

__all__ = ["CHECKS"]

SURE = 0.6  # of a text that counts as read
SHORTEST = 3  # letters and digits that may be a name and are no mark of a side
NOT_INSTALLED = "text in pixels is read with the extra ocr, which is not installed"
UNREADABLE = "pictures that cannot be decoded were not read"


def text(scan: Scan, rule: Rule) -> Found:
    """Nothing can be read in a picture but words that radiology shares."""
    if not reading.available():
        yield Skipped(NOT_INSTALLED)
        return
    wanted = _chosen(scan, int(rule.limits["pictures"]))
    verdicts = [(file, _says_more(file)) for file in wanted]
    told = [file for file, verdict in verdicts if verdict]
    if told:
        fact = f"text that is on no vocabulary can be read in {len(told)} of {len(wanted)} pictures looked at"
        blamed = told[0].instance.SOPInstanceUID if len(told) == 1 else ""
        yield rule.finding(fact, SeriesInstanceUID=scan.SeriesInstanceUID, SOPInstanceUID=blamed, variable="PixelData")
    if any(verdict is None for _, verdict in verdicts):
        yield Skipped(UNREADABLE)


def _chosen(scan: Scan, few: int) -> list[File]:
    """All that may carry text, and `few` of the others, evenly spread over the series."""
    pictures = [file for file in scan.files if meta.frames(file.instance)]
    plain = [file for file in pictures if is_plain(file)]
    steps = {(2 * number + 1) * len(plain) // (2 * few) for number in range(few)} if plain and few else set()
    return [*(file for file in pictures if not is_plain(file)), *(plain[step] for step in sorted(steps))]


def _says_more(file: File) -> bool | None:
    """Whether a picture says more than it may; None where it cannot be decoded."""
    known = {file.instance.PatientID} - {""}
    try:
        return any(_tells(each.text, known) for each in _read(file) if each.score >= SURE)
    except (Malformed, OSError):
        return None


def _tells(words: str, known: set[str]) -> bool:
    return sum(map(str.isalnum, words)) >= SHORTEST and bool(objection(Said("", words), known))


def _read(file: File) -> Iterator[reading.Text]:
    with scans.opened(file.path) as content:
        dataset = codecs.read(bytes(content))
    for index in {0, codecs.frames(dataset) // 2}:
        for shade in reading.shades(codecs.decode(dataset, index)[0]):
            yield from _reader()(shade)


@cache
def _reader() -> reading.Reader:
    return reading.Reader()


CHECKS = (Check("privacy.pixels", Scope.FILES, text, {"pictures": Limit.NUMBER}),)
