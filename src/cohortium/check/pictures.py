"""Small pictures of the slices that findings are about, for a report that people read.

What always holds: a series is drawn only where the rules of privacy looked at every header of it and found nothing,
and only pictures that a scanner makes as such, on which nobody writes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from cohortium.check import scan as scans
from cohortium.check.scan import File, Scan
from cohortium.dicom import codecs, meta, render
from cohortium.errors import Malformed
from cohortium.values import Finding

__all__ = ["Picture", "is_plain", "pictures", "was_judged"]

JUDGES = frozenset({"privacy.attribute", "privacy.burned-in", "privacy.private", "privacy.text"})
PRIVACY = "privacy."
PLAIN = frozenset({"CT", "MR", "PT"})
MADE_BY_DEVICE = "ORIGINAL\\PRIMARY"
MOST = 3  # of one series
EDGE = 160  # pixels


@dataclass(frozen=True, slots=True)
class Picture:
    """A slice as PNG, under its window, and which of its series it is; the middle one stands for all of it."""

    SeriesInstanceUID: str
    SOPInstanceUID: str
    place: str
    middle: bool
    png: bytes


def is_plain(file: File) -> bool:
    """Whether it is an image of CT, MR or PET as the device made it."""
    instance = file.instance
    return instance.Modality in PLAIN and instance.text("ImageType").upper().startswith(MADE_BY_DEVICE)


def was_judged(asked: Collection[str], skipped: Collection[str], findings: Sequence[Finding]) -> bool:
    """Whether the rules of privacy looked at a series and have nothing to say."""
    return set(asked) >= JUDGES and JUDGES.isdisjoint(skipped) and not any(map(_is_private, findings))


def pictures(scan: Scan, findings: Sequence[Finding]) -> tuple[Picture, ...]:
    """Of the slices that the findings blame, and of the middle one where they blame the series."""
    return tuple(islice(_pictures(scan, findings), MOST)) if findings else ()


def _pictures(scan: Scan, findings: Sequence[Finding]) -> Iterator[Picture]:
    files = {file.instance.SOPInstanceUID: file for file in scan.files if is_plain(file) and meta.frames(file.instance)}
    stack = list(dict.fromkeys(plane.instance.SOPInstanceUID for plane in scan.series.planes)) or list(files)
    blamed = dict.fromkeys(each.SOPInstanceUID for each in findings if each.SOPInstanceUID)
    whole = any(not each.SOPInstanceUID for each in findings)
    middle = stack[len(stack) // 2 :][:1] if whole else []
    for UID in dict.fromkeys([*islice(blamed, MOST - len(middle)), *middle]):
        drawn = _drawn(files[UID]) if UID in files else b""
        if drawn:
            place = f"slice {stack.index(UID) + 1} of {len(stack)}" if UID in stack else "outside the stack"
            yield Picture(scan.SeriesInstanceUID, UID, place, UID in middle, drawn)


def _drawn(file: File) -> bytes:
    """The middle frame; nothing where it cannot be decoded, which other rules tell."""
    try:
        with scans.opened(file.path) as content:
            dataset = codecs.read(bytes(content))
        return render.png(render.picture(dataset, codecs.frames(dataset) // 2), EDGE)
    except (Malformed, OSError):
        return b""


def _is_private(finding: Finding) -> bool:
    return finding.rule.startswith(PRIVACY)
