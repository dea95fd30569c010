"""Who is who in an object that a script rules: its UIDs, its patient.

What always holds: a UID that stands in two places becomes one UID, and a patient's identifier is the patient's own. A
script that cannot promise this is not followed there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from pydicom.dataset import Dataset

from cohortium.deidentify.ctp import calls, elements, names
from cohortium.deidentify.ctp.functions import FUNCTIONS, MARKERS, read_by
from cohortium.deidentify.ctp.interpreter import Edits, Kind, evaluate
from cohortium.deidentify.ctp.script import Rule, Script
from cohortium.deidentify.ctp.tables import Tables
from cohortium.deidentify.ctp.writing import written
from cohortium.deidentify.plan import HIERARCHY, Aside
from cohortium.dicom.plan import padded
from cohortium.dicom.uids import STANDARD
from cohortium.values import Reason, SetAside

__all__ = ["Uids", "is_of_the_patient", "left", "mapping", "maps_uids", "safe", "uid"]

PATIENT_ID = 0x00100020
PATIENT = frozenset((0x00100010, PATIENT_ID, 0x00100021, 0x00100030, 0x00100040))
SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}").fullmatch  # what may name a folder
UID = re.compile(r"[0-9]+(\.[0-9]+)+").fullmatch
LONGEST_UID = 64
MAKING = frozenset(("hash", "hashuid", "integer", "lookup"))  # another text for another
ASKING = frozenset(("if", "param", *MARKERS))  # what may stand beside
REMEMBERED = 4096


def mapping(script: Script) -> Script | None:
    """A script of the one rule by which all UIDs are mapped; None where rules differ, or hang on more than the UID."""
    rules = list(_uid_rules(script))
    expressions = {_of_itself(rule) for rule in rules}
    return replace(script, rules=(rules[0],)) if len(expressions) == 1 and () not in expressions else None


def maps_uids(script: Script) -> bool:
    """Whether the script writes UIDs of its own."""
    return any(True for _ in _uid_rules(script))


def _uid_rules(script: Script) -> Iterator[Rule]:
    """The rules that make another UID of those that name instance, series or study."""
    for rule in script.rules:
        markers = (isinstance(part, calls.Call) and part.name in MARKERS for part in rule.expression)
        if rule.tag in HIERARCHY and not all(markers):
            yield rule


def _of_itself(rule: Rule) -> calls.Expression:
    """The expression with `this` for its own attribute; empty where the result hangs on anything else."""
    made = tuple(_part_of_itself(part, rule.tag) for part in rule.expression)
    found = [call for call in calls.calls(made) if isinstance(call, calls.Call)]
    own = all(call.name in MAKING | ASKING and set(read_by(call)) <= {"this"} for call in found)
    return made if own and any(call.name in MAKING for call in found) else ()


def _part_of_itself(part: calls.Part, tag: int) -> calls.Part:
    if not isinstance(part, calls.Call):
        return part
    its = FUNCTIONS[part.name].elements if part.name in FUNCTIONS else ()
    words = tuple(
        "this" if number in its and names.tag_of(word) == tag else word for number, word in enumerate(part.arguments)
    )
    then, otherwise = (tuple(_part_of_itself(each, tag) for each in each_) for each_ in (part.then, part.otherwise))
    return calls.Call(part.name, words, then, otherwise)


class Uids:
    """Maps UI values as the one rule of a script does; standard UIDs stay."""

    def __init__(self, rule: Script, tables: Tables) -> None:
        self._rule = rule
        self._tables = tables
        self._mapped = lru_cache(maxsize=REMEMBERED)(self._one)

    def __call__(self, value: bytes) -> bytes:
        """The mapped value, padded; every UID of a multiple value on its own, an empty value empty."""
        stripped = value.strip(b"\0 ")
        return padded(b"\\".join(self._mapped(old.strip(b"\0 ")) for old in stripped.split(b"\\")), "UI")

    def _one(self, old: bytes) -> bytes:
        if not old or STANDARD(old):
            return old
        dataset, tag = Dataset(), self._rule.rules[0].tag
        dataset[tag] = written(tag, "UI", old.decode("latin-1"))
        outcome = evaluate(self._rule, dataset, tag, self._tables)
        if isinstance(outcome, SetAside):
            raise Aside(outcome.reason, outcome.detail)
        new = uid(outcome.value if outcome and outcome.kind is Kind.REPLACE else "").rstrip(b"\0")
        if new == old:
            raise Aside(Reason.SCRIPT, "the script leaves a UID as it was")
        return new


def uid(text: str) -> bytes:
    """A UID, padded; any other text sets the object aside."""
    if not UID(text) or len(text) > LONGEST_UID:
        raise Aside(Reason.SCRIPT, "the script leaves an object without a UID of its own")
    return padded(text.encode("ascii"), "UI")


def left(tag: int, dataset: Dataset, found: Edits) -> str:
    """The text of an attribute as a trusted script leaves it."""
    if edit := found.get(tag):
        return str(edit.element.value or "") if edit.element is not None else ""
    element = elements.element(dataset, None, tag)
    return (elements.text_of(element, dataset) or "" if element is not None else "").strip()


def is_of_the_patient(script: Script, dataset: Dataset) -> bool:
    """Whether PatientID as the script writes it hangs on who the patient is, and the object tells that."""
    rule = next(rule for rule in script.rules if rule.tag == PATIENT_ID)
    words = [word for call in calls.calls(rule.expression) if isinstance(call, calls.Call) for word in read_by(call)]
    tags = {PATIENT_ID if word == "this" else names.tag_of(word) for word in words}
    known = elements.contents("PatientID", dataset, dataset, None, {}) or ""
    return bool(tags & PATIENT) and bool(known.strip())


def safe(text: str) -> bytes | None:
    """A PatientID of plain letters; None where there is none. Any other sets the object aside: it names a folder."""
    if not text.strip():
        return None
    if not SAFE(text.strip()):
        raise Aside(Reason.SCRIPT, "the script makes a PatientID of other than plain letters and digits")
    return padded(text.strip().encode("ascii"), "LO")
