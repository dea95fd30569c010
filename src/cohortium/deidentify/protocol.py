"""What a study approves: a protocol is read from TOML, and answers for each attribute what happens to it and why.

`action_for` is the one statement of policy in the package: slow, total and readable. Whatever runs fast is compiled
from it. It fails closed: an attribute that nobody understands is removed.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pydicom.datadict import tag_for_keyword

from cohortium.deidentify import relative, standard, structured
from cohortium.deidentify.clinicalrule import clinical_problems, clinical_rule
from cohortium.deidentify.ctp.rule import ctp_problems, ctp_rule, ruled, said
from cohortium.deidentify.daterule import MODIFIED_DATES, date_problems, date_rule, describe
from cohortium.deidentify.dates import MODIFIABLE
from cohortium.deidentify.levels import at_level, level_problems, order_problems
from cohortium.deidentify.private import private_problems, private_table
from cohortium.deidentify.subjectrule import TABLED, subject_problems
from cohortium.errors import ConfigError
from cohortium.values import Action, Protocol, SubjectRule

__all__ = ["ACTIONS", "STAMPS", "action_for", "describes", "load", "names", "objection"]

SHIPPED = Path(__file__).with_name("protocols")
ACTIONS = {
    "keep": Action.KEEP,
    "remove": Action.REMOVE,
    "empty": Action.EMPTY,
    "dummy": Action.DUMMY,
    "clean": Action.CLEAN,
    "uid": Action.UID,
    "modify": Action.MODIFY,
    "year": Action.YEAR,
    "hash": Action.HASH,
}
HASHED = frozenset(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"))
GRAPHICS = "Clean Graphics"
GRAPHIC_ANNOTATIONS, UNFORMATTED_TEXT = 0x00700001, 0x00700006
TEXT = frozenset(("LO", "LT", "SH", "ST", "UC", "UT"))
FREE_TEXT = frozenset(("LT", "ST", "UT"))
UNJUDGED = "free text that Table E.1-1 does not list: nobody has judged it"
PERFORMED_STEP = 0x00081111  # a sequence of references: with UIDs mapped, its items are dummies
CLEANED = {**dict.fromkeys((*TEXT, "AE", "CS"), Action.CLEAN), "SQ": Action.KEEP}
"""What the C of an option means by VR; a sequence is entered. Dates are elsewhere, and bytes cannot be cleaned."""
DESCRIPTORS = "Clean Descriptors"
KEYS = {"name": str, "version": str, "title": str, "edition": str, "base": str, "options": list, "compat": bool}
EXPECTED = {str: "text", list: "a list of names", bool: "true or false"}
OPTIONAL = ("options", "compat")
TABLES = ("subject", "dates", "elements", "levels", "private", "ctp", "clinical")

PSEUDONYMS = frozenset(("PatientName", "PatientID"))
STAMPS = frozenset(
    (
        "DeidentificationMethod",
        "DeidentificationMethodCodeSequence",
        "LongitudinalTemporalInformationModified",
        "PatientIdentityRemoved",
    )
)
UNWRITTEN = frozenset(("ContentSequence", "GraphicAnnotationSequence", "WaveformAnnotationSequence"))
STRUCTURE = frozenset(("PixelData", "SOPClassUID", "SpecificCharacterSet"))
HIERARCHY = frozenset(("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"))


def names() -> tuple[str, ...]:
    """The protocols that Cohortium ships."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def load(name_or_path: str | Path, level: str = "") -> Protocol:
    """Read a shipped protocol by name, or any by the path of its TOML; one `ConfigError` names every mistake.

    Of a protocol with levels of privacy, `level` chooses one; without it the protocol's own rules hold.
    """
    path = _path(name_or_path)
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the protocol {path} cannot be read: {type(error).__name__}") from None
    problems = [*_problems(document), *ctp_problems(document, path.parent)]
    if not problems:
        document["ctp"] = ctp_rule(document.get("ctp", {}), path.parent)
        problems = list(_level_problems(document))
    if problems:
        raise ConfigError(f"{path}:\n" + "\n".join(f"  {problem}" for problem in problems))
    offered = document.get("levels", {})
    if level and level not in offered:
        named = f"offered: {', '.join(offered)}" if offered else "it offers none"
        raise ConfigError(f"the protocol {document['name']} has no level {level!r}; {named}")
    return replace(_protocol(at_level(document, level) if level else document), levels=tuple(offered))


def action_for(protocol: Protocol, tag: int, sop_class: str, path: tuple[int, ...] = ()) -> tuple[Action, str]:
    """What happens to the attribute `tag` inside the sequences `path` of an object of `sop_class`, and why in a phrase.

    First what never leaves whatever the protocol says, then the protocol's own elements, its rule for dates, its
    options, Table E.1-1, and our additions to it. A sequence whose action is `KEEP` or `UID` is entered and each
    attribute in it judged alike.
    """
    action, why = _action_for(protocol, tag, sop_class, path)
    if protocol.ctp and standard.keyword(tag) not in STAMPS | STRUCTURE:
        action, why = ruled(protocol.ctp, tag, path, (action, why))
    if action is Action.KEEP and protocol.dates.ages == "cap" and standard.vr(tag) == "AS":
        return Action.MODIFY, f"{why}; over 89 as 090Y"
    return action, why


def _action_for(protocol: Protocol, tag: int, sop_class: str, path: tuple[int, ...]) -> tuple[Action, str]:
    name = standard.keyword(tag)
    rule = standard.unlisted(tag)
    if tag & 0xFFFF == 0:
        return Action.REMOVE, "group length, retired"
    if rule and rule.whole_group:
        return rule.action, rule.reason
    if tag >> 16 & 1:
        return Action.REMOVE, f"Table E.1-1: {standard.basic(tag)}, private"
    if name in PSEUDONYMS:
        return Action.DUMMY, "pseudonym"
    if name in STAMPS:
        return Action.REMOVE, "states the de-identification; written anew"
    if name in protocol.elements:
        return protocol.elements[name], f"protocol {protocol.name}: [elements]"
    if structured.OPTION in protocol.options and structured.cleans(tag):
        return Action.CLEAN, f"{structured.OPTION}: each item judged by itself"
    if tag == UNFORMATTED_TEXT and GRAPHIC_ANNOTATIONS in path and GRAPHICS in protocol.options:
        return Action.CLEAN, f"{GRAPHICS}: shapes stay, texts beside them are cleaned"
    fallbacks = []
    if protocol.dates.modifies and standard.option(MODIFIED_DATES, tag):
        action, why = _dated(protocol, tag, name, sop_class)
        if action:
            return action, why
        fallbacks.append(why)
    for option in () if fallbacks else protocol.options:
        cell = standard.option(option, tag)
        if cell == "K":
            return Action.KEEP, option
        if cell == "C" and (action := CLEANED.get(standard.vr(tag))):
            return action, option
        if cell:
            fallbacks.append(f"{option} would clean it, but nobody can read it")
    if code := standard.basic(tag, protocol.edition):
        action, why = _by_table(code, tag, sop_class, path)
        return action, "; ".join([why, *fallbacks])
    if rule:
        return rule.action, f"not in Table E.1-1; {rule.reason}"
    if standard.vr(tag) in FREE_TEXT:
        if DESCRIPTORS in protocol.options:
            return Action.CLEAN, "free text that Table E.1-1 does not list; Clean Descriptors"
        return standard.resolve("X/Z/D", standard.attribute_type(sop_class, tag, path)), UNJUDGED
    if name == "CodeMeaning" and DESCRIPTORS in protocol.options and any(map(describes, path)):
        return Action.CLEAN, f"what a code means where somebody describes; {DESCRIPTORS}"
    if standard.is_known(tag):
        return Action.KEEP, "not in Table E.1-1"
    return Action.REMOVE, "unknown attribute: not understood, does not leave"


def describes(tag: int) -> bool:
    """Whether `tag` is a sequence in which people describe: what is in it is judged by itself, more strictly."""
    return standard.vr(tag) == "SQ" and (standard.option(DESCRIPTORS, tag) == "C" or tag == GRAPHIC_ANNOTATIONS)


def _dated(protocol: Protocol, tag: int, name: str, sop_class: str) -> tuple[Action | None, str]:
    """What a rule that modifies does to a date or time; no action where Table E.1-1 is to say."""
    if protocol.dates.times == "relative":
        if tag in relative.tags(protocol.dates, sop_class):
            return Action.MODIFY, f"{MODIFIED_DATES}: relative to the injection"
        return None, "no time that uptake values need"
    vr, of = standard.vr(tag), standard.date_of(name)
    if of == "device" and vr in ("DA", "DT") and "Retain Device Identity" in protocol.options:
        return (
            Action.YEAR,
            "Retain Device Identity; the date of a device is cut to its year",
        )
    if of:
        return None, f"the date of a {of} is never modified as a subject's"
    if vr not in MODIFIABLE:
        return None, f"{MODIFIED_DATES} would modify it, which this version cannot"
    if vr == "TM" and protocol.dates.times == "keep":
        return Action.KEEP, f"{MODIFIED_DATES}: times kept"
    return Action.MODIFY, f"{MODIFIED_DATES}: {describe(protocol.dates)}"


def _by_table(code: str, tag: int, sop_class: str, path: tuple[int, ...]) -> tuple[Action, str]:
    type_ = standard.attribute_type(sop_class, tag, path)
    action, why = standard.resolve(code, type_), f"Table E.1-1: {code}"
    if action != code:
        iod = standard.storage_sop_classes().get(sop_class, "an unknown SOP class")
        why += f", type {type_} in {iod}"
    if action is Action.DUMMY and (standard.vr(tag) == "UI" or tag == PERFORMED_STEP):
        return Action.UID, f"{why}; the mapped UID is the dummy"
    if action is Action.DUMMY and standard.keyword(tag) in UNWRITTEN:
        return Action.REMOVE, f"{why}; a made-up report or drawing would deceive"
    return action, why


def _path(name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    if text in names():
        return SHIPPED / f"{text}.toml"
    if isinstance(name_or_path, Path) or text.endswith(".toml"):
        return Path(name_or_path)
    shipped = ", ".join(names())
    raise ConfigError(f"no protocol is named {text!r}; shipped: {shipped}; or give the path of a .toml file")


def _protocol(document: Mapping[str, Any]) -> Protocol:
    subject = SubjectRule(**document.get("subject", {}))
    elements = {keyword: ACTIONS[action] for keyword, action in sorted(document.get("elements", {}).items())}
    options = tuple(sorted(document.get("options", [])))
    dates = date_rule(document.get("dates", {}), options)
    compat, level = document.get("compat", False), document.get("level", "")
    private = private_table(document.get("private", {}))
    rules = Protocol(
        name=document["name"],
        version=document["version"],
        title=document["title"],
        edition=document["edition"],
        options=options,
        subject=subject,
        elements=elements,
        digest="",
        dates=dates,
        compat=compat,
        level=level,
        private=private,
        ctp=document.get("ctp"),
        clinical=clinical_rule(document.get("clinical")),
    )
    return replace(rules, digest=_digest(document["base"], rules, document.get("clinical")))


def _digest(base: str, protocol: Protocol, clinical: Mapping[str, Any] | None) -> str:
    """SHA-256 of the rules alone, so that a new title is the same protocol and a new rule never is.

    A table that says no more than the options do is left out, so that it may as well not be written.
    """
    rules: dict[str, Any] = {
        "base": base,
        "edition": protocol.edition,
        "elements": dict(protocol.elements),
        "options": protocol.options,
        "subject": _said(protocol.subject),
    }
    if protocol.dates != date_rule({}, protocol.options) or protocol.dates.modifies:
        rules["dates"] = asdict(protocol.dates)
    rules |= {key: value for key in ("compat", "level", "private") if (value := getattr(protocol, key))}
    if protocol.ctp:
        rules["ctp"] = said(protocol.ctp)
    if clinical is not None:
        rules["clinical"] = clinical
    canonical = json.dumps(rules, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _said(subject: SubjectRule) -> dict[str, Any]:
    """What the table says beyond what holds if it is silent; kind and length always."""
    silent = asdict(SubjectRule())
    return {key: value for key, value in asdict(subject).items() if key in ("kind", "length") or value != silent[key]}


def _problems(document: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(document.keys() - KEYS.keys() - set(TABLES)):
        yield f"{key}: no such setting; known: {', '.join([*KEYS, *TABLES])}"
    for key, kind in KEYS.items():
        if key not in document and key not in OPTIONAL:
            yield f"{key}: is missing"
        elif not isinstance(document.get(key, []), kind) and key in document:
            yield f"{key}: {EXPECTED[kind]} is expected"
    if isinstance(document.get("edition"), str) and document["edition"] not in standard.editions():
        yield f"edition: one of {', '.join(sorted(standard.editions()))} is expected"
    if isinstance(document.get("base"), str) and document["base"] != "basic":
        yield "base: only `basic` is known"
    yield from subject_problems(document.get("subject", {}))
    yield from private_problems(document.get("private", {}))
    yield from _rule_problems(document)
    if document.get("compat") is True and "hash" not in _table(document, "elements").values():
        yield "compat: is how `hash` is done, and no attribute is hashed"
    if _table(document, "dates").get("rule") == "anchor" and _table(document, "subject").get("kind") not in TABLED:
        yield f"dates.rule: `anchor` remembers examinations, which only subjects of kind {', '.join(sorted(TABLED))} do"
    if "clinical" in document:
        yield from clinical_problems(document["clinical"])
    for key in ("name", "version", "title"):
        if isinstance(document.get(key), str) and not document[key].strip():
            yield f"{key}: is empty"


def _rule_problems(document: Mapping[str, Any]) -> Iterator[str]:
    """Every mistake in what a level may rule as well."""
    options, elements = document.get("options", []), document.get("elements", {})
    yield from _options(options)
    yield from _elements(elements)
    if isinstance(options, list):
        yield from date_problems(document.get("dates", {}), options, elements)


def _level_problems(document: Mapping[str, Any]) -> Iterator[str]:
    """Every mistake in the levels of a document that has no other."""
    levels = document.get("levels", {})
    if problems := list(level_problems(levels)):
        yield from problems
        return
    merged = {name: at_level(document, name) for name in levels}
    found = [f"levels.{name}: {problem}" for name, rules in merged.items() for problem in _rule_problems(rules)]
    yield from found
    if not found and levels:
        protocols = [_protocol(rules) for rules in merged.values()]
        yield from order_problems(
            _protocol(document), protocols, lambda protocol, tag: action_for(protocol, tag, "")[0]
        )


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name, {})
    return table if isinstance(table, dict) else {}


def _options(chosen: Any) -> Iterator[str]:
    known = standard.options()
    offered = ", ".join(known)
    for name in chosen if isinstance(chosen, list) else []:
        if not isinstance(name, str) or name not in known:
            yield f"options: PS3.15 Annex E has no option {name!r}; offered: {offered}"
        elif chosen.count(name) > 1:
            yield f"options: {name!r} stands there twice"


def _elements(table: Any) -> Iterator[str]:
    if not isinstance(table, dict):
        yield "elements: a table is expected"
        return
    for keyword, action in sorted(table.items()):
        tag = tag_for_keyword(keyword)
        if tag is None:
            yield f"elements.{keyword}: no such attribute; write keywords as in PS3.6"
        elif reason := _fixed(keyword, int(tag)):
            yield f"elements.{keyword}: {reason}; it cannot be overridden"
        elif not isinstance(action, str) or action not in ACTIONS:
            yield f"elements.{keyword}: one of {', '.join(ACTIONS)} is expected"
        elif reason := _senseless(action, keyword, standard.vr(int(tag))):
            yield f"elements.{keyword}: {reason}"


def objection(keyword: str, action: str) -> str:
    """Why [elements] may not do `action` to an attribute of PS3.6; empty where it may."""
    tag = int(tag_for_keyword(keyword) or 0)
    return _fixed(keyword, tag) or _senseless(action, keyword, standard.vr(tag))


def _fixed(keyword: str, tag: int) -> str:
    """Why a protocol may not rule over an attribute; empty where it may."""
    rule = standard.unlisted(tag)
    if rule and rule.whole_group:
        return rule.reason
    if keyword in PSEUDONYMS | STAMPS:
        return "Cohortium writes it"
    return "the object cannot be read without it" if keyword in STRUCTURE else ""


def _senseless(action: str, keyword: str, vr: str) -> str:
    """Why an action cannot be done to an attribute; empty where it can."""
    if keyword in HIERARCHY and action not in ("keep", "uid"):
        return "an object needs it: `keep` or `uid`"
    if action == "clean" and vr not in TEXT:
        return f"only text can be cleaned, and its VR is {vr}"
    if action == "modify" and vr not in ("AS", "DA", "DT", "TM"):
        return f"only dates, times and ages can be modified, and its VR is {vr}"
    if action == "year" and vr not in ("DA", "DT"):
        return f"only dates can be cut to the year, and its VR is {vr}"
    if action == "hash" and vr not in HASHED:
        return f"only identifiers and other text can be hashed, and its VR is {vr}"
    if action == "uid" and vr not in ("UI", "SQ"):
        return f"only UIDs, and sequences of them, can be mapped, and its VR is {vr}"
    return ""
