"""The identifying values of the inputs, read with pydicom alone, and from the bare bytes where pydicom gives up.

Every name at every depth, every attribute that identifies, text of private elements, and the UIDs of the
patient's own objects. Values stay in memory; nothing here writes or reports them.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path

from ahocorasick_rs import BytesAhoCorasick
from pydicom._dicom_dict import DicomDictionary
from pydicom._uid_dict import UID_dictionary
from pydicom.charset import convert_encodings
from pydicom.datadict import keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.filereader import dcmread
from pydicom.tag import BaseTag

from cohortium.texts.identifying import identifying
from cohortium.verify.elements import LONGEST, UNREADABLE, each, strings, texts
from cohortium.verify.patterns import searchable, words
from cohortium.verify.policy import Policy, pieces
from cohortium.verify.tables import identities, is_table

__all__ = ["PRIVATE_TEXT", "REMOVED", "Values", "collect", "manufacturers", "stop_words"]

TEXT = frozenset({"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UN", "UT"})
CODED = frozenset({"CS", "DA"})
DESCRIPTIVE = re.compile("Comment|Description|Diagnos|History|ID$|Label|ProtocolName|Reason")
PUBLIC_KEYWORDS = frozenset({"ConvolutionKernel", "Manufacturer", "ManufacturerModelName", "SoftwareVersions"})
ALWAYS_SOUGHT = frozenset({"address", "identifier", "name", "phone", "planted", "UID"})
PRIVATE_TEXT = "private text"
FREE_TEXT = frozenset({"comment", PRIVATE_TEXT})
NUMBERED = frozenset({"device", "identifier"})
REMOVED = "removed value"
LONG_WORD = 6  # letters from which a word of a number or of free text is more than a prefix or an ordinary word
NUMBER = 4  # digits that make a word telling whatever else it has
NOT_AN_OBJECT = ("ClassUID", "SyntaxUID", "CreatorUID", "SchemeUID", "ResourceUID", "ContextUID", "VersionUID")
STANDARD_ROOT = "1.2.840.10008."


@dataclass(slots=True)
class Values:
    """What to search for: whole values and words by kind, and what was left out of the search.

    `removed` are, in lower case, the texts of any kind that the protocol does not keep.
    """

    kinds: dict[str, str] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    encodings: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)
    public: set[str] = field(default_factory=set)  # coded values, makers, models
    technical: set[str] = field(default_factory=set)  # other short texts that describe no one
    left_out: int = 0

    def add(self, text: str, kind: str, *, split: bool = True) -> None:
        """Note a value and, for all but UIDs, its words; the first kind that a value was seen as stays."""
        text = text.strip(" \0\r\n")
        if searchable(text):
            self.kinds.setdefault(text, kind)
        if split:
            for word in filter(_telling(kind), words(text)):
                self.kinds.setdefault(word, kind)

    def settle(self) -> None:
        """Set apart words of the stop list, and what is equal to a public value and not (part of) a name."""
        unplanted = [(text, kind) for text, kind in self.kinds.items() if kind != "planted"]
        self.stopped = {text for text, _ in unplanted if text.casefold() in stop_words()}
        known = "\n".join(self.public)
        technical = "\n".join(self.technical)
        public = {text for text, kind in unplanted if kind not in ALWAYS_SOUGHT and text.casefold() in known}
        public |= {text for text, kind in unplanted if kind == PRIVATE_TEXT and text.casefold() in technical}
        self.left_out = len(public - self.stopped)
        for text in self.stopped | public:
            del self.kinds[text]
        vocabulary = self.removed & (stop_words() | _vocabulary())
        self.stopped |= vocabulary
        self.removed -= vocabulary | {text.lower() for text in self.kinds}


def _telling(kind: str) -> Callable[[str], bool]:
    """Which words of such a value are worth searching for by themselves."""
    if kind in NUMBERED:
        return lambda word: sum(map(str.isdigit, word)) >= NUMBER or sum(map(str.isalpha, word)) >= LONG_WORD
    if kind in FREE_TEXT:
        return lambda word: len(word) >= LONG_WORD and not word.islower() and word.casefold() not in _vocabulary()
    return bool


@cache
def _vocabulary() -> frozenset[str]:
    """The words that attributes and classes of the standard are named with (PS3.6)."""
    names = (entry[2] for entry in DicomDictionary.values())
    classes = (entry[0] for entry in UID_dictionary.values())
    return frozenset(word.casefold() for name in (*names, *classes) for word in words(name))


def stop_words() -> frozenset[str]:
    """Clinical and DICOM language: no leak, whoever bears such a name."""
    return _listed("stoplist.txt")


def manufacturers() -> frozenset[str]:
    """Names of makers: no leak where the maker is told."""
    return _listed("manufacturers.txt")


@cache
def _listed(name: str) -> frozenset[str]:
    lines = (files(__package__) / name).read_text("utf-8").splitlines()
    return frozenset(line.strip().casefold() for line in lines if line and not line.startswith("#"))


def collect(inputs: Iterable[Path], planted: Iterable[str], policy: Policy | None = None) -> Values:
    """The values of all inputs; planted ones come first and are never left out."""
    values = Values()
    for text in planted:
        values.kinds.setdefault(text, "planted")
    for path in inputs:
        _collect_file(path, values, policy)
    values.settle()
    return values


def _collect_file(path: Path, values: Values, policy: Policy | None) -> None:
    try:
        content = path.read_bytes()
    except OSError:
        return  # what cannot be read cannot have left
    if is_table(path):
        for text, kind in identities(content):
            values.add(text, kind)
        return
    broken: list[BaseTag] = []
    try:
        dataset = dcmread(BytesIO(content), force=content[:1] in (b"\2", b"\10"))
        own = policy.of(dataset) if policy else None
        for part in (dataset.file_meta, dataset):
            for path_, element in each(part, broken=broken):
                _collect_element(path_, element, values, own)
        if "PixelData" in dataset and not broken:  # the reader came to the end of the header
            return
    except UNREADABLE:
        pass
    _collect_bytes(content, values)


def _collect_element(path: str, element: DataElement, values: Values, policy: Policy | None) -> None:
    if element.keyword == "SpecificCharacterSet" and element.value:
        try:
            values.encodings.update(convert_encodings(element.value))
        except UNREADABLE:
            return
    if policy and not policy.keeps(path):
        values.removed.update(text.lower() for text in pieces(element))
    for text in texts(element) if element.VR == "UI" else strings(element):
        _note(element, text, values)


def _note(element: DataElement, text: str, values: Values) -> None:
    kind = identifying().get(element.keyword)
    if element.VR == "PN":
        for part in (text, *text.split("="), *text.replace("=", "^").split("^")):
            values.add(part, "name")
    elif kind:
        values.add(text, kind)
    elif element.VR == "UI":
        if not text.startswith(STANDARD_ROOT) and not element.keyword.endswith(NOT_AN_OBJECT):
            values.add(text, "UID", split=False)
    elif element.tag.is_private:
        if element.VR in TEXT and element.tag.element > 0xFF:
            values.add(text, PRIVATE_TEXT)
    elif (element.VR in CODED and element.keyword != "ReferencedFileID") or element.keyword in PUBLIC_KEYWORDS:
        values.public.update((text.casefold(), *map(str.casefold, words(text))))
    elif element.VR in ("LO", "SH") and not DESCRIPTIVE.search(element.keyword):
        values.technical.add(text.casefold())


@cache
def _tags() -> tuple[list[tuple[str, str]], BytesAhoCorasick]:
    """(VR, keyword) of what may identify, and a search for their tags in little and big endian."""
    keywords = {entry[4] for entry in DicomDictionary.values() if entry[0] == "PN"} | identifying().keys()
    tags = [tag for tag in map(tag_for_keyword, sorted(keywords)) if tag]
    kinds = [(DicomDictionary[tag][0], keyword_for_tag(tag)) for tag in tags]
    little = [struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in tags]
    return kinds, BytesAhoCorasick(little)


def _collect_bytes(content: bytes, values: Values) -> None:
    """Values of a file that may not have been understood to its end: what follows an identifying tag and is text."""
    kinds, automaton = _tags()
    for which, _, end in automaton.find_matches_as_indexes(content, overlapping=True):
        vr, keyword = kinds[which]
        explicit = content[end : end + 2] == vr.encode()
        (length,) = struct.unpack_from("<H", content.ljust(end + 4, b"\0"), end + 2 if explicit else end)
        text = content[end + 4 : end + 4 + min(length, LONGEST)]
        try:
            decoded = text.decode("utf-8")
        except UnicodeDecodeError:
            decoded = text.decode("latin-1")
        if decoded.strip("\0").isprintable():
            values.add(decoded, "name" if vr == "PN" else identifying()[keyword])
