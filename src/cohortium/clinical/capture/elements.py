"""Elements of an XML file as they begin and end, parsed while it is read.

What always holds: a document type, and with it every entity of the file's own, is refused; nothing outside of the file
is ever fetched; no more is held than the elements that are open, and of them only texts that ODM has values in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from cohortium.errors import Malformed

__all__ = ["BINARY", "MISSING", "TRANSLATED", "Attributes", "Element", "elements"]

CHUNK = 1 << 16
LONGEST = 1 << 24  # bytes of a tag
DEEPEST = 64
TRANSLATED, MISSING, BINARY = "TranslatedText", "MissingDataCodes", "ItemDataBase64Binary"

Attributes = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Element:
    """The begin of an element, or its end with the text in it; names are without prefixes."""

    name: str
    begins: bool
    attributes: Attributes
    text: str
    line: int


def elements(path: Path) -> Iterator[Element]:
    """Begins and ends of the elements of a file, as they come."""
    parsing = _Parsing()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield from parsing.fed(chunk)
            yield from parsing.fed(b"", True)
    except expat.ExpatError as error:
        raise Malformed(f"it is no XML that can be read to its end (line {error.lineno})") from None
    except OSError as error:
        raise Malformed(f"it cannot be opened ({type(error).__name__})") from None


class _Parsing:
    """A parser that is fed a file and gives what elements begin and end in it."""

    def __init__(self) -> None:
        self.found: list[Element] = []
        self.open: list[tuple[Element, list[str]]] = []
        self.waiting = 0  # bytes since anything was understood
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler, self.parser.EndElementHandler = self._begin, self._end
        self.parser.CharacterDataHandler, self.parser.StartDoctypeDeclHandler = self._text, self._refuse

    def fed(self, content: bytes, last: bool = False) -> list[Element]:
        self.waiting += len(content)
        self.parser.Parse(content, last)
        if self.waiting > LONGEST:
            raise Malformed("an element is too long")
        found, self.found = self.found, []
        return found

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        if len(self.open) == DEEPEST:
            raise Malformed("its elements lie too deep in one another")
        self.waiting = 0
        short = {key.rpartition(":")[2]: value for key, value in attributes.items() if not key.startswith("xml")}
        event = Element(name.rpartition(":")[2], True, short, "", self.parser.CurrentLineNumber)
        self.open.append((event, []))
        self.found.append(event)

    def _end(self, _: str) -> None:
        self.waiting = 0
        event, text = self.open.pop()
        self.found.append(Element(event.name, False, event.attributes, "".join(text), event.line))

    def _text(self, text: str) -> None:
        self.waiting = 0
        event, texts = self.open[-1]
        if event.name in (TRANSLATED, MISSING) or (event.name.startswith("ItemData") and event.name != BINARY):
            texts.append(text)

    def _refuse(self, *_: object) -> None:
        raise Malformed("it declares a document type, which ODM has not")
