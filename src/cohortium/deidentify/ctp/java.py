"""What Java does with text, numbers and days, as CTP relies on it.

CTP is written in Java, and a script's result depends on its habits: `split` forgets empty ends, `trim` cuts all control
characters, a calendar takes month 13 for January, a property file has escapes of its own. All functions are total or
raise `ValueError` where Java raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

__all__ = [
    "Pattern",
    "day_of",
    "day_to",
    "floating",
    "integer",
    "properties",
    "regex",
    "replace_all",
    "split",
    "trim",
]

Pattern = re.Pattern[str]
CONTROLS = "".join(map(chr, range(33)))
INTEGER = re.compile(r"[+-]?[0-9]+")
GREGORIAN = 2299161  # Julian day of 15 October 1582, with which Java's calendar changes
CLASSES = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": r"!-/:-@\[-`{-~",
    "Space": r"\s",
    "XDigit": "0-9a-fA-F",
    "L": "a-zA-Z",
    "Lu": "A-Z",
    "Ll": "a-z",
    "N": "0-9",
    "Nd": "0-9",
}
ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def trim(text: str) -> str:
    """Without control characters and blanks at both ends."""
    return text.strip(CONTROLS)


def split(text: str, delimiter: str) -> list[str]:
    """The parts between delimiters; empty ones at the end are forgotten, but never all of an empty text."""
    parts = text.split(delimiter)
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return [] if text and parts == [""] else parts


def integer(text: str | None, bits: int = 32) -> int:
    """The number that the digits of a text stand for; `ValueError` where Java would not read it."""
    if text is None or not INTEGER.fullmatch(text):
        raise ValueError("no whole number")
    number = int(text) if len(text) < 25 else 1 << 80
    if not -(1 << bits - 1) <= number < 1 << bits - 1:
        raise ValueError("a number too large")
    return number


def floating(digits: str) -> str:
    """A number as Java prints it, from the shortest digits that tell it apart, as Python's `repr` gives them."""
    if "n" in digits:  # nan, inf
        return {"nan": "NaN", "inf": "Infinity"}.get(digits, "-Infinity")
    sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    mantissa, _, power = digits.partition("e")
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(power or 0)
    figures = (whole + fraction).lstrip("0")
    point -= len(whole + fraction) - len(figures)
    figures = figures.rstrip("0")
    if not figures:
        return sign + "0.0"
    if -3 < point <= 7:
        padded = "0" * (1 - point) + figures if point < 1 else figures.ljust(point, "0")
        cut = max(point, 1)
        return f"{sign}{padded[:cut]}.{padded[cut:] or '0'}"
    return f"{sign}{figures[0]}.{figures[1:] or '0'}E{point - 1}"


@lru_cache(256)
def regex(text: str) -> Pattern:
    """A regular expression of Java as one of Python; `ValueError` where it is none, or means what Python cannot say."""
    if "&&" in text:
        raise ValueError("an intersection of character classes")
    translated = []
    depth = position = 0
    while position < len(text):
        step = _step(text, position, depth > 0)
        character = text[position]
        if character == "[":
            if depth:
                raise ValueError("a character class inside another")
            depth = 1
        elif character == "]":
            depth = 0
        translated.append(step)
        position += _length(text, position)
    try:
        return re.compile("".join(translated), re.ASCII)
    except (re.error, OverflowError, RecursionError):
        raise ValueError("no regular expression") from None


def _length(text: str, position: int) -> int:
    if text[position] != "\\":
        return 1
    if text.startswith(("\\p{", "\\P{"), position):
        return text.find("}", position) + 1 - position
    if text.startswith("\\Q", position):
        end = text.find("\\E", position)
        return (end + 2 if end >= 0 else len(text)) - position
    return 2


def _step(text: str, position: int, in_class: bool) -> str:
    part = text[position : position + max(_length(text, position), 1)]
    if part == "." and not in_class:
        return "[^\\n\\r\\u0085\\u2028\\u2029]"
    if part[:1] != "\\":
        return f"\\{part}" if in_class and part in "&|~" else part
    if part == "\\":
        raise ValueError("a lone backslash")
    kind, inner = part[1], part[3:-1] if part[2:3] == "{" else ""
    if kind in "pP":
        members = CLASSES.get(inner.removeprefix("Is").removeprefix("javaUpperCase"))
        if members is None or (in_class and kind == "P"):
            raise ValueError("a class of characters that only Java knows")
        return members if in_class else f"[{'^' if kind == 'P' else ''}{members}]"
    if kind == "Q":
        return re.escape(part[2:].removesuffix("\\E"))
    if kind == "z":
        return "\\Z"
    if kind == "Z":
        return "(?=[\\n\\r]?\\Z)"
    if kind == "h":
        return " \\t\\u00a0" if in_class else "[ \\t\\u00a0]"
    if kind.isascii() and kind.isalpha() and kind not in "dDwWsSbBAntrfvaux":
        raise ValueError("an escape that only Java knows")
    return part


def replace_all(pattern: Pattern, replacement: str, text: str) -> str:
    """Each match replaced; in the replacement `$1` is a group and a backslash makes the next character plain."""
    return pattern.sub(lambda match: _expanded(match, replacement), text)


def _expanded(match: re.Match[str], replacement: str) -> str:
    out, position = [], 0
    while position < len(replacement):
        character = replacement[position]
        position += 1
        if character == "\\":
            if position == len(replacement):
                raise ValueError("a lone backslash")
            out.append(replacement[position])
            position += 1
        elif character == "$":
            group, position = _group(match, replacement, position)
            out.append(group)
        else:
            out.append(character)
    return "".join(out)


def _group(match: re.Match[str], replacement: str, position: int) -> tuple[str, int]:
    if position >= len(replacement) or not ("0" <= replacement[position] <= "9"):
        raise ValueError("no group")
    number, position = int(replacement[position]), position + 1
    groups = match.re.groups
    if number > groups:
        raise ValueError("no such group")
    while position < len(replacement) and "0" <= replacement[position] <= "9":
        longer = number * 10 + int(replacement[position])
        if longer > groups:
            break
        number, position = longer, position + 1
    return match[number] or "", position


def day_of(year: int, month: int, day: int) -> int:
    """The Julian day of a date; months and days beyond their range run on, as in a lenient calendar."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    late = month < 3
    years = year + 4800 - late
    days = day + (153 * (month + 12 * late - 3) + 2) // 5 + 365 * years + years // 4
    gregorian = days - years // 100 + years // 400 - 32045
    return gregorian if gregorian >= GREGORIAN else days - 32083


def day_to(number: int) -> tuple[int, int, int]:
    """Year, month and day of a Julian day; years before the first are counted back from it, as Java shows them."""
    days = number + 1401
    if number >= GREGORIAN:
        days += (4 * number + 274277) // 146097 * 3 // 4 - 38
    quarters = 4 * days + 3
    fifths = 5 * (quarters % 1461 // 4) + 2
    day, month = fifths % 153 // 5 + 1, (fifths // 153 + 2) % 12 + 1
    year = quarters // 1461 - 4716 + (14 - month) // 12
    return (year if year > 0 else 1 - year), month, day


def properties(text: str) -> Iterator[tuple[int, str, str]]:
    """Line number, key and value of each entry of a property file."""
    for number, line in _logical_lines(text):
        key, position = [], 0
        while position < len(line) and line[position] not in "=: \t\f":
            size = 2 if line[position] == "\\" else 1
            key.append(line[position : position + size])
            position += size
        rest = line[position:].lstrip(" \t\f")
        rest = rest[1:].lstrip(" \t\f") if rest[:1] in ("=", ":") else rest
        yield number, _unescaped("".join(key)), _unescaped(rest)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    lines = iter(enumerate(re.split("\r\n|\n|\r", text), 1))
    for number, line in lines:
        line = line.lstrip(" \t\f")
        if not line or line[0] in "#!":
            continue
        while (len(line) - len(line.rstrip("\\"))) % 2:
            line = line[:-1] + next(lines, (0, ""))[1].lstrip(" \t\f")
        yield number, line


def _unescaped(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        code, other = match[1], match[2]
        return chr(int(code, 16)) if code else ESCAPES.get(other, other)

    return re.sub(r"\\(?:u([0-9a-fA-F]{4})|(.?))", plain, text, flags=re.DOTALL)
