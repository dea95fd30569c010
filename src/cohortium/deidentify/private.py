"""Private attributes that are known to be safe (Retain Safe Private, PS3.15 E.3.10), and what becomes of each.

What always holds: an attribute is known by its group, its creator and its low byte, never by its block, and stays only
with a value that can be read as what the table says it is. Dates follow the protocol's rule for dates, UIDs are mapped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Any

from cohortium.deidentify import actions, dates, standard
from cohortium.deidentify.daterule import describe
from cohortium.deidentify.identifiers import UidMap
from cohortium.dicom.plan import (
    BINARY_SIZES,
    GRAMMARS,
    TEXT_VRS,
    UIDS,
    Context,
    Do,
    Private,
    Rule,
    SafePrivate,
    padded,
)
from cohortium.values import Action, Protocol

__all__ = ["OPTION", "SafeAttribute", "private_action", "private_problems", "private_table", "retained", "safe"]

OPTION = "Retain Safe Private"
OPAQUE = frozenset(("OB", "OW", "UN"))
FREE_TEXT = frozenset(("LT", "ST", "UT"))
DATES = frozenset(("DA", "DT", "TM"))
VRS = (GRAMMARS.keys() | BINARY_SIZES.keys() | {"OB", "OW", "SQ"}) - {"PN"}
TAG = re.compile(r"\(?([0-9a-f]{4}),?xx([0-9a-f]{2})\)?", re.IGNORECASE).fullmatch
READABLE_UID = re.compile(rb"(?<![0-9.])[0-2](?:\.[0-9]+){5,}")
STANDARD_UID = b"1.2.840.10008."
READABLE_DATE = re.compile(rb"(?<![0-9])(?:19|20)[0-9]{2}[-./:]?(?:0[1-9]|1[0-2])[-./:]?(?:[0-2][0-9]|3[01])(?![0-9])")


@dataclass(frozen=True, slots=True)
class SafeAttribute:
    """A private attribute that may stay, as `source` says: `tag` has 00 for the block, `action` is K, U or M."""

    tag: int
    creator: str
    vr: str
    action: Action
    source: str

    @property
    def number(self) -> str:
        """The tag as the standard writes it: (gggg,xxee)."""
        return f"({self.tag >> 16:04X},xx{self.tag & 0xFF:02X})"


def retained(protocol: Protocol) -> Mapping[tuple[bytes, int], SafeAttribute]:
    """By creator and tag, what the protocol's option and its [private] let stay, provided that a value is readable."""
    found = dict(_shipped()) if OPTION in protocol.options else {}
    for creator, attributes in protocol.private.items():
        for number, vr in attributes.items():
            tag = int(number.replace("xx", "00"), 16)
            if vr == "remove":
                found.pop((creator.encode(), tag), None)
            else:
                own = SafeAttribute(tag, creator, vr, Action.KEEP, f"protocol {protocol.name}: [private]")
                found[creator.encode(), tag] = own
    return found


def private_action(protocol: Protocol, attribute: SafeAttribute) -> tuple[Action, str]:
    """What happens to a safe private attribute, and why in a phrase."""
    vr, rule = attribute.vr, protocol.dates
    if vr == "AE" and "Retain Device Identity" not in protocol.options:
        return Action.REMOVE, "names a device; Retain Device Identity would keep it"
    if vr in DATES or attribute.action is Action.MODIFY:
        if rule.rule == "remove":
            return Action.REMOVE, describe(rule)
        kept = not rule.modifies or (vr == "TM" and rule.times == "keep")
        return Action.KEEP if kept else Action.MODIFY, f"{attribute.source}; {describe(rule)}"
    if vr == "AS" and rule.ages == "cap":
        return Action.MODIFY, f"{attribute.source}; over 89 as 090Y"
    if vr == "UI" or attribute.action is Action.UID:
        kept = "Retain UIDs" in protocol.options
        return (Action.KEEP, "Retain UIDs") if kept else (Action.UID, f"{attribute.source}; UIDs are mapped")
    if vr in FREE_TEXT and "Clean Descriptors" in protocol.options:
        return Action.CLEAN, f"{attribute.source}; Clean Descriptors"
    return Action.KEEP, attribute.source


def safe(protocol: Protocol, uids: UidMap) -> SafePrivate | None:
    """What the rewriters ask of each private element; None where none may stay."""
    attributes = retained(protocol)

    @lru_cache(maxsize=4096)
    def private(creator: bytes, tag: int, vr: str) -> Private | None:
        attribute = attributes.get((creator, tag))
        read_as = attribute and _read_as(attribute.vr, vr)
        return _private(protocol, attribute, read_as, uids) if attribute and read_as else None

    return private if attributes else None


def _read_as(known: str, written: str) -> str:
    """The VR by which a value is judged: the table's, or the file's where it says more; empty where they contradict."""
    if known in OPAQUE:
        if written not in ("", *OPAQUE):
            return written if written in VRS and written != "SQ" else ""
        return known if known != "UN" else ""  # nobody says what it holds
    both_text = known in TEXT_VRS and written in TEXT_VRS
    both_binary = BINARY_SIZES.get(known, 0) == BINARY_SIZES.get(written, 1)
    return known if written in ("", "UN", known) or both_text or both_binary else ""


def _private(protocol: Protocol, attribute: SafeAttribute, vr: str, uids: UidMap) -> Private | None:
    action, _ = private_action(protocol, attribute)
    rule: Callable[..., Rule] = partial(Rule, attribute.tag)
    accepts = _grammar(vr, protocol)
    match action:
        case Action.KEEP if vr == "SQ":
            return Private(rule(Do.ENTER), accepts)
        case Action.KEEP if attribute.action is Action.UID:
            return Private(rule(Do.KEEP), UIDS)
        case Action.KEEP:
            return Private(rule(Do.KEEP), accepts)
        case Action.CLEAN:
            return Private(rule(Do.EDIT, actions.cleaned), accepts)
        case Action.UID if vr in TEXT_VRS or vr in OPAQUE:
            return Private(rule(Do.EDIT, _mapped(vr, uids)), UIDS)
        case Action.MODIFY if vr in (*DATES, "AS"):
            return Private(rule(Do.EDIT, dates.modified(vr, protocol.dates)), accepts)
        case Action.MODIFY if vr in TEXT_VRS:
            return Private(rule(Do.EDIT, dates.modified("DA", protocol.dates)), GRAMMARS["DA"])
        case _:
            return None


def _grammar(vr: str, protocol: Protocol) -> Callable[[bytes], object]:
    if vr in OPAQUE:
        return partial(_unreadable, dated=protocol.dates.rule == "keep" and not protocol.dates.modifies)
    if vr in BINARY_SIZES:
        return lambda value: len(value) % BINARY_SIZES[vr] == 0
    return GRAMMARS.get(vr, bool)


def _unreadable(value: bytes, *, dated: bool) -> bool:
    """Whether bytes that only their maker understands hold no UID that others can read, and no date unless all stay."""
    uids = (each for each in READABLE_UID.findall(value) if not each.startswith(STANDARD_UID))
    return next(uids, None) is None and (dated or not READABLE_DATE.search(value))


def _mapped(vr: str, uids: UidMap) -> Callable[[bytes, Context], bytes]:
    return lambda value, _context: padded(uids(value).rstrip(b"\0"), vr)


@cache
def _shipped() -> Mapping[tuple[bytes, int], SafeAttribute]:
    return {(each.creator.encode(), each.tag): each for each in _rows()}


def _rows() -> Iterator[SafeAttribute]:
    for row in standard.safe_private():
        for low in row["elements"].split():
            tag = int(row["group"] + "00" + low, 16)
            yield SafeAttribute(tag, row["creator"], row["vr"], Action(row["action"]), f"{OPTION}, {row['source']}")


def private_table(table: Mapping[str, Mapping[str, str]]) -> Mapping[str, Mapping[str, str]]:
    """The [private] table of a checked protocol in the one spelling that counts: `7053xx00`, `DS`."""
    return {
        creator.strip(): {_number(tag): vr if vr == "remove" else vr.upper() for tag, vr in sorted(attributes.items())}
        for creator, attributes in sorted(table.items())
    }


def private_problems(table: Any) -> Iterator[str]:
    """Every mistake in the [private] table of a protocol."""
    if not isinstance(table, dict):
        yield "private: a table is expected, of attributes by creator"
        return
    for creator, attributes in sorted(table.items()):
        if not creator.strip() or not creator.isascii() or len(creator) > 64 or "\\" in creator:
            yield "private: the creator's name is expected as it stands in (gggg,0010) and its like"
        if not isinstance(attributes, dict):
            yield f'private.{creator}: a table is expected, such as {{"(7053,xx00)" = "DS"}}'
            continue
        for tag, vr in sorted(attributes.items()):
            found = TAG(tag)
            if not found or not int(found[1], 16) & 1 or int(found[1], 16) < 9 or found[1].lower() == "ffff":
                yield f"private.{creator}.{tag}: a private tag without its block is expected, such as (7053,xx00)"
            elif not isinstance(vr, str) or (vr != "remove" and vr.upper() not in VRS):
                yield f"private.{creator}.{tag}: its VR is expected, one of {', '.join(sorted(VRS))}, or `remove`"


def _number(tag: str) -> str:
    found = TAG(tag)
    assert found, "checked before"
    return f"{found[1]}xx{found[2]}".lower()
