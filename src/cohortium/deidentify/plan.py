"""A protocol becomes a plan: for one SOP class, what happens to each element, as the rewriters carry it out.

`protocol.action_for` is the policy; nothing is decided here that it does not say, except where bytes are not
understood: there the answer is always to remove, to empty or to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from typing import Never

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_VM, tag_for_keyword

from cohortium import __version__
from cohortium.deidentify import actions, dates, private, relative, standard, structured
from cohortium.deidentify.daterule import MODIFIED_DATES
from cohortium.deidentify.echoes import Echoes, makers, names, readable
from cohortium.deidentify.identifiers import Tokens, UidMap
from cohortium.deidentify.protocol import action_for, describes
from cohortium.deidentify.subjects import NotKnown, Subjects, identified
from cohortium.dicom import pixels
from cohortium.dicom.charset import SPECIFIC_CHARACTER_SET, character_sets, decode
from cohortium.dicom.plan import (
    BINARY_SIZES,
    GRAMMARS,
    LONG_VRS,
    TEXT_VRS,
    UIDS,
    Context,
    Do,
    Path,
    Plan,
    Rule,
    SetValue,
    View,
    kind_of,
    padded,
    unjudged,
)
from cohortium.errors import Malformed
from cohortium.values import Action, Finding, Protocol, Reason, SetAside, Severity

__all__ = ["CLEAN_FEATURES", "CLEAN_PIXELS", "HIERARCHY", "SETS", "Aside", "Compiler", "OtherClass"]

SOP_CLASS_UID, SOP_INSTANCE_UID = 0x00080016, 0x00080018
STUDY_INSTANCE_UID = 0x0020000D
HIERARCHY = {
    SOP_INSTANCE_UID: "SOPInstanceUID",
    STUDY_INSTANCE_UID: "StudyInstanceUID",
    0x0020000E: "SeriesInstanceUID",
}
MODALITY, IMAGE_TYPE, BURNED_IN_ANNOTATION = 0x00080060, 0x00080008, 0x00280301
RECOGNIZABLE_VISUAL_FEATURES = 0x00280302
PATIENT_NAME, PATIENT_ID, ISSUER = 0x00100010, 0x00100020, 0x00100021
METHOD_CODE_SEQUENCE = 0x00120064
SETS: Mapping[int, str] = {
    SOP_INSTANCE_UID: "UI",
    PATIENT_NAME: "PN",
    PATIENT_ID: "LO",
    0x00120062: "CS",  # Patient Identity Removed
    0x00120063: "LO",  # De-identification Method
    METHOD_CODE_SEQUENCE: "SQ",
    STUDY_INSTANCE_UID: "UI",
    0x0020000E: "UI",
    0x00280303: "CS",  # Longitudinal Temporal Information Modified
}
BASIC_CODE, CLEAN_PIXELS, CLEAN_FEATURES = "113100", "Clean Pixel Data", "Clean Recognizable Visual Features"
CLEANED: Mapping[str, int] = {CLEAN_PIXELS: BURNED_IN_ANNOTATION, CLEAN_FEATURES: RECOGNIZABLE_VISUAL_FEATURES}
"""Options that are carried out on single objects, and the attribute (CS) that then says NO."""
NOTHING: frozenset[str] = frozenset()
NOTED = frozenset({SPECIFIC_CHARACTER_SET, SOP_CLASS_UID, MODALITY, IMAGE_TYPE, BURNED_IN_ANNOTATION}) | pixels.NEEDED
NESTED: Path = (0xFFFFFFFF,)  # any path on which the IOD types nothing that matters here
ITEM_DELIMITATION = 0xFFFEE00D
REMEMBERED = 4096
PIXEL_TAGS = frozenset({pixels.PIXEL_DATA, pixels.FLOAT_PIXEL_DATA, pixels.DOUBLE_PIXEL_DATA})


UNKEYED = Finding(
    "subject.unkeyed-hash",
    Severity.WARNING,
    "identifiers were hashed without a key, as `compat` asks: who can guess one can check the guess",
)


class Aside(Exception):
    """The file must not go on; never leaves this package."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        self.aside = SetAside(reason, detail)


class Compiler:
    """Compiles plans of one protocol; what they share is made once."""

    def __init__(self, protocol: Protocol, subjects: Subjects, uids: UidMap, tokens: Tokens) -> None:
        self.protocol = protocol
        self.subjects = subjects
        self.uids = uids
        self.tokens = tokens
        self.untyped = _Rules(protocol, "", uids, tokens)
        self.private = private.safe(protocol, uids)
        self.names = names(lambda tag: action_for(protocol, tag, "")[0] is Action.KEEP)

    def plan(self, sop_class: str, cleaned: frozenset[str] = NOTHING) -> Plan:
        """The plan for objects of one SOP class; `cleaned` are those options of `CLEANED` that are being carried out.

        A risk in their pixels is waived where those are being cleaned.
        """
        rules = _Rules(self.protocol, sop_class, self.uids, self.tokens, self.untyped, cleaned=cleaned)
        prepare = _Preparation(self.protocol, sop_class, self.subjects, self.uids, cleaned=cleaned)
        sets = dict(sorted({**SETS, **{CLEANED[each]: "CS" for each in cleaned}}.items())) if cleaned else SETS
        pixels_required = standard.requires_pixels(sop_class)
        return Plan(rules.table, rules.unusual, sets, prepare, _echoing, pixels_required, self.private, self.names)


class _Rules:
    """Tables of rules, made when a path is first met.

    Those of `untyped` hold wherever the IOD of the SOP class gives no attribute a type: only the others are made anew.
    """

    def __init__(
        self,
        protocol: Protocol,
        sop_class: str,
        uids: UidMap,
        tokens: Tokens,
        untyped: _Rules | None = None,
        *,
        cleaned: frozenset[str] = NOTHING,
    ) -> None:
        self.protocol = protocol
        self.sop_class = sop_class
        self.uids = uids
        self.tokens = tokens
        self.untyped = untyped
        self.cleaned = cleaned
        self.stated = {CLEANED[each] for each in cleaned}
        self.typed = standard.typed(sop_class)
        self.relative = relative.tags(protocol.dates, sop_class)
        self.table = lru_cache(maxsize=REMEMBERED)(self._at)
        self.unusual = lru_cache(maxsize=REMEMBERED)(self._unusual)

    def _at(self, path: Path, explicit: bool) -> Mapping[bytes, Rule]:
        if path != (shorter := structured.collapsed(path)):
            return self.table(shorter, explicit)
        if kind := kind_of(path):
            return self._some(structured.attributes(kind), path, explicit)
        if self.untyped is None:
            return _table({(tag, vr): self.rule(tag, vr, path) for tag, vr in _dictionary()}, explicit)
        shared = self.untyped.table((*filter(describes, unjudged(path)), *NESTED) if path else (), explicit)
        tags = {*self.typed.get(unjudged(path), ()), *self.relative, *(() if path else (*PIXEL_TAGS, *self.stated))}
        if structured.within(path):
            tags.update(tag for tag, _ in _dictionary() if structured.holds_codes(tag))
        return {**shared, **self._some(tags, path, explicit)} if tags else shared

    def _some(self, tags: Iterable[int], path: Path, explicit: bool) -> Mapping[bytes, Rule]:
        return _table({(tag, vr): self.rule(tag, vr, path) for tag in tags for vr in _vrs(tag)}, explicit)

    def rule(self, tag: int, vr: str, path: Path) -> Rule:
        """The rule for an element whose VR is as the dictionary has it."""
        if not path and (tag in SETS or tag == ISSUER or tag in self.stated):
            return Rule(tag, Do.TAKE)
        if tag in PIXEL_TAGS:
            whole = CLEAN_PIXELS in self.cleaned or standard.has_plain_pixels(self.sop_class)
            return Rule(tag, Do.PIXELS if not path and whole else Do.DROP)
        action, required = self._action(tag, path)
        if action is Action.CLEAN and vr == "SQ":
            return Rule(tag, Do.ENTER, structured.judge(tag, kind_of(path), self.protocol))
        if action is Action.DUMMY and (judge := structured.dummies(tag)):
            return Rule(tag, Do.ENTER, judge)
        if action is Action.KEEP and (tag in NOTED if not path else tag == SPECIFIC_CHARACTER_SET):
            return Rule(tag, Do.NOTE, None if tag == SPECIFIC_CHARACTER_SET else _acceptable(tag, vr))
        if action is Action.KEEP or (action is Action.UID and vr == "SQ"):
            return _kept(tag, vr)
        if tag == PATIENT_ID and action is not Action.REMOVE:
            return Rule(tag, Do.EDIT, _pseudonym)
        return self.changed(tag, vr, action, required=required)

    def _action(self, tag: int, path: Path) -> tuple[Action, bool]:
        """What happens to an attribute, and whether it must have a value."""
        path_, item = unjudged(path), structured.action(tag, path)
        action, _ = action_for(self.protocol, tag, self.sop_class, path_)
        if item and (item is Action.REMOVE or standard.keyword(tag) not in self.protocol.elements):
            action = item
        required = standard.attribute_type(self.sop_class, tag, path_) in ("1", "1C")
        rule = standard.unlisted(tag)
        unlisted = action is Action.CLEAN and bool(rule and rule.action is action)  # its type is not on record
        return action, required or unlisted or structured.requires_value(tag, path)

    def changed(self, tag: int, vr: str, action: Action, *, required: bool) -> Rule:
        match action:
            case Action.UID if vr == "UI":
                return Rule(tag, Do.EDIT, lambda value, _context: self.uids(value))
            case Action.CLEAN if vr == "AE":
                return Rule(tag, Do.EDIT, actions.retitled(self.tokens))
            case Action.CLEAN if vr in TEXT_VRS and required:
                return Rule(tag, Do.EDIT, lambda value, context: actions.cleaned(value, context) or actions.dummy(vr))
            case Action.CLEAN if vr in TEXT_VRS:
                return Rule(tag, Do.EDIT, actions.cleaned)
            case Action.MODIFY if tag in self.relative:
                return Rule(tag, Do.EDIT, relative.moved(vr, required=required))
            case Action.MODIFY if vr in dates.MODIFIABLE:
                return Rule(tag, Do.EDIT, dates.modified(vr, self.protocol.dates, required=required))
            case Action.HASH if vr in TEXT_VRS:
                return Rule(tag, Do.EDIT, actions.hashed(vr, self.tokens))
            case Action.YEAR if vr in ("DA", "DT"):
                return Rule(tag, Do.EDIT, dates.cut_to_year(vr, required=required))
            case Action.EMPTY:
                return Rule(tag, Do.EDIT, actions.emptied)
            case Action.DUMMY:
                value = actions.dummy(vr)
                return Rule(tag, Do.EDIT, lambda _value, _context: value)
            case _:
                return Rule(tag, Do.DROP)

    def _unusual(self, tag: int, vr: str, path: Path) -> Rule | None:
        """The rule for an element that is private, unknown, or not written as the dictionary has it."""
        if tag >> 16 & 1 or tag & 0xFFFF == 0:
            return Rule(tag, Do.DROP)
        if not standard.is_known(tag):
            return Rule(tag, Do.EDIT, actions.unknown)
        vrs = _vrs(tag)
        if vr == "UN" and vrs:
            return Rule(tag, Do.DROP) if self.rule(tag, vrs[0], path).do == Do.DROP else None
        if vr in ("PN", "UI") and vr not in vrs:  # a name or a UID by its writer's word, where no rule expects one
            return Rule(tag, Do.DROP)
        both_text = bool(vrs) and vr in TEXT_VRS and vrs[0] in TEXT_VRS
        return self.rule(tag, vrs[0], path) if both_text else Rule(tag, Do.DROP)


class _Preparation:
    """Decides once per file, from the values noted, whether it may go on and what it is stamped with."""

    def __init__(
        self, protocol: Protocol, sop_class: str, subjects: Subjects, uids: UidMap, *, cleaned: frozenset[str]
    ) -> None:
        self.sop_class = sop_class
        self.subjects = subjects
        kept = {tag for tag in HIERARCHY if action_for(protocol, tag, sop_class)[0] is Action.KEEP}
        self.uids = {tag: _same if tag in kept else uids for tag in HIERARCHY}
        self.cleaned = cleaned
        self.stamps = _stamps(protocol, cleaned=cleaned)
        self.findings = (UNKEYED,) if protocol.compat and Action.HASH in protocol.elements.values() else ()
        self.subject = lru_cache(maxsize=256)(self._subject)

    def __call__(self, noted: View) -> Context:
        if _text(noted, SOP_CLASS_UID) != self.sop_class:
            raise OtherClass(_text(noted, SOP_CLASS_UID))
        modality, burned_in = _text(noted, MODALITY), _text(noted, BURNED_IN_ANNOTATION)
        risk = _pixel_risk(self.sop_class, modality, burned_in, _text(noted, IMAGE_TYPE))
        if risk and CLEAN_PIXELS not in self.cleaned:
            raise Aside(Reason.PIXELS_NOT_REVIEWED, risk)
        sets: dict[int, SetValue] = {tag: uids(noted.get(tag, b"")) for tag, uids in self.uids.items()}
        for tag, keyword in HIERARCHY.items():
            if not sets[tag] or b"\\" in noted[tag]:
                raise Malformed(f"{keyword} is missing, or is not one UID")
        charset = noted.get(SPECIFIC_CHARACTER_SET, b"")
        patient = noted.get(PATIENT_NAME, b""), noted.get(PATIENT_ID, b""), noted.get(ISSUER, b""), charset
        pseudonym, mark, days, echoes, findings, person = self.subject(
            *patient, noted[STUDY_INSTANCE_UID].strip(b"\0 ")
        )
        sets |= self.stamps
        sets[PATIENT_NAME] = sets[PATIENT_ID] = pseudonym
        return Context(sets, character_sets(charset), [*self.findings, *findings], mark, echoes, days, person=person)

    def _subject(
        self, name: bytes, patient_id: bytes, issuer: bytes, charset: bytes, study: bytes
    ) -> tuple[bytes, str, int, Echoes, tuple[Finding, ...], str]:
        """Pseudonym, mark, shift. A patient without an identifier is known by the study alone: nobody is merged."""
        sets = character_sets(charset)
        readable_id = decode(patient_id, sets)
        echoes = Echoes((readable(name, sets), readable_id), sets)
        who, issuer_, findings = identified(readable_id, decode(issuer, sets), study.decode("ascii", "replace"))
        try:
            subject = self.subjects(who, issuer_)
        except NotKnown:
            raise Aside(Reason.SUBJECT_UNKNOWN) from None
        pseudonym = padded(subject.pseudonym.encode("ascii"), "LO")
        return pseudonym, subject.mark, subject.days, echoes, findings + subject.findings, subject.person


class OtherClass(Exception):
    """The data set is of another SOP class than its file header says; never leaves this package."""


def _echoing(path: Path, explicit: bool) -> Mapping[bytes, Rule]:
    """Rules for a data set that was rewritten: texts lose the patient's own words, nothing else changes."""
    return _echoing_table(bool(path), explicit)


@cache
def _echoing_table(nested: bool, explicit: bool) -> Mapping[bytes, Rule]:
    def rule(tag: int, vr: str) -> Rule:
        if vr == "SQ":
            return Rule(tag, Do.ENTER)
        if vr in TEXT_VRS and (nested or tag not in SETS.keys() | NOTED | set(CLEANED.values())):
            return Rule(tag, Do.EDIT, actions.unechoed(vr, maker=tag in makers()))
        return Rule(tag, Do.KEEP)

    return _table({(tag, vr): rule(tag, vr) for tag, vr in _dictionary()}, explicit)


def _table(rules: Mapping[tuple[int, str], Rule], explicit: bool) -> dict[bytes, Rule]:
    """The rules by the first bytes of an element's header."""
    end = _little_endian(ITEM_DELIMITATION)
    table = {end + b"\0\0" if explicit else end: Rule(ITEM_DELIMITATION, Do.END)}
    for (tag, vr), rule in rules.items():
        if explicit:
            long = vr.encode() in LONG_VRS
            table[_little_endian(tag) + vr.encode()] = rule._replace(do=rule.do + Do.KEEP_LONG) if long else rule
        elif vr == _vrs(tag)[0]:
            table[_little_endian(tag)] = rule
    return table


def _kept(tag: int, vr: str) -> Rule:
    if vr == "SQ":
        return Rule(tag, Do.ENTER)
    if vr in GRAMMARS:
        return Rule(tag, Do.CHECK, GRAMMARS[vr])
    if vr in BINARY_SIZES:
        return Rule(tag, Do.FIXED, _excess(vr, dictionary_VM(tag)))
    return Rule(tag, Do.KEEP)


def _excess(vr: str, vm: str) -> int:
    """The bits that the length of a binary value must not have: a multiple of its size, and no more values than `vm`.

    A length within the bits of the longest is never greater, and a multiple; so it is one operation for the scan.
    """
    return ~(int(vm) * BINARY_SIZES[vr]) if vm.isdigit() else BINARY_SIZES[vr] - 1


def _acceptable(tag: int, vr: str) -> Callable[[bytes], object]:
    """Whether a value that is kept and noted may stay; `Malformed` where one that says how samples lie may not."""
    _, do, argument = _kept(tag, vr)
    accepts = (lambda value: not len(value) & argument) if do == Do.FIXED else argument
    return (lambda value: accepts(value) or _unmeasurable(tag)) if tag in pixels.LAYOUT else accepts


def _unmeasurable(tag: int) -> Never:
    raise Malformed(f"{standard.keyword(tag)} holds no value of its kind, so the pixel data cannot be measured")


def _pseudonym(_value: bytes, context: Context) -> bytes:
    """A nested PatientID names the same person; one of somebody else must not stay either."""
    value = context.sets[PATIENT_ID]
    assert isinstance(value, bytes)
    return value


def _same(value: bytes) -> bytes:
    """A UID that stays, if it is one."""
    return padded(value.strip(b"\0 "), "UI") if UIDS(value) else b""


def _stamps(protocol: Protocol, *, cleaned: frozenset[str]) -> dict[int, SetValue]:
    """The attributes of PS3.15 E.1.2 and E.3 that say what was done, with codes of CID 7050."""
    software = f"Cohortium {__version__}", protocol.label[:64], f"sha256:{protocol.digest[:48]}"
    codes = [(BASIC_CODE, "Basic Application Confidentiality Profile")]
    done = sorted({*protocol.options} - CLEANED.keys() | cleaned)
    if private.OPTION not in done and private.retained(protocol):
        done.append(private.OPTION)  # a few, which [private] names
    codes += [(standard.options()[name].code, f"{name} Option") for name in done]
    items = tuple(
        (
            (0x00080100, "SH", padded(code.encode(), "SH")),
            (0x00080102, "SH", padded(b"DCM", "SH")),
            (0x00080104, "LO", padded(meaning[:64].encode(), "LO")),
        )
        for code, meaning in codes
    )
    return {
        **{CLEANED[name]: b"NO" for name in cleaned},
        0x00120062: padded(b"YES", "CS"),
        0x00120063: padded("\\".join(software).encode("ascii", "replace"), "LO"),
        METHOD_CODE_SEQUENCE: items,
        0x00280303: padded(_longitudinal(protocol), "CS"),
    }


def _longitudinal(protocol: Protocol) -> bytes:
    """What was done to dates and times (0028,0303), single attributes that differ from the rule among them."""
    rule = protocol.dates
    wanted = {Action.KEEP} if rule.rule == "keep" else {Action.REMOVE, Action.EMPTY, Action.DUMMY}
    dated = (keyword for keyword, action in protocol.elements.items() if action not in wanted)
    if rule.modifies or any(standard.option(MODIFIED_DATES, tag_for_keyword(keyword) or 0) for keyword in dated):
        return b"MODIFIED"
    return b"UNMODIFIED" if rule.rule == "keep" else b"REMOVED"


def _text(noted: View, tag: int) -> str:
    return noted.get(tag, b"").strip(b"\0 ").decode("ascii", "replace")


_pixel_risk = lru_cache(maxsize=1024)(standard.pixel_risk)


@cache
def _dictionary() -> tuple[tuple[int, str], ...]:
    """(tag, VR) of every attribute that a data set may hold, once for each VR it may have."""
    return tuple((tag, vr) for tag in DicomDictionary if tag >> 16 >= 8 and tag & 0xFFFF for vr in _vrs(tag))


@cache
def _vrs(tag: int) -> tuple[str, ...]:
    entry = DicomDictionary.get(tag)
    return tuple(vr for vr in entry[0].split(" or ") if len(vr) == 2) if entry else ()


def _little_endian(tag: int) -> bytes:
    return (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
