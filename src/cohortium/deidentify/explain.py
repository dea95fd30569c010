"""What a protocol does to each attribute of one kind of object, and why: the policy as a person approves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary

from cohortium.deidentify import standard
from cohortium.deidentify.private import private_action, retained
from cohortium.deidentify.protocol import action_for
from cohortium.values import Action, Protocol

__all__ = ["WORDS", "Explained", "changes", "explain", "sequences"]

WORDS = {
    Action.KEEP: "keep",
    Action.REMOVE: "remove",
    Action.EMPTY: "empty",
    Action.DUMMY: "dummy",
    Action.CLEAN: "clean",
    Action.UID: "map UID",
    Action.MODIFY: "modify",
    Action.YEAR: "cut to year",
    Action.HASH: "hash",
    Action.SCRIPT: "as the CTP script",
}


@dataclass(frozen=True, slots=True)
class Explained:
    """One attribute: `tag` as (gggg,eeee), its keyword and VR, the action in a word, and the reason.

    The keyword of a private attribute is its creator, and its tag has xx for the block.
    """

    tag: str
    keyword: str
    vr: str
    action: str
    why: str


def explain(protocol: Protocol, sop_class: str) -> Iterator[Explained]:
    """Every attribute of the data dictionary at the top level of an object of `sop_class`, in order of tag.

    Private attributes that may stay follow, each with its creator for a keyword; all others, and whatever the
    dictionary does not know, are the last rows.
    """
    for tag in sorted(DicomDictionary):
        if tag >> 16 < 8 or not standard.keyword(tag):
            continue
        action, why = action_for(protocol, tag, sop_class)
        yield Explained(
            f"({tag >> 16:04X},{tag & 0xFFFF:04X})", standard.keyword(tag), standard.vr(tag), WORDS[action], why
        )
    for attribute in sorted(retained(protocol).values(), key=lambda each: (each.tag, each.creator)):
        action, why = private_action(protocol, attribute)
        yield Explained(attribute.number, attribute.creator, attribute.vr, WORDS[action], why)
    yield Explained("(odd,xxxx)", "", "", "remove", action_for(protocol, 0x00091001, sop_class)[1])
    yield Explained("(other)", "", "", "remove", "unknown attribute: not understood, does not leave")


def changes(protocol: Protocol) -> dict[str, str]:
    """The code of the action by keyword, for every attribute that the protocol does not keep."""
    repeating = (int(mask.replace("x", "0"), 16) for mask in RepeatersDictionary)
    tags = (*DicomDictionary, *repeating)
    actions = ((standard.keyword(tag), action_for(protocol, tag, "")[0]) for tag in tags)
    return {keyword: action.value for keyword, action in actions if action is not Action.KEEP}


def sequences(protocol: Protocol) -> dict[str, dict[str, str]]:
    """By SOP class, the action of each sequence that its IOD types, where it is another than `changes` has."""
    known = changes(protocol)
    return {
        sop_class: found
        for sop_class in standard.storage_sop_classes()
        if (found := _typed(protocol, sop_class, known))
    }


def _typed(protocol: Protocol, sop_class: str, known: Mapping[str, str]) -> dict[str, str]:
    tags = standard.sequences(sop_class).items()
    found = {standard.keyword(tag): action_for(protocol, tag, sop_class, path)[0] for tag, path in tags}
    return {keyword: action.value for keyword, action in found.items() if action.value != known.get(keyword, "K")}
