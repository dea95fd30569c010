"""A hospital's DicomAnonymizer script, read whole: what it says of each attribute, its parameters, its global rules.

Both forms are read: XML (`<e en="T" t="00100010" n="PatientName">...</e>`) and properties
(`set.[0010,0010]PatientName=...`). Strictly: a file that is no such script is a `ConfigError` with every mistake and
its line; what is one, but asks for what cannot be honoured, lists it in `problems`, and then every object is set aside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydicom.dataset import Dataset

from cohortium.deidentify.ctp import calls, elements, java, names
from cohortium.deidentify.ctp.entries import IGNORED, Entry, Remark, entries_of
from cohortium.deidentify.ctp.functions import FUNCTIONS, MARKERS, mistake
from cohortium.errors import ConfigError

__all__ = ["Remark", "Rule", "Script", "read"]

GLOBALS = ("privategroups", "unspecifiedelements", "overlays", "curves")
SAFE = "keep.safeprivateelements"
GROUP = re.compile("[0-9a-fA-F]{1,4}")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a script does to one attribute: `where` as it is written (`0010,0010`, `0009,[CREATOR]02`)."""

    line: int
    where: str
    name: str
    text: str
    expression: calls.Expression

    @property
    def tag(self) -> int:
        """The attribute's tag; 0 where only the object can tell, which is so for private ones with a creator."""
        return names.hexadecimal(self.where)

    def tag_in(self, dataset: Dataset) -> int:
        """The attribute's tag in one object; 0 where that object has no such private block."""
        return self.tag or elements.private_tag(dataset, self.where)


@dataclass(frozen=True, slots=True)
class Script:
    """A script, its rules in the order of the file; `removes` are the global rules that are switched on."""

    rules: tuple[Rule, ...]
    parameters: Mapping[str, str]
    kept_groups: frozenset[int]
    keeps_safe_private: bool
    removes: frozenset[str]
    problems: tuple[Remark, ...] = ()
    notes: tuple[Remark, ...] = ()
    private: Mapping[str, str] = field(default_factory=dict)

    def parameter(self, name: str) -> str | None:
        """A parameter where `name` begins with @ or $, else the name itself; None where there is no such parameter."""
        name = java.trim(name)
        return self.parameters.get(name[1:]) if name[:1] in ("@", "$") else name


def read(source: Path | str) -> Script:
    """Read a script from a file, or from its text; one `ConfigError` names every mistake."""
    text = _text(source) if isinstance(source, Path) else source
    entries, mistakes = entries_of(text)
    rules, faults = _rules(entries)
    mistakes += faults
    if not mistakes and not any(key.startswith(("set.", "#set.", "remove.", "keep.")) for _, key, _ in entries):
        mistakes.append(Remark(1, "no rule for any attribute; is this a DicomAnonymizer script?"))
    if mistakes:
        place = f"{source}:\n" if isinstance(source, Path) else "the script:\n"
        raise ConfigError(place + "\n".join(f"  {each}" for each in sorted(mistakes, key=lambda each: each.line)))
    keys = {key: line for line, key, _ in entries}
    parameters = {key.removeprefix("param."): value for _, key, value in entries if key.startswith("param.")}
    unchecked = Script(
        rules=tuple(rules.values()),
        parameters=parameters,
        kept_groups=frozenset(_group(key) for key in keys if key.startswith("keep.group")) - {0},
        keeps_safe_private=SAFE in keys,
        removes=frozenset(name for name in GLOBALS if f"remove.{name}" in keys),
        private={rule.name.lower(): rule.where for rule in rules.values() if rule.name and _is_private(rule)},
    )
    problems, notes = _remarks(unchecked, keys)
    notes += tuple(Remark(line, "CTP passes over this line") for line, key, _ in entries if _is_passed_over(key))
    return replace(unchecked, problems=problems, notes=notes)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the script {path} cannot be read: {type(error).__name__}") from None


def _rules(entries: list[Entry]) -> tuple[dict[str, Rule], list[Remark]]:
    """Rules by place; and those of which CTP would take one or the other."""
    rules: dict[str, Rule] = {}
    mistakes: list[Remark] = []
    for line, key, value in entries:
        where, name = _place(key)
        if not where:
            continue
        rule = Rule(line, where, name, java.trim(value), calls.parse(java.trim(value)))
        before = rules.get(where.lower(), rule)
        if before.name != name and before.text != rule.text:
            mistakes.append(Remark(line, f"another rule for the attribute of line {before.line}; CTP takes either"))
        rules[where.lower()] = rule
    return rules, mistakes


def _is_passed_over(key: str) -> bool:
    """Whether CTP reads the entry and does nothing with it."""
    if key.startswith("keep.group"):
        return not _group(key)
    return key == IGNORED or (key.startswith("set.") and not _place(key)[0])


def _group(key: str) -> int:
    digits = key.removeprefix("keep.group").strip()
    return int(digits, 16) if GROUP.fullmatch(digits) else 0


def _place(key: str) -> tuple[str, str]:
    """The attribute in the outermost brackets of `set.[...]`, and the name behind them; nothing where it is none."""
    key, depth = key.removeprefix("set.") if key.startswith("set.[") else "", 0
    for position, character in enumerate(key):
        depth += (character == "[") - (character == "]")
        if not depth:
            where = key[1:position].strip()
            known = names.hexadecimal(where) or elements.PRIVATE.fullmatch(where)
            return (where, key[position + 1 :].strip()) if known else ("", "")
    return "", ""


def _is_private(rule: Rule) -> bool:
    return bool(rule.tag >> 16 & 1) if rule.tag else True


def _remarks(script: Script, keys: Mapping[str, int]) -> tuple[tuple[Remark, ...], tuple[Remark, ...]]:
    """What cannot be honoured, and what an author will want to know."""
    problems, notes = [], []
    for rule in script.rules:
        for call in calls.calls(rule.expression):
            if isinstance(call, calls.Broken):
                problems.append(Remark(rule.line, call.reason))
            elif isinstance(call, calls.Cut):
                notes.append(Remark(rule.line, "a call that never ends; CTP forgets it and all that follows"))
            elif reason := mistake(call):
                problems.append(Remark(rule.line, f"@{call.name}: {reason}"))
            else:
                notes += [Remark(rule.line, text) for text in _oddities(call, script)]
        if not rule.text:
            notes.append(Remark(rule.line, "an empty script empties the attribute"))
    for key, line in keys.items():
        if key.startswith("remove.") and key.removeprefix("remove.") not in GLOBALS:
            problems.append(Remark(line, f"no such global rule; known: {', '.join(GLOBALS)}"))
    if script.keeps_safe_private:
        notes.append(
            Remark(keys[SAFE], "which private attributes are safe is for Cohortium's list to say, not for CTP's")
        )
    if "remove.curves" in keys and "unspecifiedelements" not in script.removes:
        notes.append(
            Remark(keys["remove.curves"], "CTP keeps curves all the same; it removes them only as unspecified")
        )
    return tuple(problems), tuple(notes)


def _oddities(call: calls.Call, script: Script) -> Iterator[str]:
    function = FUNCTIONS.get(call.name)
    if function is None:
        if call.name not in MARKERS:
            yield f"CTP has no function @{call.name}; it writes the call itself into the attribute"
        return
    for number in function.elements:
        word = call.arguments[number] if number < len(call.arguments) else ""
        for name in word.split("|"):
            if name and name != "this" and not _known(name, script):
                meant = names.spelling(name)
                hint = f"; it writes {meant}" if meant else ""
                yield f"@{call.name}: CTP knows no attribute of this name, and reads it as absent{hint}"
    for word in call.arguments:
        if word[:1] in ("@", "$") and script.parameter(word) is None:
            yield f"@{call.name}: a parameter that is nowhere given"


def _known(name: str, script: Script) -> bool:
    steps = java.trim(name).removeprefix("root:").split("::")
    return all(
        names.tag_of(step)
        or step.lower() in script.private
        or elements.PRIVATE.fullmatch(step.strip("[]() "))
        or elements.PRIVATE.fullmatch(java.trim(step))
        for step in steps
    )
