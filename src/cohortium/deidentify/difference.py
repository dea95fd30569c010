"""Two protocols side by side: which rules differ, and what that means for each attribute.

What always holds: two protocols of one digest differ in nothing, and whatever differs for an attribute is listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from cohortium.deidentify.clinical.explain import explain_tables
from cohortium.deidentify.ctp.rule import describe as scripts_in_words
from cohortium.deidentify.daterule import describe as dates_in_words
from cohortium.deidentify.explain import explain
from cohortium.deidentify.subjectrule import describe as subjects_in_words
from cohortium.values import ClinicalRule, Protocol, TableRule

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
    """The rules that differ: options, subjects, dates, columns of clinical tables."""
    for option in sorted(set(one.options) ^ set(other.options)):
        yield Changed(f"option {option}", *("yes" if option in each.options else "no" for each in (one, other)))
    pairs = (
        ("level of privacy", one.level or "none", other.level or "none"),
        ("edition", one.edition, other.edition),
        ("subjects", subjects_in_words(one.subject), subjects_in_words(other.subject)),
        ("dates", dates_in_words(one.dates), dates_in_words(other.dates)),
        ("ages over 89", one.dates.ages, other.dates.ages),
        ("hashes", *("without a key" if each.compat else "under the site's key" for each in (one, other))),
        ("CTP scripts", scripts_in_words(one.ctp), scripts_in_words(other.ctp)),
        ("clinical tables", *(_taken(each.clinical) for each in (one, other))),
    )
    yield from (Changed(what, *both) for what, *both in pairs if both[0] != both[1])
    if one.clinical and other.clinical:
        yield from _columns(one, other)


def _taken(clinical: ClinicalRule | None) -> str:
    return ", ".join(filter(None, (clinical.base, *(each.name for each in clinical.tables)))) if clinical else "none"


def _columns(one: Protocol, other: Protocol) -> Iterator[Changed]:
    """The clinical tables, and their columns, that the protocols treat differently."""
    for read in (_tables, _rules_of_columns):
        mine, yours = read(one), read(other)
        for what in sorted(mine.keys() | yours.keys()):
            both = mine.get(what, "no rule"), yours.get(what, "no rule")
            if both[0] != both[1]:
                yield Changed(what, *both)


def _tables(protocol: Protocol) -> dict[str, str]:
    """How each of the protocol's own tables is found and read."""
    own = protocol.clinical.tables if protocol.clinical else ()
    return {f"table {table.name}": ", ".join(_settings(table)) for table in own}


def _settings(table: TableRule) -> Iterator[str]:
    for key, value in asdict(table).items():
        if value and key not in ("name", "columns"):
            yield f"{key} {value!r}"


def _rules_of_columns(protocol: Protocol) -> dict[str, str]:
    return {f"column {each.column} of {each.table}": each.what for each in explain_tables(protocol)}


def attributes(one: Protocol, other: Protocol, sop_class: str) -> Iterator[Changed]:
    """The attributes of an object of `sop_class` that the protocols treat differently, in order of tag."""
    explained = [{(row.tag, row.keyword): row for row in explain(each, sop_class)} for each in (one, other)]
    rest = [rows["(odd,xxxx)", ""] for rows in explained]  # what becomes of a private attribute that is not listed
    for tag, name in sorted({**explained[0], **explained[1]}, key=lambda key: (key[0].startswith("(o"), key)):
        mine, yours = (rows.get((tag, name), other) for rows, other in zip(explained, rest, strict=True))
        modified = mine.action == "modify" and one.dates != other.dates
        if mine.action != yours.action or modified:
            yield Changed(f"{tag} {name}".strip(), mine.action, yours.action, mine.why, yours.why)
