"""Whether slices look as they should: numbers first, verdicts by the specification's limits.

What was measured of a series is in the report whether or not a limit is broken. The verdicts are hints for a person
who looks at the pictures; no rule says that an image is good. Slices of CT, MR and PET are measured, frames of
multi-frame objects among them; a rule that makes no sense of a modality, or could not look at a slice, says that it was
skipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cohortium.check import measures
from cohortium.check.rule import Check, Found, Limit, Rule, Scope, Shown, Skipped, once
from cohortium.check.scan import Scan, middle
from cohortium.check.series import SLICED, Series, figure
from cohortium.check.slices import Pictures, pictures
from cohortium.values import Finding, Instance

__all__ = ["CHECKS", "numbers"]

UNREAD = "slices that cannot be decoded were not measured"
NOTHING = "there is no slice of CT, MR or PET that can be measured"
CT_ALONE = "it is told of computed tomography alone"
SAMPLED = "neighbours are not compared in a compressed series, of which a few slices are decoded"
AXIAL = 0.9  # of the slices' normal lies along the body
LEAST = 0.005  # of a slice: with less body in it there is nothing to measure
CHEST = frozenset({"CHEST", "LUNG", "THORAX"})
TRUNK = CHEST | {"", "ABDOMEN", "CHESTABDOMEN", "CHESTABDPELVIS", "HEART", "PELVIS"}
MANY = 90  # per cent of the slices


@dataclass(frozen=True, slots=True)
class Measured:
    """The slices as they were seen, those of them that are blank, and what was measured in the others."""

    seen: Pictures
    body: np.ndarray[Any, Any]
    spread: np.ndarray[Any, Any]
    tissue: np.ndarray[Any, Any]
    numbers: Mapping[str, float]


def numbers(scan: Scan) -> Mapping[str, float]:
    """What rules measured of the series, by name; empty if none was held against it or there was nothing to measure."""
    found = scan.known.get(_measured)
    return found.numbers if found else {}


def clipped(scan: Scan, rule: Rule) -> Found:
    """No more than a share of a slice has the largest value that its bits can hold."""
    if found := once(scan, _measured):
        blamed = _blamed(found.seen, found.seen.top > rule.most)
        if blamed:
            worst = _percent(found.numbers["saturated"])
            fact = f"the largest value that can be stored fills up to {worst} of {_slices(blamed, found)}"
            yield _finding(scan, rule, fact, blamed)
    yield from _unread(scan)


def constant(scan: Scan, rule: Rule) -> Found:
    """No slice has one value only."""
    if found := once(scan, _measured):
        blamed = _blamed(found.seen, found.spread == 0)
        if blamed:
            yield _finding(scan, rule, f"one value fills {_slices(blamed, found)}", blamed)
    yield from _unread(scan)


def empty(scan: Scan, rule: Rule) -> Found:
    """Every slice that has several values shows a body."""
    if found := once(scan, _measured):
        blamed = _blamed(found.seen, (found.spread > 0) & (found.tissue < rule.least))
        if blamed:
            around = "air" if found.seen.modality == "CT" else "background"
            yield _finding(scan, rule, f"there is nothing but {around} in {_slices(blamed, found)}", blamed)
    yield from _unread(scan)


def dose(scan: Scan, rule: Rule) -> Found:
    """CTDIvol (mGy) of no image is beyond the limit."""
    images = [each for each in scan.series.images if each.Modality == "CT"]
    if not images:
        yield Skipped(CT_ALONE)
    high = [each for each in images if (each.number("CTDIvol") or 0) > rule.most]
    if high:
        most = max(each.number("CTDIvol") or 0 for each in high)
        fact = (
            f"CTDIvol is up to {figure(most)} mGy in {len(high)} of {len(images)} images, {figure(rule.most)} is usual"
        )
        yield scan.series.finding(rule, fact, high, "CTDIvol")


def field(scan: Scan, rule: Rule) -> Found:
    """The body lies within the field of view: its rim shows little of it in nine of ten slices."""
    say = "the body reaches {} of the rim of the field of view"
    return _beyond(scan, rule, "edge", lambda edge: say.format(_percent(edge)), limit=_percent)


def motion(scan: Scan, rule: Rule) -> Found:
    """No slice differs from its neighbour many times more than the pairs around do."""
    found = once(scan, _measured)
    if found and found.seen.modality == "CT" and not found.seen.complete:
        yield Skipped(SAMPLED)
        return
    say = "two neighbouring slices differ {} times as much as those around: the patient moved, or slices are missing"
    yield from _beyond(scan, rule, "step", lambda step: say.format(figure(round(step, 1))), ("CT",))


def noise(scan: Scan, rule: Rule) -> Found:
    """Noise in soft tissue is within the limit, in HU; in MR and PET the body stands out of it as far as the limit."""
    found = once(scan, _measured)
    if found is None or found.seen.modality == "CT":
        yield from _beyond(scan, rule, "noise", lambda sigma: f"noise in soft tissue is {figure(round(sigma, 1))} HU")
        return
    ratio = found.numbers.get("signal_to_noise", math.inf)
    if ratio < rule.least:
        fact = f"the body stands out of the noise by {figure(round(ratio, 1))} times its deviation"
        yield scan.series.finding(rule, f"{fact}, {figure(rule.least)} is the limit")
    yield from _unread(scan)


def orientation(scan: Scan, rule: Rule) -> Found:
    """Bone lies behind the middle of the trunk in axial slices, where the images say that the back is."""
    say = "bone lies in front of the middle of the body, so front and back may be exchanged"
    return _beyond(scan, rule, "bone_in_front", lambda _: say, ("CT",))


def region(scan: Scan, rule: Rule) -> Found:
    """Images of the chest show lung."""
    found = once(scan, _measured)
    if found and found.seen.modality != "CT":
        yield Skipped(CT_ALONE)
        return
    if found and _part(scan.series) in CHEST and found.numbers.get("lung", math.inf) < rule.least:
        most = _percent(found.numbers["lung"])
        fact = f"no slice shows more than {most} of lung, although BodyPartExamined says chest"
        yield scan.series.finding(rule, fact, variable="BodyPartExamined")
    yield from _unread(scan)


def rings(scan: Scan, rule: Rule) -> Found:
    """No circle about the middle of the picture stands out, in standard errors."""
    say = "a circle about the middle of the pictures stands out by {} standard errors: a ring artefact"
    return _beyond(scan, rule, "ring", lambda errors: say.format(figure(round(errors, 1))), ("CT",))


def _beyond(
    scan: Scan,
    rule: Rule,
    name: str,
    say: Callable[[float], str],
    modalities: Collection[str] = SLICED,
    limit: Callable[[float], str] = figure,
) -> Found:
    found = once(scan, _measured)
    if found and found.seen.modality not in modalities:
        yield Skipped(CT_ALONE)
        return
    if found and found.numbers.get(name, 0.0) > rule.most:
        yield scan.series.finding(rule, f"{say(found.numbers[name])}, {limit(rule.most)} is the limit")
    yield from _unread(scan)


@np.errstate(all="ignore")  # absurd scales make infinities, which are no numbers of a series
def _measured(scan: Scan) -> Measured | None:
    seen = pictures(scan)
    if seen is None:
        return None
    spread = measures.spread(seen.coarse)
    seen = seen if seen.modality == "CT" else seen.magnitudes()
    body = _bodies(seen)
    tissue = measures.tissue(seen.coarse, body)
    shown = (spread > 0) & (tissue >= LEAST)  # blank slices have rules of their own
    found: dict[str, float] = {"measured": len(seen.instances), "saturated": float(seen.top.max())}
    look = _of_tomography if seen.modality == "CT" else _of_others
    found |= look(scan.series, seen, shown, body)
    numbers = {key: round(each, 4) for key, each in found.items() if math.isfinite(each)}
    return Measured(seen, body, spread, tissue, numbers)


def _bodies(seen: Pictures) -> np.ndarray[Any, Any]:
    """Of each slice the value from which on a sample is body; one for each volume where units have no fixed values."""
    body = np.full(len(seen.instances), measures.BODY)
    for volume in np.unique(seen.volume) if seen.modality != "CT" else ():
        body[seen.volume == volume] = measures.body_of(seen.coarse[seen.volume == volume])
    return body


def _of_tomography(series: Series, seen: Pictures, shown: np.ndarray[Any, Any], _: object) -> Mapping[str, float]:
    coarse, full = seen.coarse[shown], [each for at, each in seen.full.items() if shown[at]]
    found: dict[str, float] = {}
    if full:
        sigmas = [measures.noise(each) for each in full]
        ratios = [measures.signal_to_noise(each, sigma) for each, sigma in zip(full, sigmas, strict=True)]
        found |= {"noise": _middle(sigmas), "signal_to_noise": _middle(ratios), "ring": measures.rings(full)}
    if len(coarse):
        parts = [seen.coarse[shown & (seen.volume == volume)] for volume in np.unique(seen.volume)]
        steps = [float(max(measures.jumps(part), default=1.0)) for part in parts]
        found |= {"lung": measures.lung(coarse), "step": max(steps)}
    if len(coarse) and _is_axial(series):
        found["edge"] = float(np.percentile(measures.edge_tissue(coarse), MANY))
        cosines = seen.instances[0].numbers("ImageOrientationPatient")
        if cosines and _part(series) in TRUNK:
            found["bone_in_front"] = -measures.bone_behind(coarse, (cosines[4], cosines[1]))
    return found


def _of_others(
    series: Series, seen: Pictures, shown: np.ndarray[Any, Any], body: np.ndarray[Any, Any]
) -> Mapping[str, float]:
    """Of MR and PET: by how much the body stands out of noise and background, and whether it is cut."""
    found: dict[str, float] = {}
    ratios = []
    for at, full in seen.full.items():
        if shown[at]:
            span, dark = (float(body[at]), math.inf), float(np.percentile(seen.coarse[at], measures.DARK))
            ratios.append(measures.signal_to_noise(full, measures.noise(full, span), span, dark))
    if ratios:
        found["signal_to_noise"] = _middle(ratios)
    if shown.any() and _is_axial(series):
        found["edge"] = float(np.percentile(measures.square_edge(seen.coarse[shown], body[shown]), MANY))
    return found


def _is_axial(series: Series) -> bool:
    """Whether the slices lie across the body; what there is at their edge tells nothing of others."""
    return series.normal is not None and abs(series.normal[2]) >= AXIAL


def _part(series: Series) -> str:
    return series.images[0].text("BodyPartExamined").upper().strip() if series.images else ""


def _middle(values: Sequence[float]) -> float:
    known = [each for each in values if math.isfinite(each)]
    return float(np.median(known)) if known else math.nan


def _blamed(seen: Pictures, which: np.ndarray[Any, Any]) -> list[Instance]:
    return [seen.instances[at] for at in np.flatnonzero(which)]


def _finding(scan: Scan, rule: Rule, fact: str, blamed: Sequence[Instance]) -> Finding:
    return scan.series.finding(rule, fact, blamed, "PixelData")


def _slices(blamed: Sequence[Instance], found: Measured) -> str:
    return f"{len(blamed)} of {len(found.seen.instances)} slices{'' if found.seen.complete else ' looked at'}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _unread(scan: Scan) -> Iterator[Skipped]:
    found = once(scan, _measured)
    if found is None:
        yield Skipped(NOTHING)
    elif found.seen.unread:
        yield Skipped(UNREAD)


def _slice(which: Callable[[Measured], Sequence[tuple[int, str]]]) -> Callable[[Scan], Shown]:
    """Shows slices by their number; they are looked for only where something was found."""

    def show(scan: Scan) -> Shown:
        found = once(scan, _measured)
        return [(found.seen.instances[at], says) for at, says in which(found)] if found else []

    return show


def _fullest(found: Measured) -> Sequence[tuple[int, str]]:
    return [(at, "the slice with most of that value") for at in _largest(found.seen.top)]


def _flat(found: Measured) -> Sequence[tuple[int, str]]:
    return [(at, "a slice of one value") for at in _largest(-found.spread)]


def _emptiest(found: Measured) -> Sequence[tuple[int, str]]:
    return [(at, "the slice with least in it") for at in _largest(np.where(found.spread > 0, -found.tissue, -np.inf))]


def _widest(found: Measured) -> Sequence[tuple[int, str]]:
    shown = _with_body(found)
    coarse, body = found.seen.coarse[shown], found.body[shown]
    of_tomography = found.seen.modality == "CT"
    edges = measures.edge_tissue(coarse) if of_tomography else measures.square_edge(coarse, body)
    return [(int(shown[at]), "the slice with most at the rim") for at in _largest(edges)]


def _step(found: Measured) -> Sequence[tuple[int, str]]:
    shown = _with_body(found)
    steps: list[tuple[float, int, int]] = []
    for volume in np.unique(found.seen.volume[shown]):
        own = shown[found.seen.volume[shown] == volume]
        jumps = measures.jumps(found.seen.coarse[own])
        steps += [(float(jumps[at]), int(own[at]), int(own[at + 1])) for at in _largest(jumps)]
    _, before, after = max(steps, default=(0.0, -1, -1))
    return [(before, "the slice before the step"), (after, "the slice after it")] if steps else []


def _noisiest(found: Measured) -> Sequence[tuple[int, str]]:
    numbers, of_tomography = list(found.seen.full), found.seen.modality == "CT"
    spans = [measures.SOFT if of_tomography else (float(found.body[number]), math.inf) for number in numbers]
    sigmas = [measures.noise(found.seen.full[number], span) for number, span in zip(numbers, spans, strict=True)]
    worst = _largest(np.nan_to_num(np.array(sigmas)))
    return [(numbers[at], "the noisiest slice of those looked at whole") for at in worst]


def _with_body(found: Measured) -> np.ndarray[Any, Any]:
    return np.flatnonzero((found.spread > 0) & (found.tissue >= LEAST))


def _largest(values: np.ndarray[Any, Any]) -> list[int]:
    """Where the largest value is, if there is any."""
    return [int(np.argmax(values))] if len(values) else []


MOST, LEAST_OF = {"most": Limit.NUMBER}, {"least": Limit.NUMBER}
CHECKS = (
    Check("quality.clipped", Scope.FILES, clipped, MOST, _slice(_fullest)),
    Check("quality.constant", Scope.FILES, constant, show=_slice(_flat)),
    Check("quality.dose", Scope.FILES, dose, MOST),
    Check("quality.empty", Scope.FILES, empty, LEAST_OF, _slice(_emptiest)),
    Check("quality.field", Scope.FILES, field, MOST, _slice(_widest)),
    Check("quality.motion", Scope.FILES, motion, MOST, _slice(_step)),
    Check("quality.noise", Scope.FILES, noise, MOST | LEAST_OF, _slice(_noisiest)),
    Check("quality.orientation", Scope.FILES, orientation, MOST, middle),
    Check("quality.region", Scope.FILES, region, LEAST_OF, middle),
    Check("quality.rings", Scope.FILES, rings, MOST, middle),
)
