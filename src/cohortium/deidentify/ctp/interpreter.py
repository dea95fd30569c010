"""A script carried out on a dataset, attribute by attribute, as CTP's DicomAnonymizer does: slow, complete, obvious.

The input is never changed. Where CTP would leave an attribute as it was because it cannot write the result (a name into
a date, a text into a sequence), the attribute is emptied: what a script wanted gone is gone. Whatever the values, the
outcome is a dataset or a `SetAside`, never an exception.
"""

from __future__ import annotations

import copy
import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from pathlib import Path

from pydicom.dataset import Dataset

from cohortium.deidentify.ctp import calls, elements, java, names
from cohortium.deidentify.ctp.context import EMPTY, KEEP, REMOVE, Aside
from cohortium.deidentify.ctp.functions import FUNCTIONS
from cohortium.deidentify.ctp.script import Script
from cohortium.deidentify.ctp.tables import Tables
from cohortium.deidentify.ctp.writing import put, usual_vr
from cohortium.values import Reason, SetAside

__all__ = ["Kind", "Outcome", "apply", "evaluate", "rules_in"]

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
    if script.problems:
        return _aside(f"the script cannot be honoured, {script.problems[0]}")
    try:
        return _Run(script, dataset, tables or Tables()).result()
    except Aside as reason:
        return _aside(str(reason))


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

    def result(self) -> Dataset:
        output = copy.deepcopy(self.root)
        if CHARACTER_SET not in output and not self._goes(self.root, CHARACTER_SET):
            output.add_new(CHARACTER_SET, "CS", "ISO_IR 100")
        self._insert(output)
        self._walk((self.root,), output)
        return output

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

    def _insert(self, output: Dataset) -> None:
        """Write the attributes that the script wants always, where the object has none."""
        for rule in self.script.rules:
            tag = rule.tag_in(self.root)
            if not tag or tag < elements.FILE_META or tag in output:
                continue
            vr = usual_vr(tag)
            if tag == METHOD_CODES:
                self._codes(output, rule.text)
            elif rule.text.startswith("@always()") and vr != "SQ":
                value, _ = self._evaluated((self.root,), tag)
                if value.startswith("@blank(") or value == EMPTY:
                    put(output, tag, vr, "")
                elif value not in (KEEP, REMOVE):
                    put(output, tag, vr, value)
            elif rule.text.startswith(("@always()@require()", "@always()@call")) and vr == "SQ":
                put(output, tag, vr, "")

    def _codes(self, output: Dataset, text: str) -> None:
        """De-identification Method Code Sequence: codes between slashes, each an item of its own."""
        if not text or text == KEEP:
            return
        if text == REMOVE:
            output.pop(METHOD_CODES, None)
            return
        value, _ = self._evaluated((self.root,), METHOD_CODES)
        if METHOD_CODES not in output:
            output.add_new(METHOD_CODES, "SQ", [])
        for code in map(java.trim, java.split(java.trim(value), "/")):
            if code.lower() == "reset":
                output.add_new(METHOD_CODES, "SQ", [])
                continue
            item = Dataset()
            item.CodeValue, item.CodeMeaning = code, _code_meanings().get(code, "UNKNOWN")
            item.CodingSchemeDesignator = "DCM" if code in _code_meanings() else "UNKNOWN"
            output[METHOD_CODES].value.append(item)

    def _walk(self, datasets: tuple[Dataset, ...], output: Dataset) -> None:
        for tag in sorted(int(tag) for tag in datasets[-1].keys()):  # noqa: SIM118
            if tag >= PIXEL_DATA and len(datasets) == 1:
                self._behind_pixels(datasets[-1], output, tag)
            elif self._goes(datasets[-1], tag):
                output.pop(tag, None)
            elif tag in self.expressions:
                self._rule(datasets, output, tag)

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

    def _rule(self, datasets: tuple[Dataset, ...], output: Dataset, tag: int) -> None:
        if tag == METHOD_CODES:
            if len(datasets) == 1:
                self._codes(output, next(rule.text for rule in self.script.rules if rule.tag == tag))
            return
        outcome = self.outcome(datasets, tag)
        match outcome.kind:
            case Kind.REMOVE:
                output.pop(tag, None)
            case Kind.ENTER:
                self._items(datasets, output, tag)
            case Kind.REPLACE:
                put(output, tag, str(output[tag].VR), outcome.value)

    def _items(self, datasets: tuple[Dataset, ...], output: Dataset, tag: int) -> None:
        if str(datasets[-1][tag].VR) != "SQ":
            return
        if len(datasets) > DEPTH:
            raise Aside("sequences inside one another without end")
        for before, after in zip(datasets[-1][tag].value, output[tag].value, strict=True):
            self._walk((*datasets, before), after)

    def _behind_pixels(self, dataset: Dataset, output: Dataset, tag: int) -> None:
        """Pixel data stay; what comes behind them is removed or stays as it is, whatever else a rule says."""
        if tag == PIXEL_DATA:
            return
        text = next((rule.text for rule in self.script.rules if rule.tag_in(self.root) == tag), None)
        private, removes = bool(tag >> 16 & 1), self.script.removes
        safe = self.script.keeps_safe_private and private and self._is_safe(dataset, tag)
        if (
            tag >= TRAILING_PADDING
            or (private and "privategroups" in removes and not safe)
            or (text is None and "unspecifiedelements" in removes and not (private and not tag & 0xFF00))
            or (text or "").startswith(REMOVE)
        ):
            output.pop(tag, None)
