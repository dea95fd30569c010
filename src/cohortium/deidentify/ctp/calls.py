"""The expressions of CTP scripts: text in which `@name(arguments)` calls a function, some with clauses in braces.

Read once, evaluated for every object. The reading is CTP's, with its oddities: a backslash makes the next character
plain; in arguments it disappears first, so `"\\d"` is the letter d; quotes, brackets and parentheses hide commas, but a
clause counts braces alone. What CTP would stop at becomes `Broken`: an object that meets it is set aside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cohortium.deidentify.ctp import java

__all__ = ["Broken", "Call", "Cut", "Expression", "Part", "calls", "parse"]

TWO_CLAUSES = frozenset(("if", "select"))
ONE_CLAUSE = frozenset(("append",))


@dataclass(frozen=True, slots=True)
class Broken:
    """A place at which CTP gives up on the object, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Cut:
    """A place at which a call begins and never ends: CTP forgets it and all that follows."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments as written, and the expressions of its clauses."""

    name: str
    arguments: tuple[str, ...] = ()
    then: Expression = ()
    otherwise: Expression = ()

    def argument(self, number: int) -> str:
        """The argument without its quotes; empty where there is none."""
        text = java.trim(self.arguments[number]) if number < len(self.arguments) else ""
        return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text

    @property
    def list(self) -> str:
        """The arguments as CTP writes them where it cannot do what they ask."""
        return f"({','.join(self.arguments)})"


Part = str | Call | Broken | Cut
Expression = tuple[Part, ...]


def parse(script: str) -> Expression:
    """The parts of an expression, in order."""
    parts: list[Part] = []
    position, plain = 0, ""
    while position < len(script):
        character = script[position]
        position += 1
        if character == "\\":
            plain += script[position : position + 1]
            position += 1
        elif character != "@":
            plain += character
        else:
            parts, plain = [*parts, plain] if plain else parts, ""
            call, length = _call(script[position:])
            parts.append(call)
            if not isinstance(call, Call):
                return tuple(parts)
            position += length
    return (*parts, plain) if plain else tuple(parts)


def calls(expression: Expression) -> Iterator[Call | Broken | Cut]:
    """Every call in an expression and in its clauses."""
    for part in expression:
        if not isinstance(part, str):
            yield part
        if isinstance(part, Call):
            yield from calls(part.then)
            yield from calls(part.otherwise)


def _call(text: str) -> tuple[Call | Broken | Cut, int]:
    """The call that `text` begins with behind its @, and its length."""
    opening = text.find("(")
    if opening < 0:
        return Broken("an @ without a function"), 0
    name = "".join(text[:opening].split())
    arguments, position = _arguments(text, opening + 1)
    if position >= len(text):
        return Cut(), 0
    position += 1
    if name not in TWO_CLAUSES | ONE_CLAUSE:
        return Call(name, arguments), position
    then, position = _clause(text, position)
    otherwise: str | None = ""
    if then is not None and name in TWO_CLAUSES:
        otherwise, position = _clause(text, position)
    end = position if then is not None and otherwise is not None else len(text)
    return Call(name, arguments, parse(then or ""), parse(otherwise or "")), end


def _arguments(text: str, position: int) -> tuple[tuple[str, ...], int]:
    """The arguments, and where their closing parenthesis is; beyond the text where there is none."""
    found: list[str] = []
    while True:
        position = _skip_blanks(text, position)
        if position >= len(text) or text[position] == ")":
            return tuple(found), position
        argument, position = _argument(text, position)
        if position >= len(text):
            return (), len(text)
        found.append(java.trim(argument))
        position += text[position] == ","


def _argument(text: str, position: int) -> tuple[str, int]:
    argument = ""
    escaped = quoted = bracketed = grouped = False
    while position < len(text):
        character = text[position]
        if character in ",)" and not (escaped or quoted or bracketed or grouped):
            break
        if character == "\\" and not escaped:
            escaped = True
        else:
            argument += character
            quoted ^= character == '"'
            bracketed = character == "[" or (bracketed and character != "]")
            grouped = character == "(" or (grouped and character != ")")
            escaped = False
        position += 1
    return argument, position


def _clause(text: str, position: int) -> tuple[str | None, int]:
    """What stands in the braces that come next, and where they end; None where none come or they stay open."""
    position = start = _skip_blanks(text, position)
    if not text.startswith("{", position):
        return None, position
    depth = 0
    while position < len(text):
        depth += (text[position] == "{") - (text[position] == "}")
        position += 1
        if not depth:
            return java.trim(text[start + 1 : position - 1]), position
    return None, position


def _skip_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position
