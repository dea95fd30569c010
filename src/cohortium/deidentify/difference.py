"""Two protocols side by side: which rules differ, and what that means for each attribute.

What always holds: two protocols of one digest differ in nothing, and whatever differs for an attribute is listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cohortium.deidentify.daterule import describe as dates_in_words
from cohortium.deidentify.explain import explain
from cohortium.deidentify.subjectrule import describe as subjects_in_words
from cohortium.values import Protocol

__all__ = ["Changed", "attributes", "rules"]


@dataclass(frozen=True, slots=True)
class Changed:
    """What two protocols say of one thing: `one` and `other` in words, with reasons where it is an attribute."""

    what: str
    one: str
    other: str
    why_one: str = ""
    why_other: str = ""


def rules(one: Protocol, other: Protocol) -> Iterator[Changed]:
    """The rules that differ: options, subjects, dates."""
    for option in sorted(set(one.options) ^ set(other.options)):
        yield Changed(f"option {option}", *("yes" if option in each.options else "no" for each in (one, other)))
    pairs = (
        ("level of privacy", one.level or "none", other.level or "none"),
        ("edition", one.edition, other.edition),
        ("subjects", subjects_in_words(one.subject), subjects_in_words(other.subject)),
        ("dates", dates_in_words(one.dates), dates_in_words(other.dates)),
        ("ages over 89", one.dates.ages, other.dates.ages),
        ("hashes", *("without a key" if each.compat else "under the site's key" for each in (one, other))),
    )
    yield from (Changed(what, *both) for what, *both in pairs if both[0] != both[1])


def attributes(one: Protocol, other: Protocol, sop_class: str) -> Iterator[Changed]:
    """The attributes of an object of `sop_class` that the protocols treat differently, in order of tag."""
    explained = [{(row.tag, row.keyword): row for row in explain(each, sop_class)} for each in (one, other)]
    rest = [rows["(odd,xxxx)", ""] for rows in explained]  # what becomes of a private attribute that is not listed
    for tag, name in sorted({**explained[0], **explained[1]}, key=lambda key: (key[0].startswith("(o"), key)):
        mine, yours = (rows.get((tag, name), other) for rows, other in zip(explained, rest, strict=True))
        modified = mine.action == "modify" and one.dates != other.dates
        if mine.action != yours.action or modified:
            yield Changed(f"{tag} {name}".strip(), mine.action, yours.action, mine.why, yours.why)
