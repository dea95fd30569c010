"""Levels of privacy: one protocol in several strengths, from which a hospital chooses.

A `[levels.NAME]` table says what differs from the level before, or from the protocol's own rules. What always holds:
each level gives away less than the one before for some attribute, and more for none. That is not taken on trust but
worked out over the whole data dictionary.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from pydicom._dicom_dict import DicomDictionary

from cohortium.deidentify import standard
from cohortium.deidentify.private import private_action, retained
from cohortium.values import Action, DateRule, Protocol

__all__ = ["at_level", "level_problems", "order_problems"]

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
TABLES = {"options": list, "elements": dict, "dates": dict}
GIVES_AWAY = (
    frozenset({Action.KEEP}),
    frozenset(
        {Action.CLEAN, Action.HASH, Action.MODIFY, Action.SCRIPT, Action.UID}
    ),  # part of the value, or that two are the same
    frozenset({Action.YEAR}),
    frozenset({Action.DUMMY, Action.EMPTY, Action.REMOVE}),  # nothing
)
"""What becomes of a value, from what gives away most to what gives away nothing."""
SHOWN = 3  # attributes that a message names


def at_level(document: Mapping[str, Any], level: str) -> dict[str, Any]:
    """The rules in force at a level: what it and those before it say, over what the protocol says."""
    rules = {**document, "level": level, "levels": {}}
    for name, own in document["levels"].items():
        rules["options"] = own.get("options", rules.get("options", []))
        rules |= {key: {**rules.get(key, {}), **own.get(key, {})} for key in ("elements", "dates")}
        if name == level:
            break
    return rules


def level_problems(table: Any) -> Iterator[str]:
    """Every mistake in the form of the tables."""
    if not isinstance(table, dict):
        yield "levels: tables such as [levels.high] are expected"
        return
    for name, own in table.items():
        if not NAME.fullmatch(name):
            yield f"levels.{name}: a name of lower-case letters, digits and hyphens is expected"
        if not isinstance(own, dict):
            yield f"levels.{name}: a table is expected"
            continue
        for key in sorted(own.keys() - TABLES.keys()):
            yield f"levels.{name}.{key}: no such setting; known: {', '.join(TABLES)}"
        for key, kind in TABLES.items():
            if not isinstance(own.get(key, kind()), kind):
                yield f"levels.{name}.{key}: {'a list of names' if kind is list else 'a table'} is expected"


def order_problems(
    base: Protocol, levels: Sequence[Protocol], outcome: Callable[[Protocol, int], Action]
) -> Iterator[str]:
    """What keeps the levels from being ever more private; the first may be the protocol itself under a name."""
    for weaker, stronger in pairwise([base, *levels]):
        less = [tag for tag in _attributes() if _rank(outcome(stronger, tag)) < _rank(outcome(weaker, tag))]
        private = _private(weaker, stronger)
        than = weaker.level or "the protocol without a level"
        if less:
            yield f"levels.{stronger.level}: gives away more than {than} in {_named(less)}"
        elif private:
            yield f"levels.{stronger.level}: gives away more than {than} in private attributes of {', '.join(private)}"
        elif not _as_private(weaker.dates, stronger.dates):
            yield f"levels.{stronger.level}.dates: give away more than those of {than}, or other things"
        elif weaker.level and weaker.dates == stronger.dates and _same(weaker, stronger, outcome):
            yield f"levels.{stronger.level}: is no more private than {than}"


def _private(weaker: Protocol, stronger: Protocol) -> list[str]:
    """The creators of private attributes in which the second gives away more."""
    before = {key: _rank(private_action(weaker, each)[0]) for key, each in retained(weaker).items()}
    after = {key: _rank(private_action(stronger, each)[0]) for key, each in retained(stronger).items()}
    nothing = len(GIVES_AWAY) - 1
    return sorted({key[0].decode() for key, rank in after.items() if rank < before.get(key, nothing)})[:SHOWN]


def _attributes() -> Iterator[int]:
    return (tag for tag in sorted(DicomDictionary) if tag >> 16 >= 8)


def _rank(action: Action) -> int:
    return next(rank for rank, actions in enumerate(GIVES_AWAY) if action in actions)


def _same(one: Protocol, other: Protocol, outcome: Callable[[Protocol, int], Action]) -> bool:
    return all(_rank(outcome(one, tag)) == _rank(outcome(other, tag)) for tag in _attributes())


def _named(tags: Iterable[int]) -> str:
    names = [standard.keyword(tag) for tag in tags]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _as_private(weaker: DateRule, stronger: DateRule) -> bool:
    """Whether the second rule tells nothing that the first does not; shifted and truncated dates do not compare."""
    if stronger.rule == "remove" and stronger.times != "relative":
        return True
    days = (
        stronger.rule == weaker.rule
        and (stronger.precision, weaker.precision) != ("month", "year")
        and stronger.earliest <= weaker.earliest
        and stronger.latest >= weaker.latest
    )
    times = ("keep", "hour", "obscure", "relative")
    ages = ("keep", "cap")
    return (
        (weaker.rule == "keep" or days)
        and times.index(stronger.times) >= times.index(weaker.times)
        and ages.index(stronger.ages) >= ages.index(weaker.ages)
    )
