"""A hospital's CTP script and the rest of its protocol over one object: who rules which attribute.

The base is carried out first, on bytes, as for any protocol. What the script does to the object as it came is then done
to the base's result. So what the script leaves alone is as the base made it, and what it changes is as the script says.
What always holds: the object can be read and found (UIDs, PatientID, character set, stamps), references stay in step,
and no text repeats the patient's own name or ID. Only under `trust_script` the script's result is taken as it is.
"""

from __future__ import annotations

import copy
import hmac
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from io import BytesIO

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import dcmread, read_dataset
from pydicom.filewriter import write_dataset

from cohortium.deidentify import private, standard
from cohortium.deidentify.ctp import elements, identity
from cohortium.deidentify.ctp.context import Aside as Kept
from cohortium.deidentify.ctp.explain import weak
from cohortium.deidentify.ctp.filters import Filter, read_filter
from cohortium.deidentify.ctp.interpreter import METHOD_CODES, Edit, Edits, carry_out, edits
from cohortium.deidentify.ctp.pixels import read_pixels
from cohortium.deidentify.ctp.rule import FIXED, parsed
from cohortium.deidentify.ctp.script import Script
from cohortium.deidentify.ctp.tables import Tables
from cohortium.deidentify.identifiers import UidMap
from cohortium.deidentify.pixels import Hold, Review, Rules, regions
from cohortium.deidentify.plan import HIERARCHY, SETS, Aside
from cohortium.deidentify.subjects import foreign
from cohortium.dicom import codecs, filemeta, pixels, scan
from cohortium.dicom.charset import normalised
from cohortium.dicom.plan import ECHOED, Context, Plan, Rewritten, SetValue, View, padded
from cohortium.dicom.slow import UNREADABLE
from cohortium.errors import Malformed
from cohortium.keys import SiteKey
from cohortium.values import Action, CtpRule, Finding, Protocol, Reason, Severity

__all__ = ["Ruled", "Ruling", "read"]

CHARACTER_SET, PATIENT_NAME, PATIENT_ID = 0x00080005, 0x00100010, 0x00100020
LONGITUDINAL, BURNED_IN = 0x00280303, 0x00280301
IMPLICIT, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"
FIRST, BEHIND = 0x00080000, 0x7FE00000  # the data set proper, without its samples
STRUCTURE = FIXED | pixels.LAYOUT | {BURNED_IN}
DATES = "Retain Longitudinal Temporal Information Modified Dates"

TRUSTED = Finding(
    "ctp.trusted",
    Severity.WARNING,
    "the CTP script ruled alone; what it leaves in objects was not held to the standard",
)
COMPATIBLE = Finding(
    "ctp.compatible-hashes",
    Severity.WARNING,
    "the CTP script hashes exactly as CTP, without a key; who can guess a value can recompute its hash",
)
OWN_UIDS = Finding(
    "ctp.uids",
    Severity.INFO,
    "the CTP script maps UIDs in ways that would break references between objects; the site's own mapping was used",
)
OWN_PSEUDONYM = Finding(
    "ctp.pseudonym",
    Severity.INFO,
    "the CTP script makes no identifier of the patient's; the pseudonym stands in its place",
)

COPIED = Finding(
    "ctp.copied",
    Severity.WARNING,
    "the CTP script copies a value that must change; the rest of the protocol was followed there",
)


class Ruling:
    """The [ctp] table of one protocol, for one project of one site."""

    def __init__(self, protocol: Protocol, key: SiteKey, project: str, own_issuer: str, tables: Tables) -> None:
        self.rule = rule = protocol.ctp or CtpRule()
        self.base = replace(protocol, ctp=None)
        self.script: Script | None = parsed(rule.script) if rule.script else None
        self.filter: Filter | None = read_filter(rule.filter) if rule.filter else None
        self.pixels: Rules | None = read_pixels(rule.pixels).rules() if rule.pixels else None
        self.own_issuer = own_issuer
        self.tables = tables
        if rule.hash == "keyed":
            secret = key.derive("ctp hashes", project)
            self.tables = replace(tables, keyed=partial(_keyed, secret))
        safe = private.retained(replace(self.base, options=(private.OPTION,)))
        self.tables = replace(self.tables, is_safe=partial(_is_safe, safe))
        self.mapping = identity.mapping(self.script) if self.script and not rule.trust_script else None
        self.findings = tuple(self._findings())

    def uids(self, otherwise: UidMap) -> UidMap:
        """How every UID of an object is mapped, references at any depth too: as the script does, if it does."""
        return identity.Uids(self.mapping, self.tables) if self.mapping else otherwise

    def open(self, buffer: bytes | memoryview) -> Ruled:
        """An object as it came; `Aside` where a script keeps it back, `Malformed` where it cannot be read."""
        try:
            dataset = read(buffer)
            if self.filter and not self.filter.accepts(dataset):
                raise Aside(Reason.FILTER)
            found = edits(self.script, dataset, self._tables(dataset)) if self.script else {}
        except Kept as reason:
            raise Aside(Reason.SCRIPT, str(reason)) from None
        except UNREADABLE as error:
            raise Malformed(f"the data set cannot be read ({type(error).__name__})") from None
        return Ruled(self, dataset, found)

    def _tables(self, dataset: Dataset) -> Tables:
        """Tables under which a keyed hash of a patient ID is one of who issued it too: two hospitals' 1001 are two."""
        names = "IssuerOfPatientID", "PatientID"
        issuer, who = ((elements.contents(name, dataset, dataset, None, {}) or "").strip() for name in names)
        if self.rule.hash != "keyed" or not foreign(issuer, self.own_issuer) or not who:
            return self.tables

        def keyed(text: str) -> str:
            its = text.strip() == who or text.endswith(f"]{who}")  # the latter is how @hashptid writes it
            return self.tables.keyed(f"{issuer}\x1f{text}" if its else text)

        return replace(self.tables, keyed=keyed)

    def _findings(self) -> list[Finding]:
        found = []
        if self.script and self.rule.trust_script:
            found.append(TRUSTED)
        if self.script and self.rule.hash == "compatible":
            found.append(COMPATIBLE)
        if self.script and not self.rule.trust_script and self.mapping is None and identity.maps_uids(self.script):
            found.append(OWN_UIDS)
        if self.script and not self.rule.trust_script and (count := weak(self.script, self.base)):
            text = (
                f"{count} rules of the CTP script leave parts of values, or what gives them away; `ctp explain` tells"
            )
            found.append(Finding("ctp.weak-rules", Severity.WARNING, text))
        return found


class Ruled:
    """One object under a ruling."""

    def __init__(self, ruling: Ruling, dataset: Dataset, found: Edits) -> None:
        self.ruling = ruling
        self.dataset = dataset
        self.edits = found
        self.trusted = ruling.rule.trust_script

    def plan(self, plan: Plan) -> Plan:
        """The base's plan, with who the patient is, and what was done to dates, as the script has it."""
        if not self.ruling.script:
            return plan

        def prepare(noted: View) -> Context:
            context = plan.prepare(noted)
            context.findings.extend(self.ruling.findings)
            context.sets = {**context.sets, **self._sets(context)}
            return context

        return replace(plan, prepare=prepare)

    def review(self) -> Review | Hold | None:
        """What the pixel script has blanked in each frame; None where there is no such script."""
        found = regions(self.dataset, self.ruling.pixels) if self.ruling.pixels else None
        return found if found is None or isinstance(found, Hold) else Review(found)

    def merged(self, rewritten: Rewritten, plan: Plan) -> Rewritten:
        """The base's result with the script's changes."""
        if not self.ruling.script:
            return rewritten
        header, content, *samples = rewritten.slices
        syntax = filemeta.read(bytes(header)).TransferSyntaxUID
        try:
            based = read_dataset(BytesIO(content), syntax == IMPLICIT, True)
            if self.trusted:
                made = _encoded(self._alone(based, plan), implicit=syntax == IMPLICIT)
            else:
                self._change(based, self.dataset, self.edits, rewritten.context, top=True)
                made = _encoded(based, implicit=syntax == IMPLICIT)
                made = scan.without_echoes(made, plan, rewritten.context, syntax)
        except UNREADABLE as error:
            raise Malformed(f"the script's result cannot be written ({type(error).__name__})") from None
        return Rewritten([header, made, *samples], rewritten.context)

    def _sets(self, context: Context) -> dict[int, SetValue]:
        patient_id = self._patient_id(context)
        if patient_id is None:
            context.findings.append(OWN_PSEUDONYM)
        own = context.sets[PATIENT_ID]
        sets: dict[int, SetValue] = {
            PATIENT_ID: patient_id or own,
            PATIENT_NAME: self._name(context, patient_id or own),
        }
        if self.trusted:
            left = {tag: identity.left(tag, self.dataset, self.edits) for tag in HIERARCHY}
            sets |= {tag: identity.uid(text) for tag, text in left.items() if text}
        sets[LONGITUDINAL] = self._longitudinal(context.sets[LONGITUDINAL])
        return sets

    def _patient_id(self, context: Context) -> bytes | None:
        """The script's PatientID, if it is the patient's own: another for another patient."""
        if self.trusted:
            return identity.safe(identity.left(PATIENT_ID, self.dataset, self.edits))
        edit, script = self.edits.get(PATIENT_ID), self.ruling.script
        if edit is None or edit.element is None or edit.copied or not script:
            return None
        if not identity.is_of_the_patient(script, self.dataset):
            return None
        value = identity.safe(str(edit.element.value or ""))
        return None if value and context.echoes(value) else value

    def _name(self, context: Context, patient_id: SetValue) -> SetValue:
        edit = self.edits.get(PATIENT_NAME)
        if edit is None:
            return patient_id
        text = str(edit.element.value or "") if edit.element is not None else ""
        try:
            value = padded(text.encode("ascii"), "PN")
        except UnicodeEncodeError:
            return patient_id
        if edit.copied or context.echoes(value):
            context.findings.append(ECHOED)
            return patient_id
        return value

    def _longitudinal(self, base: SetValue) -> SetValue:
        """What was done to dates and times (0028,0303), the script's part in it too."""
        dated = [tag for tag in self.edits if standard.option(DATES, tag)]
        moved = (edit.element for tag in dated if not (edit := self.edits[tag]).copied)
        if any(element is not None and element.value for element in moved):
            return padded(b"MODIFIED", "CS")
        if not self.trusted:
            return base
        left = (int(tag) for tag in self.dataset.keys() if standard.option(DATES, int(tag)))  # noqa: SIM118
        return padded(b"UNMODIFIED" if set(left) - set(dated) else b"REMOVED", "CS")

    def _change(self, based: Dataset, before: Dataset, found: Edits, context: Context, *, top: bool) -> None:
        """Do to one data set of the base's result what the script did to it as it came."""
        for tag, edit in found.items():
            if _is_beyond_scripts(tag, edit, top=top):
                continue
            if edit.items is not None:
                self._enter(based, before, tag, edit.items, context)
            elif edit.element is None:
                based.pop(tag, None)
            elif copied := {source for source in edit.copied if _differs(based, before, source)}:
                context.findings += [COPIED] if copied - {tag} else []  # kept in all but name, so the base rules
            elif _differs(based, before, tag) and _is_mapped(based, tag):
                continue  # there is one mapping of UIDs
            else:
                _take_creator(based, before, tag)
                based[tag] = edit.element

    def _enter(self, based: Dataset, before: Dataset, tag: int, items: tuple[Edits, ...], context: Context) -> None:
        if tag not in based or len(based[tag].value) != len(items):
            return  # the base took it away, or its items
        for made, item, inner in zip(based[tag].value, before[tag].value, items, strict=True):
            self._change(made, item, inner, context, top=False)

    def _alone(self, based: Dataset, plan: Plan) -> Dataset:
        """What the script made of the object, with the stamps and identifiers that tell so."""
        output = copy.deepcopy(self.dataset)
        carry_out({tag: edit for tag, edit in self.edits.items() if FIRST <= tag < BEHIND}, output)
        for tag in list(output.keys()):
            if not FIRST <= tag < BEHIND or tag & 0xFFFF == 0:
                del output[tag]
        for stamp in plan.sets.keys() - {PATIENT_NAME, METHOD_CODES}:
            output[stamp] = based.get_item(stamp)
        return output


def _is_beyond_scripts(tag: int, edit: Edit, *, top: bool) -> bool:
    """Whether an attribute follows the base alone: it tells how to read the object, whose it is or what was done."""
    whole = standard.unlisted(tag)
    if not FIRST <= tag < BEHIND or tag & 0xFFFF == 0 or (whole is not None and whole.whole_group):
        return True
    if top:
        return tag in STRUCTURE or tag in SETS
    return tag == CHARACTER_SET or (tag == PATIENT_ID and edit.element is not None)


def _differs(based: Dataset, before: Dataset, tag: int) -> bool:
    """Whether the base changed an attribute."""
    if tag not in based or tag not in before:
        return (tag in based) != (tag in before)
    return bool(based.get_item(tag).value != before.get_item(tag).value)


def _is_mapped(based: Dataset, tag: int) -> bool:
    return tag in based and elements.vr_of(based.get_item(tag)) == "UI" and bool(based.get_item(tag).value)


def _take_creator(based: Dataset, before: Dataset, tag: int) -> None:
    """Beside a private attribute stands who created it."""
    creator = tag & 0xFFFF0000 | (tag & 0xFF00) >> 8
    if tag >> 16 & 1 and tag & 0xFF00 and creator in before and creator not in based:
        based[creator] = before.get_item(creator)


def read(buffer: bytes | memoryview) -> Dataset:
    """The object without its samples, every sequence of it read."""
    if filemeta.read(buffer).TransferSyntaxUID == DEFLATED:
        dataset = codecs.read(bytes(buffer))  # which inflates no more than makes sense
    else:
        dataset = dcmread(BytesIO(buffer), stop_before_pixels=True)
    _read_through(dataset)
    return dataset


def _read_through(dataset: Dataset) -> None:
    """Read the items of every sequence now, so that what cannot be read shows here."""
    for tag in list(dataset.keys()):
        if elements.vr_of(dataset.get_item(tag)) == "SQ":
            for item in dataset[tag].value or ():
                _read_through(item)


def _is_safe(safe: Mapping[tuple[bytes, int], private.SafeAttribute], creator: str, tag: int) -> bool:
    """Whether the shipped list of safe private attributes lets one stay as it is, as CTP's own list does."""
    found = safe.get((creator.encode("utf-8", "replace"), tag & 0xFFFF00FF))
    return found is not None and found.action is Action.KEEP


def _keyed(secret: bytes, text: str) -> str:
    return hmac.digest(secret, normalised(text).encode(), "sha256").hex()


def _encoded(dataset: Dataset, *, implicit: bool) -> bytes:
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = implicit, True
    write_dataset(stream, dataset)
    return stream.getvalue()
