"""A protocol as one page that a person can read, print and approve: all in it, nothing fetched from elsewhere."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from cohortium import __version__
from cohortium.deidentify import standard
from cohortium.deidentify.clinical.explain import explain_tables
from cohortium.deidentify.ctp.rule import describe as scripts_in_words
from cohortium.deidentify.daterule import describe as dates_in_words
from cohortium.deidentify.difference import attributes, rules
from cohortium.deidentify.explain import WORDS, Explained, explain
from cohortium.deidentify.subjectrule import describe as subjects_in_words
from cohortium.values import Protocol

__all__ = ["page"]

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Group:
    """Attributes that meet the same fate; those that a reader should look at are `open`."""

    title: str
    text: str
    rows: Sequence[Explained]
    open: bool


class _Level:
    """A level of privacy, and in words what it does beyond the one before."""

    def __init__(self, before: Protocol, protocol: Protocol, sop_class: str) -> None:
        self.name = protocol.level
        self.digest = protocol.digest
        self.rules = list(rules(before, protocol))[1:]  # the first is that the level is another
        changed = attributes(before, protocol, sop_class)
        told = (each for each in changed if each.one != each.other and each.other != "modify")  # which the rules tell
        self.attributes = [(each.what.split(" ")[-1], each.other) for each in told]


def page(protocol: Protocol, sop_class: str, levels: Sequence[Protocol] = ()) -> str:
    """The page, as HTML, for objects of `sop_class`; `levels` are the protocol without a level and at each."""
    groups = _groups(list(explain(protocol, sop_class)))
    return _template().render(
        protocol=protocol,
        subjects=subjects_in_words(protocol.subject),
        dates=dates_in_words(protocol.dates),
        scripts=scripts_in_words(protocol.ctp),
        words=_words(),
        levels=[_Level(before, each, sop_class) for before, each in pairwise(levels)],
        codes={name: standard.options()[name].code for name in protocol.options},
        kind=standard.storage_sop_classes()[sop_class],
        groups=groups,
        names=WORDS,
        columns=list(explain_tables(protocol)),
        version=__version__,
    )


def _groups(rows: Sequence[Explained]) -> list[Group]:
    listed = [row for row in rows if _is_listed(row)]
    plain = [row for row in rows if not _is_listed(row)]

    def those(action: str, among: Iterable[Explained] = rows) -> list[Explained]:
        return [row for row in among if row.action == action]

    groups = [
        Group(
            "Kept, although the standard lists it as identifying",
            "These stay as they are because an option or a rule of this protocol says so.",
            sorted(those("keep", listed), key=lambda row: "[elements]" not in row.why),  # its own rules first
            True,
        ),
        Group(
            "Modified", "Dates, times and ages, as described above.", [*those("modify"), *those("cut to year")], True
        ),
        Group(
            "Cleaned",
            "Words of a fixed vocabulary of radiology stay; everything else in these texts goes.",
            those("clean"),
            True,
        ),
        Group("Replaced", "A value that says nothing, or the pseudonym, stands in place.", those("dummy"), False),
        Group(
            "Hashed",
            "A code made of the value and the pseudonym: the same for the same input, and readable for nobody.",
            those("hash"),
            True,
        ),
        Group(
            "As the CTP script says",
            "For each object anew; the protocol holds its text, and `cohortium ctp explain` tells it rule by rule.",
            those("as the CTP script"),
            True,
        ),
        Group("Mapped", "Another identifier, the same for the same input within the project.", those("map UID"), False),
        Group("Emptied", "The attribute stays, without a value.", those("empty"), False),
        Group("Removed", "Neither the attribute nor its value leaves.", those("remove"), False),
        Group("Kept", "Attributes that the standard does not list as identifying.", those("keep", plain), False),
    ]
    return [group for group in groups if group.rows]


def _is_listed(row: Explained) -> bool:
    """Whether Table E.1-1 lists it, as it does every private attribute: those that stay have rows of their own."""
    digits = row.tag.strip("()").replace(",", "")
    return "xx" in digits or (len(digits) == 8 and bool(standard.basic(int(digits, 16))))


@cache
def _words() -> Mapping[str, Any]:
    return tomllib.loads((HERE / "words.toml").read_text("utf-8"))


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("protocol.html")
