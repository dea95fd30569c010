"""Pictures that templates draw as SVG: modalities as one bar, two dataset versions as two, weeks, days, and sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cohortium.archive.comparison import Comparison
from cohortium.find import Bar, ProjectCard, Week
from cohortium.spool.wanted import Counts

__all__ = ["Block", "Column", "Pair", "Part", "Share", "columns", "overlap", "pairs", "parts", "progress", "shares"]

SHOWN = 5  # the rest is drawn as one
NARROWEST = 2.0  # percent: what is there shows
LARGEST = 6  # projects drawn beside each other


@dataclass(frozen=True, slots=True)
class Part:
    """From `start` over `width` percent; `tone` picks the colour."""

    label: str
    instances: int
    start: float
    width: float
    tone: int


def parts(bars: Sequence[Bar]) -> list[Part]:
    """The bar's parts, largest first."""
    shown = [(bar.modality or "other", bar.instances) for bar in bars[:SHOWN]]
    if rest := sum(bar.instances for bar in bars[SHOWN:]):
        shown.append(("others", rest))
    return _laid([(label, number, tone) for tone, (label, number) in enumerate(shown, 1)])


def progress(counts: Counts) -> list[Part]:
    """Where the images of a study or request are, as one bar; empty where nothing is listed yet."""
    on_their_way = counts.arrived - counts.sent - counts.aside
    named = [
        ("held, digests compared", counts.confirmed, 1),
        ("sent, not compared", counts.sent - counts.confirmed, 4),
        ("on their way here", on_their_way, 2),
        ("set aside", counts.aside, 5),
        ("not arrived", counts.listed - counts.arrived, 6),
    ]
    shown = [(label, number, tone) for label, number, tone in named if number > 0]
    return _laid(shown)


def _laid(shown: Sequence[tuple[str, int, int]]) -> list[Part]:
    """(label, number, tone) of each, one after the other over the whole width."""
    total = sum(number for _, number, _ in shown) or 1
    widths = [max(NARROWEST, 100 * number / total) for _, number, _ in shown]
    scale = 100 / sum(widths) if widths else 1
    made, start = [], 0.0
    for (label, number, tone), width in zip(shown, widths, strict=True):
        made.append(Part(label, number, round(start, 2), round(width * scale, 2), tone))
        start += width * scale
    return made


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the picture of two versions: `row` 0 is the first's, 1 the second's."""

    what: str
    row: int
    start: float
    width: float


def overlap(found: Comparison) -> list[Block]:
    """Two bars over one scale of files, so that what both versions hold stands above itself."""
    sizes = {what: getattr(found, what).files for what in ("removed", "same", "changed", "added")}
    shown = {what: number for what, number in sizes.items() if number}
    total = sum(shown.values()) or 1
    widths = {what: max(NARROWEST, 100 * number / total) for what, number in shown.items()}
    scale, start = 100 / (sum(widths.values()) or 1), 0.0
    made = []
    for what, width in widths.items():
        rows = {"removed": (0,), "added": (1,)}.get(what, (0, 1))
        made += [Block(what, row, round(start, 2), round(width * scale, 2)) for row in rows]
        start += width * scale
    return made


@dataclass(frozen=True, slots=True)
class Column:
    """A week: from `start` over `width` percent across, `height` percent high."""

    begins: str
    number: int
    start: float
    width: float
    height: float


def columns(weeks: Sequence[Week]) -> list[Column]:
    """A column a week; none where nothing came in any."""
    most = max((week.subjects for week in weeks), default=0)
    if not most:
        return []
    width = 100 / len(weeks)
    return [
        Column(week.begins.isoformat(), week.subjects, round(n * width, 2), round(width, 2), 100 * week.subjects / most)
        for n, week in enumerate(weeks)
    ]


@dataclass(frozen=True, slots=True)
class Share:
    """A project beside the largest: `width` percent of it."""

    name: str
    title: str
    size: int
    width: float


def shares(cards: Sequence[ProjectCard]) -> list[Share]:
    """The projects by size, largest first; none where there is nothing to compare."""
    held = sorted((card for card in cards if card.size), key=lambda card: -card.size)[:LARGEST]
    if len(held) < 2:
        return []
    return [Share(each.name, each.title, each.size, max(1.0, 100 * each.size / held[0].size)) for each in held]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two numbers of a day beside each other: where they start across, and how high they are, in percent."""

    day: str
    first: int
    second: int
    start: float
    width: float
    first_height: float
    second_height: float


def pairs(days: Sequence[tuple[str, int, int]]) -> list[Pair]:
    """A pair of columns a day; none where nothing is in any."""
    most = max((max(first, second) for _, first, second in days), default=0)
    if not most:
        return []
    width = 100 / len(days)
    return [
        Pair(day, first, second, round(n * width, 2), round(width, 2), 100 * first / most, 100 * second / most)
        for n, (day, first, second) in enumerate(days)
    ]
