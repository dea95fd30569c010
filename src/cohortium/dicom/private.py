"""Private elements: whoever reserved their block decides what becomes of them (PS3.5 7.8).

What always holds: a private element stays only where its own data set names the creator, the plan knows the attribute
of that creator, and the value is accepted; a creator stays only where something of its block does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cohortium.dicom.plan import ECHOED, Context, Do, Private, Rule, SafePrivate

__all__ = ["Blocks", "unechoed"]

CREATORS = range(0x10, 0x100)
CREATOR_VRS = ("LO", "UN", "")


@dataclass(slots=True, eq=False)
class _Block:
    """Who reserved a block. As an action it keeps the creator's element where something of the block stays."""

    creator: bytes
    stays: bool = False

    def __call__(self, value: bytes, _context: Context) -> bytes | None:
        return value if self.stays else None


class Blocks:
    """The private blocks of one data set, filled as its elements are met in order of their tags."""

    def __init__(self, safe: SafePrivate) -> None:
        self._safe = safe
        self._blocks: dict[int, _Block] = {}

    def rule(self, tag: int, vr: str, read: Callable[[], bytes] | None) -> Rule:
        """The rule for a private element; `read` gives its value, and is None where its length is undefined."""
        group, number = tag & 0xFFFF0000, tag & 0xFFFF
        if number in CREATORS and vr in CREATOR_VRS and read is not None:
            block = self._blocks[tag] = _Block(read().strip(b" \0"))
            return Rule(tag, Do.EDIT, block)
        reserved = self._blocks.get(group | number >> 8)
        private = self._safe(reserved.creator, group | number & 0xFF, vr) if reserved else None
        if reserved is None or private is None or not _accepted(private, read):
            return Rule(tag, Do.DROP)
        reserved.stays = True
        return private.rule._replace(tag=tag)


def _accepted(private: Private, read: Callable[[], bytes] | None) -> bool:
    """Sequences are judged by what they hold."""
    return private.rule.do == Do.ENTER or (read is not None and bool(private.accepts(read())))


def unechoed(safe: SafePrivate, context: Context) -> SafePrivate:
    """What `safe` keeps of a data set that was rewritten, without the values that repeat the patient's own words."""

    def quiet(value: bytes) -> bool:
        if not context.echoes(value):
            return True
        context.findings.append(ECHOED)
        return False

    def private(creator: bytes, tag: int, vr: str) -> Private | None:
        found = safe(creator, tag, vr)
        do = Do.ENTER if found and found.rule.do == Do.ENTER else Do.KEEP
        return found and Private(Rule(tag, do), quiet)

    return private
