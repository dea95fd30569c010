"""The two forms of a CTP script, XML and properties, as the one list of entries that CTP makes of both.

An entry is a key such as `set.[0010,0010]PatientName`, `param.SITEID`, `keep.group0018` or `remove.overlays`, and its
value. Only `en="T"` switches an element of XML on; the key of any other begins with #.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from xml.parsers import expat

from cohortium.deidentify.ctp import java

__all__ = ["IGNORED", "Entry", "Remark", "entries_of"]

ENABLED = "T"
DOCUMENT_TYPE = "<!DOCTYPE"
IGNORED = "?"  # the key of what CTP passes over
Entry = tuple[int, str, str]  # line, key, value


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a line of a script."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


def entries_of(text: str) -> tuple[list[Entry], list[Remark]]:
    """The entries of a script, and what keeps it from being one."""
    return _xml(text) if re.search(r"^\s*<", text, re.MULTILINE) else (list(java.properties(text)), [])


def _xml(text: str) -> tuple[list[Entry], list[Remark]]:
    """The entries that CTP makes of a script in XML."""
    found: list[tuple[int, str, dict[str, str], list[str]]] = []
    mistakes: list[Remark] = []
    depth = 0
    parser = expat.ParserCreate()

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth == 2:
            found.append((parser.CurrentLineNumber, name, attributes, []))

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    def data(more: str) -> None:
        if depth >= 2:
            found[-1][3].append(more)

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = data
    if DOCUMENT_TYPE in text:
        return [], [Remark(text[: text.index(DOCUMENT_TYPE)].count("\n") + 1, "a document type is not read")]
    try:
        parser.Parse(_undeclared(text), True)
    except expat.ExpatError as error:
        return [], [Remark(error.lineno, f"not well-formed XML: {expat.ErrorString(error.code)}")]
    entries: list[Entry] = []
    for line, kind, attributes, parts in found:
        write = KINDS.get(kind)
        if write is None:
            entries.append((line, IGNORED, ""))
        elif "t" not in attributes or (kind == "e" and len(attributes["t"]) < 5):
            mistakes.append(Remark(line, "the attribute t is missing or too short"))
        else:
            entries.append((line, *write(attributes, "".join(parts))))
    return entries, mistakes


def _undeclared(text: str) -> bytes:
    """The text in UTF-8, without a declaration that says otherwise."""
    return re.sub(r"^\s*<\?xml[^>]*\?>", lambda match: "\n" * match[0].count("\n"), text).encode("utf-8", "replace")


def _switch(attributes: dict[str, str]) -> str:
    return "" if attributes.get("en") == ENABLED else "#"


def _e(attributes: dict[str, str], text: str) -> tuple[str, str]:
    tag = attributes["t"]
    return f"{_switch(attributes)}set.[{tag[:4]},{tag[4:]}]{attributes.get('n', '')}", text


def _p(attributes: dict[str, str], text: str) -> tuple[str, str]:
    return f"param.{attributes['t']}", text


def _k(attributes: dict[str, str], _: str) -> tuple[str, str]:
    kept = "safeprivateelements" if attributes["t"].startswith("safe") else f"group{attributes['t']}"
    return f"{_switch(attributes)}keep.{kept}", ""


def _r(attributes: dict[str, str], _: str) -> tuple[str, str]:
    return f"{_switch(attributes)}remove.{attributes['t']}", ""


KINDS: Mapping[str, Callable[[dict[str, str], str], tuple[str, str]]] = {"e": _e, "p": _p, "k": _k, "r": _r}
