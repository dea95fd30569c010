"""A script carried out on a dataset, attribute by attribute, as CTP's DicomAnonymizer does: slow, complete, obvious.

The input is never changed. Where CTP would leave an attribute as it was because it cannot write the result (a name into
a date, a text into a sequence), the attribute is emptied: what a script wanted gone is gone. Whatever the values, the
outcome is a dataset or a `SetAside`, never an exception.
"""

from __future__ import annotations

import copy
import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from pathlib import Path

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from cohortium.deidentify.ctp import calls, elements, java, names
from cohortium.deidentify.ctp.context import EMPTY, KEEP, REMOVE, Aside
from cohortium.deidentify.ctp.functions import COPYING, FUNCTIONS, read_by
from cohortium.deidentify.ctp.script import Script
from cohortium.deidentify.ctp.tables import Tables
from cohortium.deidentify.ctp.writing import usual_vr, written
from cohortium.values import Reason, SetAside

__all__ = ["Edit", "Edits", "Kind", "Outcome", "apply", "carry_out", "edits", "evaluate", "rules_in"]

PIXEL_DATA = 0x7FE00010
TRAILING_PADDING = 0xFFFAFFFA
METHOD_CODES = 0x00120064
CHARACTER_SET = 0x00080005
ALWAYS_KEPT = frozenset((0x00080016, 0x00080018, 0x0020000D))
KEPT_GROUPS = frozenset((0x0002, 0x0028, 0x7FE0))
LONGEST_BLANK = 55
DEPTH = 32


@cache
def _code_meanings() -> Mapping[str, str]:
    with Path(__file__).with_name("method_codes.csv").open(encoding="ascii", newline="") as file:
        return {row["code"]: row["meaning"] for row in csv.DictReader(file)}


class Kind(StrEnum):
    """What becomes of an attribute."""

    KEEP = "keep"
    REMOVE = "remove"
    REPLACE = "replace"
    ENTER = "enter"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule does to one attribute of one object: `value` is its new text, empty for no value."""

    kind: Kind
    value: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """What a script does to one attribute: its new `element`, None where it goes.

    Of a sequence that is entered, `items` are what is done in each. `copied`: the attributes of which a function that
    copies left in the new text, as a word, all that was there.
    """

    element: DataElement | None = None
    items: tuple[Edits, ...] | None = None
    copied: frozenset[int] = frozenset()


Edits = Mapping[int, Edit]


@dataclass(slots=True)
class _Place:
    """One attribute of one dataset, as the functions see it."""

    script: Script
    tables: Tables
    expressions: Mapping[int, calls.Expression]
    private: Mapping[str, int]
    meta: Dataset | None
    datasets: tuple[Dataset, ...]  # root first
    tag: int
    entered: list[int] = field(default_factory=list)
    depth: int = 0

    def contents(self, name: str, *, enclosing: bool = False) -> str | None:
        name = java.trim(name)
        if name == "this":
            found = elements.element(self.datasets[-1], self.meta, self.tag)
            return elements.text_of(found, self.datasets[-1]) if found is not None else None
        dataset = self.datasets[-2] if enclosing and len(self.datasets) > 1 else self.datasets[-1]
        return elements.contents(name, dataset, self.datasets[0], self.meta, self.private)

    def is_present(self, name: str = "") -> bool:
        return elements.has(self.datasets[-1], self._tag_of(name) if name not in ("", "this") else self.tag)

    def parameter(self, name: str) -> str | None:
        return self.script.parameter(name)

    def result_for(self, name: str) -> str | None:
        tag = self._tag_of(name)
        if tag not in self.expressions:
            return None
        there = replace(self, tag=tag, depth=self.depth + 1)
        return there.evaluate(self.expressions[tag])

    def is_root(self) -> bool:
        return len(self.datasets) == 1

    def enter(self) -> None:
        self.entered.append(self.tag)

    def evaluate(self, expression: calls.Expression) -> str:
        if self.depth > DEPTH:
            raise Aside("rules that call each other without end")
        return "".join(map(self._part, expression))

    def _part(self, part: calls.Part) -> str:
        if isinstance(part, str | calls.Cut):
            return part if isinstance(part, str) else ""
        if isinstance(part, calls.Broken):
            raise Aside(part.reason)
        function = FUNCTIONS.get(part.name)
        if function is None:
            return f"@{part.name}{part.list}"
        if len(part.arguments) < function.least:
            raise Aside(f"@{part.name} without its arguments")
        return function.compute(part, self)

    def _tag_of(self, name: str) -> int:
        name = java.trim(name)
        return names.tag_of(name) or self.private.get(name.lower(), 0) or elements.private_tag(self.datasets[-1], name)


def apply(script: Script, dataset: Dataset, tables: Tables | None = None) -> Dataset | SetAside:
    """The dataset as CTP would write it, or why it would not; the input stays as it is."""
    try:
        found = edits(script, dataset, tables or Tables())
    except Aside as reason:
        return _aside(str(reason))
    output = copy.deepcopy(dataset)
    carry_out(found, output)
    return output


def edits(script: Script, dataset: Dataset, tables: Tables) -> Edits:
    """What the script does to each attribute that it does not leave alone; `Aside` where it keeps the object back."""
    if script.problems:
        raise Aside(f"the script cannot be honoured, {script.problems[0]}")
    return _Run(script, dataset, tables).edits()


def carry_out(found: Edits, output: Dataset) -> None:
    """Make of a dataset what a script made of it."""
    for tag, edit in found.items():
        if edit.items is not None:
            for item, inner in zip(output[tag].value, edit.items, strict=True):
                carry_out(inner, item)
        elif edit.element is None:
            output.pop(tag, None)
        else:
            output[tag] = edit.element


def evaluate(
    script: Script, dataset: Dataset, tag: int, tables: Tables | None = None, within: tuple[Dataset, ...] = ()
) -> Outcome | SetAside | None:
    """What the rule for `tag` does in a dataset, which lies `within` others (root first); None where there is none."""
    run = _Run(script, within[0] if within else dataset, tables or Tables())
    if tag not in run.expressions:
        return None
    if script.problems:
        return _aside(f"the script cannot be honoured, {script.problems[0]}")
    try:
        return run.outcome((*within, dataset), tag)
    except Aside as reason:
        return _aside(str(reason))


def rules_in(script: Script, dataset: Dataset) -> Mapping[int, calls.Expression]:
    """The expressions by tag, those of private attributes where this dataset has them."""
    return {tag: rule.expression for rule in script.rules if (tag := rule.tag_in(dataset))}


def _aside(detail: str) -> SetAside:
    return SetAside(Reason.SCRIPT, detail)


class _Run:
    """A script and one object."""

    def __init__(self, script: Script, root: Dataset, tables: Tables) -> None:
        self.script, self.root, self.tables = script, root, tables
        self.expressions = rules_in(script, root)
        tags = {
            name: names.hexadecimal(where) or elements.private_tag(root, where)
            for name, where in script.private.items()
        }
        self.private = {name: tag for name, tag in tags.items() if tag}
        self.meta: Dataset | None = getattr(root, "file_meta", None)

    def edits(self) -> Edits:
        found: dict[int, Edit] = {}
        if CHARACTER_SET not in self.root and not self._goes(self.root, CHARACTER_SET):
            found[CHARACTER_SET] = Edit(DataElement(CHARACTER_SET, "CS", "ISO_IR 100"))
        found.update(self._inserted())
        found.update(self._walked((self.root,)))
        return found

    def outcome(self, datasets: tuple[Dataset, ...], tag: int) -> Outcome:
        """What the rule says, after CTP's reading of markers."""
        value, entered = self._evaluated(datasets, tag)
        value = java.trim(value)
        if REMOVE in value:
            return Outcome(Kind.REMOVE)
        if value == KEEP:
            return Outcome(Kind.ENTER if entered else Kind.KEEP)
        if value.startswith("@blank("):
            digits = re.sub("[^0-9]", "", value[len("@blank(") :].partition(")")[0]) if ")" in value else ""
            return Outcome(Kind.REPLACE, " " * min(int(digits[:4] or "0"), LONGEST_BLANK))
        return Outcome(Kind.REPLACE, "" if value == EMPTY else value)

    def _evaluated(self, datasets: tuple[Dataset, ...], tag: int) -> tuple[str, bool]:
        place = _Place(self.script, self.tables, self.expressions, self.private, self.meta, datasets, tag)
        return place.evaluate(self.expressions[tag]), bool(place.entered)

    def _inserted(self) -> Iterator[tuple[int, Edit]]:
        """The attributes that the script wants always, where the object has none."""
        for rule in self.script.rules:
            tag = rule.tag_in(self.root)
            if not tag or tag < elements.FILE_META or tag in self.root:
                continue
            vr = usual_vr(tag)
            if tag == METHOD_CODES:
                yield from self._codes(rule.text)
            elif rule.text.startswith("@always()") and vr != "SQ":
                value, _ = self._evaluated((self.root,), tag)
                if value not in (KEEP, REMOVE):
                    yield tag, Edit(written(tag, vr, "" if value.startswith("@blank(") or value == EMPTY else value))
            elif rule.text.startswith(("@always()@require()", "@always()@call")) and vr == "SQ":
                yield tag, Edit(written(tag, vr, ""))

    def _codes(self, text: str) -> Iterator[tuple[int, Edit]]:
        """De-identification Method Code Sequence: codes between slashes, each an item of its own."""
        if not text or text == KEEP:
            return
        if text == REMOVE:
            yield METHOD_CODES, Edit()
            return
        value, _ = self._evaluated((self.root,), METHOD_CODES)
        items = list(self.root[METHOD_CODES].value) if METHOD_CODES in self.root else []
        for code in map(java.trim, java.split(java.trim(value), "/")):
            if code.lower() == "reset":
                items = []
                continue
            item = Dataset()
            item.CodeValue, item.CodeMeaning = code, _code_meanings().get(code, "UNKNOWN")
            item.CodingSchemeDesignator = "DCM" if code in _code_meanings() else "UNKNOWN"
            items.append(item)
        yield METHOD_CODES, Edit(DataElement(METHOD_CODES, "SQ", items))

    def _walked(self, datasets: tuple[Dataset, ...]) -> Iterator[tuple[int, Edit]]:
        for tag in sorted(int(tag) for tag in datasets[-1].keys()):  # noqa: SIM118
            if tag >= PIXEL_DATA and len(datasets) == 1:
                if tag > PIXEL_DATA and self._goes_behind_pixels(datasets[-1], tag):
                    yield tag, Edit()
            elif self._goes(datasets[-1], tag):
                yield tag, Edit()
            elif tag == METHOD_CODES and tag in self.expressions:
                if len(datasets) == 1:
                    yield from self._codes(next(rule.text for rule in self.script.rules if rule.tag == tag))
            elif tag in self.expressions:
                yield from self._ruled(datasets, tag)

    def _goes(self, dataset: Dataset, tag: int) -> bool:
        """Whether a global rule removes the attribute, before any rule of its own is asked."""
        group, private = tag >> 16, bool(tag >> 16 & 1)
        removes, scripted = self.script.removes, tag in self.expressions
        if "overlays" in removes and group & 0xFF00 == 0x6000:
            return True
        if scripted or self._is_kept(dataset, tag):
            return False
        return (private and "privategroups" in removes) or "unspecifiedelements" in removes

    def _is_kept(self, dataset: Dataset, tag: int) -> bool:
        group, private = tag >> 16, bool(tag >> 16 & 1)
        kind = {0x6000: "overlays", 0x5000: "curves"}.get(group & 0xFF00)
        return (
            tag in ALWAYS_KEPT
            or group in KEPT_GROUPS | self.script.kept_groups
            or (private and self.script.keeps_safe_private and self._is_safe(dataset, tag))
            or (
                kind is not None
                and kind not in self.script.removes
                and not (private and "privategroups" in self.script.removes)
            )
        )

    def _is_safe(self, dataset: Dataset, tag: int) -> bool:
        if not tag & 0xFF00:
            return True
        creator = elements.element(dataset, None, tag & 0xFFFF0000 | (tag & 0xFF00) >> 8)
        return creator is not None and self.tables.is_safe(elements.text_of(creator, dataset) or "", tag)

    def _ruled(self, datasets: tuple[Dataset, ...], tag: int) -> Iterator[tuple[int, Edit]]:
        outcome = self.outcome(datasets, tag)
        found = elements.element(datasets[-1], self.meta, tag)
        vr = elements.vr_of(found) if found is not None else usual_vr(tag)
        match outcome.kind:
            case Kind.REMOVE:
                yield tag, Edit()
            case Kind.ENTER if vr == "SQ":
                yield tag, Edit(items=self._items(datasets, tag))
            case Kind.REPLACE:
                yield tag, Edit(written(tag, vr, outcome.value), copied=self._copied(datasets, tag, outcome.value))

    def _items(self, datasets: tuple[Dataset, ...], tag: int) -> tuple[Edits, ...]:
        if len(datasets) > DEPTH:
            raise Aside("sequences inside one another without end")
        return tuple(dict(self._walked((*datasets, item))) for item in datasets[-1][tag].value)

    def _copied(self, datasets: tuple[Dataset, ...], tag: int, new: str) -> frozenset[int]:
        """The attributes of which a rule that copies leaves in the new text, as a word, all that was there."""
        called = [call for call in calls.calls(self.expressions[tag]) if isinstance(call, calls.Call)]
        words = [word for call in called if call.name in COPYING for word in read_by(call)]
        tags = {tag, *map(names.tag_of, words)} if {call.name for call in called} & COPYING else set()
        return frozenset(each for each in tags if self._stands_in(datasets[-1], each, new))

    def _stands_in(self, dataset: Dataset, tag: int, new: str) -> bool:
        before = elements.element(dataset, self.meta, tag)
        old = (elements.text_of(before, dataset) or "" if before is not None else "").strip().casefold()
        return bool(old) and re.search(rf"(?<!\w){re.escape(old)}(?!\w)", new.casefold()) is not None

    def _goes_behind_pixels(self, dataset: Dataset, tag: int) -> bool:
        """What comes behind the pixel data is removed or stays as it is, whatever else a rule says."""
        text = next((rule.text for rule in self.script.rules if rule.tag_in(self.root) == tag), None)
        private, removes = bool(tag >> 16 & 1), self.script.removes
        safe = self.script.keeps_safe_private and private and self._is_safe(dataset, tag)
        return (
            tag >= TRAILING_PADDING
            or (private and "privategroups" in removes and not safe)
            or (text is None and "unspecifiedelements" in removes and not (private and not tag & 0xFF00))
            or (text or "").startswith(REMOVE)
        )
