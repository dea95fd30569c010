"""The boolean scripts of CTP's DicomFilter: which objects go on.

`Modality.equals("CT") * !( [0008,0070].containsIgnoreCase("GE") + false )`: `*` is and, `+` is or, `!` is not, and
binds closest; `//` begins a comment. A script that CTP could not read would filter everything out; here it is a
`ConfigError` with all mistakes and their lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from cohortium.deidentify.ctp import elements, java, names
from cohortium.errors import ConfigError

__all__ = ["Filter", "Not", "mistakes", "parse", "read_filter"]

PRECEDENCE = {"+": 1, "*": 2, "!": 3}
DEEPEST = 100
CONSTANT = re.compile(r"(true|false)\b\.?")
BLANK = re.compile(r"(?:\s|//[^\n]*(?:\n|\Z))*")


class _Mistake(Exception):
    def __init__(self, position: int, text: str) -> None:
        super().__init__(text)
        self.position = position


@dataclass(frozen=True, slots=True)
class Test:
    """`identifier.method("text")`; true and false are tests without an identifier."""

    identifier: str
    method: str
    text: str

    def holds(self, dataset: Dataset) -> bool:
        if not self.method:
            return self.identifier == "true"
        meta = getattr(dataset, "file_meta", None)
        value = elements.contents(self.identifier, dataset, dataset, meta, {}) or ""
        return METHODS[self.method](value, self.text)


@dataclass(frozen=True, slots=True)
class Not:
    of: Node

    def holds(self, dataset: Dataset) -> bool:
        return not self.of.holds(dataset)


@dataclass(frozen=True, slots=True)
class Both:
    left: Node
    right: Node

    def holds(self, dataset: Dataset) -> bool:
        return self.left.holds(dataset) and self.right.holds(dataset)


@dataclass(frozen=True, slots=True)
class Either:
    left: Node
    right: Node

    def holds(self, dataset: Dataset) -> bool:
        return self.left.holds(dataset) or self.right.holds(dataset)


Node = Test | Not | Both | Either


@dataclass(frozen=True, slots=True)
class Filter:
    """A boolean script."""

    node: Node

    def accepts(self, dataset: Dataset) -> bool:
        """Whether the script is true of the dataset; an absent attribute reads as empty."""
        return self.node.holds(dataset)


def read_filter(source: Path | str) -> Filter:
    """Read a filter script from a file, or from its text."""
    try:
        text = source.read_text("utf-8-sig") if isinstance(source, Path) else source
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the filter script cannot be read: {type(error).__name__}") from None
    if found := list(mistakes(text)):
        raise ConfigError("the filter script:\n" + "\n".join(f"  line {line}: {fault}" for line, fault in found))
    return Filter(parse(text))


def parse(text: str) -> Node:
    """The expression; `ConfigError` where it is none."""
    try:
        return _Reader(text).whole()
    except _Mistake as mistake:
        raise ConfigError(f"line {_line(text, mistake.position)}: {mistake}") from None


def mistakes(text: str) -> Iterator[tuple[int, str]]:
    """Line and description of everything that is wrong in a script."""
    try:
        tests = _Reader(text)
        tests.whole()
    except _Mistake as mistake:
        yield _line(text, mistake.position), str(mistake)
        return
    for position, test in tests.tests:
        if test.method and test.method not in METHODS:
            yield _line(text, position), f"no such method; known: {', '.join(METHODS)}"
        if test.method and not _is_attribute(test.identifier):
            yield _line(text, position), "CTP knows no attribute of this name"
        if test.method == "matches":
            try:
                java.regex(test.text)
            except ValueError as error:
                yield _line(text, position), f"the regular expression cannot be honoured: {error}"


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _is_attribute(identifier: str) -> bool:
    steps = java.trim(identifier).removeprefix("root:").split("::")
    return all(names.tag_of(step) or elements.PRIVATE.search(step) for step in steps)


class _Reader:
    """Recursive descent over the text of a script."""

    def __init__(self, text: str) -> None:
        self.text, self.position, self.depth = text, 0, 0
        self.tests: list[tuple[int, Test]] = []

    def whole(self) -> Node:
        node = self._expression()
        if self._next():
            raise _Mistake(self.position, "nothing more is expected here")
        return node

    def _next(self) -> str:
        blank = BLANK.match(self.text, self.position)
        self.position = blank.end() if blank else self.position
        return self.text[self.position : self.position + 1]

    def _expression(self, above: int = 0) -> Node:
        node = self._operand()
        while (operator := self._next()) in ("+", "*") and PRECEDENCE[operator] > above:
            self.position += 1
            right = self._expression(PRECEDENCE[operator])
            node = Both(node, right) if operator == "*" else Either(node, right)
        return node

    def _operand(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise _Mistake(self.position, "too many parentheses inside one another")
        character = self._next()
        if character == "!":
            self.position += 1
            node: Node = Not(self._operand())
        elif character == "(":
            self.position += 1
            node = self._expression()
            if self._next() != ")":
                raise _Mistake(self.position, "a closing parenthesis is expected")
            self.position += 1
        elif character == "[" or character.isalpha():
            node = self._test()
        else:
            raise _Mistake(self.position, "an attribute, true, false, ! or ( is expected")
        self.depth -= 1
        return node

    def _test(self) -> Test:
        start = self.position
        if word := CONSTANT.match(self.text, start):
            self.position = word.end()
            test = Test(word[1], "", "")
        else:
            identifier, method, argument = (self._until(delimiter, start) for delimiter in ".()")
            argument = java.trim(argument)
            if not (len(argument) > 1 and argument[0] == argument[-1] == '"'):
                raise _Mistake(start, "text in double quotes is expected in the parentheses")
            test = Test(java.trim(identifier), java.trim(method), argument[1:-1])
        self.tests.append((start, test))
        return test

    def _until(self, delimiter: str, start: int) -> str:
        begin, quoted = self.position, False
        while self.position < len(self.text):
            character = self.text[self.position]
            quoted ^= character == '"'
            self.position += 1
            if character == delimiter and not quoted:
                return self.text[begin : self.position - 1]
        raise _Mistake(start, 'attribute.method("text") is expected')


def _compared(value: str, text: str) -> int:
    """-1, 0 or 1 by the numbers that the digits make; 0 where they make none."""
    try:
        left, right = (float(re.sub(r"[^0-9.]", "", each)) for each in (value, text))
    except ValueError:
        return 0
    return (left > right) - (left < right)


METHODS: Mapping[str, Callable[[str, str], bool]] = {
    "equals": lambda value, text: value == text,
    "equalsIgnoreCase": lambda value, text: value.lower() == text.lower(),
    "matches": lambda value, text: java.regex(text).fullmatch(value) is not None,
    "contains": lambda value, text: text in value,
    "containsIgnoreCase": lambda value, text: text.lower() in value.lower(),
    "startsWith": lambda value, text: value.startswith(text),
    "startsWithIgnoreCase": lambda value, text: value.lower().startswith(text.lower()),
    "endsWith": lambda value, text: value.endswith(text),
    "endsWithIgnoreCase": lambda value, text: value.lower().endswith(text.lower()),
    "isLessThan": lambda value, text: _compared(value, text) < 0,
    "isGreaterThan": lambda value, text: _compared(value, text) > 0,
}
