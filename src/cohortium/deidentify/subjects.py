"""From patient to subject: which pseudonym a person bears in a project, and by how many days their dates move.

What always holds: two calls for one patient give one subject. Kinds that follow from a key or a secret need nothing
else; the others read what one writer (`table`) has assigned before, and know nobody whom it did not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from io import BytesIO
from typing import BinaryIO, NamedTuple
from typing import Protocol as Interface

from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_partial

from cohortium.deidentify.identifiers import Hashes, Pseudonyms, Shifts
from cohortium.deidentify.secret import Secret
from cohortium.deidentify.subjectrule import TABLED
from cohortium.dicom.charset import character_sets, decode, normalised
from cohortium.dicom.slow import UNREADABLE
from cohortium.errors import ConfigError, Malformed
from cohortium.keys import SiteKey
from cohortium.values import Finding, Protocol, Severity

__all__ = [
    "ANCHOR",
    "UNREADABLE_FILE",
    "Assigner",
    "Known",
    "NotKnown",
    "Patient",
    "Subject",
    "Subjects",
    "foreign",
    "identified",
    "read",
]

ANCHOR = date(2000, 1, 1)  # where a subject's first examination comes to lie
PATIENT_NAME, PATIENT_ID, ISSUER, BIRTH_DATE, SEX = 0x00100010, 0x00100020, 0x00100021, 0x00100030, 0x00100040
EXAMINED = (0x00080020, 0x00080021, 0x00080022, 0x00080023)
STUDY_INSTANCE_UID = 0x0020000D
UNREADABLE_FILE: tuple[type[Exception], ...] = (*UNREADABLE, InvalidDicomError)

NO_PATIENT_ID = Finding(
    "subject.no-identifier",
    Severity.WARNING,
    "PatientID is missing or empty; each such study becomes a subject of its own",
)
WEAK_SECRET = Finding(
    "subject.weak-secret",
    Severity.WARNING,
    "the project's secret was accepted although it is weak; pseudonyms can be found by trial",
)
MERGED = Finding("subject.merged", Severity.INFO, "two identifiers with one name, birth date and sex are one subject")
LINKED = Finding("subject.linked", Severity.INFO, "two identifiers are one subject, as somebody who knows has said")
ALIKE = Finding(
    "subject.candidate",
    Severity.WARNING,
    "another subject has a name that sounds alike, the same birth date and sex; if they are one person, "
    "`cohortium subject merge` makes them one",
)
ELSEWHERE = Finding(
    "subject.pseudonymised-elsewhere", Severity.INFO, "identifiers came pseudonymised elsewhere, and were mapped again"
)


@dataclass(frozen=True, slots=True)
class Patient:
    """Who a file is about. Identifying: never shown, logged or kept except sealed."""

    patient_id: str = field(repr=False)
    issuer: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    birth_date: str = field(default="", repr=False)
    sex: str = field(default="", repr=False)
    examined: date | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Known:
    """What a table says of one patient; `merged` tells what made two identifiers one person: `name`, or `hand`."""

    pseudonym: str
    first: str = ""  # date of the first examination seen, ISO 8601
    merged: str = ""
    like: str = ""  # the pseudonym of somebody whose name sounds alike


class Assigner(Interface):
    """The one writer of subjects."""

    def admit(self, patient: Patient) -> Mapping[str, Known]:
        """What is known of the patient, by mark, after it was assigned where that is possible."""

    def __hash__(self) -> int: ...


class Subject(NamedTuple):
    """Who a patient is in a project; `person` is a keyed digest that is the same in all projects of the site."""

    pseudonym: str
    mark: str
    days: int
    findings: tuple[Finding, ...]
    person: str


class NotKnown(Exception):
    """The table has no such patient; never leaves this package."""


class Subjects:
    """The subjects of one project, under one protocol."""

    def __init__(
        self,
        protocol: Protocol,
        key: SiteKey,
        project: str,
        secret: Secret | None = None,
        assigner: Assigner | None = None,
        own_issuer: str = "",
    ) -> None:
        rule, dates = protocol.subject, protocol.dates
        if rule.kind == "hash" and secret is None:
            raise ConfigError(f"project {project} has no secret to hash with; run `cohortium subject secret` first")
        self._tabled = rule.kind in TABLED
        self._anchored = dates.rule == "anchor"
        self._people = Pseudonyms(key, project, rule.length)
        self._pseudonyms = Hashes(secret.value) if secret and rule.kind == "hash" else self._people
        self._shifts = Shifts(key, project, dates.earliest, dates.latest)
        self._known: dict[str, Known] = {}
        self.own_issuer = own_issuer
        self._assigner = assigner
        self._register = Pseudonyms(key, "", rule.length)
        self._findings = (WEAK_SECRET,) * bool(secret and secret.weak) + (ELSEWHERE,) * rule.elsewhere

    def learn(self, known: Mapping[str, Known]) -> None:
        """Take over what the writer has assigned."""
        self._known.update(known)

    def meet(self, buffer: bytes | memoryview) -> bool:
        """Have the unknown patient of a file assigned, if this is the process that may; whether it is known now."""
        if self._assigner is None:
            return False
        try:
            known = self._assigner.admit(read(BytesIO(buffer)))
        except Malformed:
            return False
        self.learn(known)
        return bool(known)

    def introduce(self, patient: Patient) -> None:
        """Have a patient assigned, if this is the process that may."""
        if self._assigner is not None:
            self.learn(self._assigner.admit(patient))

    def __call__(self, patient_id: str, issuer: str = "") -> Subject:
        """The subject that the patient is; `NotKnown` where only a table could tell and does not."""
        issuer = foreign(issuer, self.own_issuer)
        mark, registered = self._people.mark(patient_id, issuer), self._register.mark(patient_id, issuer)
        if not self._tabled:
            pseudonym = self._pseudonyms.pseudonym(patient_id, issuer)
            days = self._shifts.days(patient_id, issuer)
            return Subject(pseudonym, mark, days, self._findings, registered)
        known = self._known.get(mark)
        if known is None:
            raise NotKnown
        person = (known.pseudonym, "table")  # for two identifiers may be one person
        first = date.fromisoformat(known.first) if self._anchored else None
        days = (ANCHOR - first).days if first else self._shifts.days(*person)
        told = {"name": (MERGED,), "hand": (LINKED,)}.get(known.merged, ()) + ((ALIKE,) if known.like else ())
        return Subject(known.pseudonym, self._people.mark(*person), days, self._findings + told, registered)


def foreign(issuer: str, own: str) -> str:
    """The issuer, unless it is the hospital's own: some devices name that, and others leave it out."""
    return "" if normalised(issuer) == normalised(own) else issuer


def identified(patient_id: str, issuer: str, study: str) -> tuple[str, str, tuple[Finding, ...]]:
    """Identifier and issuer; without an identifier the study stands for the patient, so that nobody is merged."""
    if normalised(patient_id):
        return patient_id, issuer, ()
    return study, "StudyInstanceUID", (NO_PATIENT_ID,)


def read(stream: BinaryIO) -> Patient:
    """Who a Part 10 file is about; `Malformed` where that cannot be read."""
    try:
        dataset = read_partial(stream, stop_when=lambda tag, _vr, _length: tag > STUDY_INSTANCE_UID)
        charset = dataset.get("SpecificCharacterSet") or ""
        values = {tag: dataset.get_item(tag) for tag in (PATIENT_NAME, PATIENT_ID, ISSUER, BIRTH_DATE, SEX, *EXAMINED)}
        study = str(dataset.get("StudyInstanceUID", ""))
    except UNREADABLE_FILE as error:
        raise Malformed(f"the data set cannot be read ({type(error).__name__})") from None
    sets = character_sets((charset if isinstance(charset, str) else "\\".join(charset)).encode("ascii", "replace"))
    texts = {tag: decode(each.value, sets) for tag, each in values.items() if each and isinstance(each.value, bytes)}
    patient_id, issuer, _ = identified(texts.get(PATIENT_ID, ""), texts.get(ISSUER, ""), study)
    examined = [day for tag in EXAMINED if (day := _day(texts.get(tag, "")))]
    return Patient(
        patient_id,
        issuer,
        texts.get(PATIENT_NAME, ""),
        texts.get(BIRTH_DATE, ""),
        texts.get(SEX, ""),
        min(examined, default=None),
    )


def _day(text: str) -> date | None:
    digits = text.strip()
    try:
        return date.fromisoformat(digits) if len(digits) == 8 and digits.isascii() and digits.isdigit() else None
    except ValueError:
        return None
