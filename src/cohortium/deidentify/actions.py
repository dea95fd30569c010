"""What can be done to a value: small total functions from (value, context) to a new value, or None to remove.

They never raise and never look at anything but the value and its character set. What they cannot understand they empty,
and say so in a finding.
"""

from __future__ import annotations

from functools import lru_cache

from cohortium.clinical import vocabulary
from cohortium.deidentify.identifiers import Tokens
from cohortium.dicom.charset import decode, encode
from cohortium.dicom.plan import ECHOED, Context, ElementAction, padded
from cohortium.errors import Malformed
from cohortium.values import Finding, Severity

__all__ = ["DUMMIES", "cleaned", "dummy", "emptied", "hashed", "unechoed", "unknown"]

DUMMIES = {
    **dict.fromkeys(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"), b"REMOVED"),
    **dict.fromkeys(("DS", "IS"), b"0"),
    **dict.fromkeys(("FL", "SL", "UL", "AT"), bytes(4)),
    **dict.fromkeys(("FD", "SV", "UV"), bytes(8)),
    **dict.fromkeys(("OB", "OW", "SS", "US"), bytes(2)),
    "AS": b"000D",
    "DA": b"19000101",
    "DT": b"19000101000000",
    "TM": b"000000",
    "UR": b"about:blank",
}
"""What stands where a value is required and the real one must go (D in PS3.15 Table E.1-1a), by VR."""

PATIENT_ID = 0x00100020
LENGTHS, LONGEST = dict.fromkeys(("AE", "CS", "SH"), 16), 64  # PS3.5 6.2, and what any other text takes

UNKNOWN = Finding(
    "structure.unknown-attribute",
    Severity.INFO,
    "a public attribute that the data dictionary does not know was removed",
)
UNDECODABLE = Finding(
    "structure.unparseable-value",
    Severity.INFO,
    "a text could not be read in its character set; it was emptied",
)


WORDED = frozenset(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"))
"""The VRs of words, from which one may be cut; what is left of a number or a date would be another."""


def emptied(_value: bytes, _context: Context) -> bytes:
    return b""


def unknown(_value: bytes, context: Context) -> None:
    context.findings.append(UNKNOWN)


def unechoed(vr: str, *, maker: bool = False) -> ElementAction:
    """Replaces a text in which the patient's own words stand, and cuts those of others out of it."""
    replacement = dummy(vr)

    def action(value: bytes, context: Context) -> bytes:
        if context.echoes.own(value):
            made = replacement
        else:
            made = value if maker or vr not in WORDED else padded(context.echoes.cut(value), vr) or replacement
        if not value or made == value:
            return value
        context.findings.append(ECHOED)
        return made

    return action


def hashed(vr: str, tokens: Tokens) -> ElementAction:
    """Replaces each value by a hash of it and the pseudonym, no longer than the VR allows."""
    length = LENGTHS.get(vr, LONGEST)

    def one(text: str, context: Context) -> str:
        pseudonym = context.sets[PATIENT_ID]
        assert isinstance(pseudonym, bytes)
        return tokens(pseudonym.decode("ascii").strip(), text, length) if text.strip(" \0") else ""

    def action(value: bytes, context: Context) -> bytes:
        try:
            text = decode(value, context.character_sets)
        except Malformed:
            context.findings.append(UNDECODABLE)
            return b""
        texts = [text] if vr in ("LT", "ST", "UT") else text.split("\\")
        return padded("\\".join(one(each, context) for each in texts).encode("ascii"), vr)

    return action


def retitled(tokens: Tokens) -> ElementAction:
    """Replaces titles of application entities by others: a device stays told from others, and unnamed."""

    def action(value: bytes, _context: Context) -> bytes:
        return padded("\\".join(map(tokens.title, value.decode("latin-1").split("\\"))).encode("ascii"), "AE")

    return action


def dummy(vr: str) -> bytes:
    """The padded dummy of a VR; nothing where the VR has none (a sequence keeps no item)."""
    return padded(DUMMIES.get(vr, b""), vr)


def cleaned(value: bytes, context: Context) -> bytes:
    """The words of a descriptor that a shipped vocabulary knows (Clean Descriptors, PS3.15 E.3.5)."""
    words = _cleaned(value, context.character_sets)
    if words is None:
        context.findings.append(UNDECODABLE)
        return b""
    return words


@lru_cache(maxsize=4096)
def _cleaned(value: bytes, character_sets: tuple[str, ...]) -> bytes | None:
    try:
        text = decode(value, character_sets)
    except Malformed:
        return None
    kept = "\\".join(vocabulary.clean(each) for each in text.split("\\"))
    if kept == text:
        return value
    try:
        return padded(encode(kept, character_sets), "LO")
    except ValueError:  # a recomposed letter that these sets lack
        return None
