"""Small pictures of the slices that findings are about, for a report that people read.

What always holds: a series is drawn only where the rules of privacy looked at every header of it and found nothing,
and only pictures that a scanner makes as such, on which nobody writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cohortium.check import scan as scans
from cohortium.check.rule import Check
from cohortium.check.scan import File, Scan
from cohortium.dicom import codecs, meta, render
from cohortium.errors import Malformed
from cohortium.values import Finding, Severity

__all__ = ["OF_RULE", "Picture", "few", "is_plain", "pictures", "was_judged"]

JUDGES = frozenset({"privacy.attribute", "privacy.burned-in", "privacy.private", "privacy.text"})
PRIVACY = "privacy."
PLAIN = frozenset({"CT", "MR", "PT"})
MADE_BY_DEVICE = "ORIGINAL\\PRIMARY"
MOST = 4  # of one series
OF_RULE = 12
WORST_FIRST = tuple(reversed(Severity))
EDGE = 160  # pixels


@dataclass(frozen=True, slots=True)
class Picture:
    """A slice as PNG, under its window: which of its series it is, and as what it shows what each rule found."""

    SeriesInstanceUID: str
    place: str
    rules: Mapping[str, str]
    png: bytes


def is_plain(file: File) -> bool:
    """Whether it is an image of CT, MR or PET as the device made it."""
    instance = file.instance
    return instance.Modality in PLAIN and instance.text("ImageType").upper().startswith(MADE_BY_DEVICE)


def was_judged(asked: Collection[str], skipped: Collection[str], findings: Sequence[Finding]) -> bool:
    """Whether the rules of privacy looked at a series and have nothing to say."""
    return set(asked) >= JUDGES and JUDGES.isdisjoint(skipped) and not any(map(_is_private, findings))


def pictures(scan: Scan, findings: Sequence[Finding], checks: Mapping[str, Check]) -> tuple[Picture, ...]:
    """Of the slices that the findings blame, or that show what is wrong with the series; those of errors first."""
    files = {file.instance.SOPInstanceUID: file for file in scan.files if is_plain(file) and meta.frames(file.instance)}
    wanted: dict[str, dict[str, str]] = {}
    for finding in sorted(findings, key=lambda each: WORST_FIRST.index(each.severity)):
        for UID, says in _blamed(scan, finding, checks[finding.rule]):
            if UID in files and (UID in wanted or len(wanted) < MOST):
                shown = says if meta.frames(files[UID].instance) == 1 else "the middle frame of what it is about"
                wanted.setdefault(UID, {}).setdefault(finding.rule, shown)
    stack = list(dict.fromkeys(plane.instance.SOPInstanceUID for plane in scan.series.planes)) or list(files)
    drawn = {UID: _drawn(files[UID]) for UID in wanted}
    return tuple(
        Picture(scan.SeriesInstanceUID, _place(stack, UID), wanted[UID], png) for UID, png in drawn.items() if png
    )


def few(pictures: Iterable[Picture], counts: Counter[str]) -> Iterator[Picture]:
    """Those that some rule has too few of yet; `counts` are how many each has."""
    for picture in pictures:
        if any(counts[rule] < OF_RULE for rule in picture.rules):
            counts.update(picture.rules.keys())
            yield picture


def _blamed(scan: Scan, finding: Finding, check: Check) -> Iterator[tuple[str, str]]:
    if finding.SOPInstanceUID:
        yield finding.SOPInstanceUID, "the one it is about"
    elif check.show:
        yield from ((instance.SOPInstanceUID, says) for instance, says in check.show(scan))


def _place(stack: Sequence[str], UID: str) -> str:
    return f"slice {stack.index(UID) + 1} of {len(stack)}" if UID in stack else "outside the stack"


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
