"""What the stages hand to each other: frozen values, no I/O.

Fields that hold the value of a DICOM attribute carry its keyword (PS3.6). No value in this module is
identifying except where its docstring says so.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = [
    "Action",
    "ClinicalRule",
    "ClinicalTable",
    "ColumnRule",
    "CtpRule",
    "DateRule",
    "Finding",
    "Instance",
    "Protocol",
    "Reason",
    "Receipt",
    "SetAside",
    "Severity",
    "State",
    "SubjectRule",
    "TableRule",
]

LARGEST = sys.float_info.max  # a larger integer is no number that can be reckoned with


class State(StrEnum):
    """Where an item stands on its way through a site; `spool.states` holds the allowed transitions."""

    RECEIVED = "received"
    DEIDENTIFIED = "de-identified"
    HELD = "held"
    OUTBOX = "outbox"
    SENT = "sent"
    QUARANTINED = "quarantined"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    NOT_DICOM = "not DICOM"
    CONTAINER = "container"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"


class Reason(StrEnum):
    """Why an item was set aside. The text is what people read, and is part of the interface."""

    PIXELS_NOT_REVIEWED = "pixels not reviewed"
    FACE = "a face may be in it"
    SOP_CLASS_NOT_LISTED = "SOP class not on the list"
    TRANSFER_SYNTAX_NOT_SUPPORTED = "transfer syntax not supported"
    NO_FILE_META = "no file meta information"
    TRUNCATED = "truncated"
    MALFORMED = "malformed"
    OTHER_BYTES = "same SOPInstanceUID, other bytes"
    SUBJECT_COLLISION = "two patients would get one pseudonym"
    SUBJECT_UNKNOWN = "no pseudonym for this patient"
    NO_PIPELINE = "no pipeline takes its modality"
    CHECK = "a check found an error"
    REFUSED = "refused by the archive"
    UNREADABLE = "file cannot be read"
    EMPTY = "empty file"
    TOO_LARGE = "larger than the limit"
    SCRIPT = "kept back by the CTP script"
    FILTER = "not accepted by the CTP filter"
    NO_TABLE_RULE = "no rule of the protocol takes this table"
    NOT_A_TABLE = "not a table that its rule can read"
    NO_ROW = "no row of the table could go on"
    ROWS = "rows of the table stay behind"
    INSPECTION = "waits for somebody to look at it"
    PROTOCOL = "its protocol is not approved"
    REJECTION = "rejected by a person"
    EXPIRED = "nobody decided in time"
    DAMAGED = "its bytes in the spool are damaged"
    PACKAGE = "a package that cannot be unpacked"


@dataclass(frozen=True, slots=True)
class SetAside:
    """An item that must not go on: why, and where in its bytes or attributes; never a patient's value."""

    reason: Reason
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else str(self.reason)


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth knowing about data: which rule, what is wrong, where, and how to mend it.

    `rule` is dotted, family first (`geometry.gap`). UIDs and `patient` are those after de-identification; `file` is a
    name that may be shown, `row` counts a table's rows from 1 below its heading, `variable` is a column or a DICOM
    keyword. `message` ends with `mend` where that is known apart; `fact` is the rest of it.
    """

    rule: str
    severity: Severity
    message: str
    SeriesInstanceUID: str = ""
    SOPInstanceUID: str = ""
    patient: str = ""
    file: str = ""
    row: int = 0
    variable: str = ""
    mend: str = ""

    @property
    def fact(self) -> str:
        """What is wrong, without how to mend it."""
        return self.message.removesuffix(f"; {self.mend}")


@dataclass(frozen=True, slots=True)
class Instance:
    """One de-identified object, as the stages after `deidentify` see it without opening it again.

    `digest` is SHA-256 (hex) of the bytes and its name ever after. `attributes` maps keywords to JSON
    values: a string, a number, or a list of them for a multi-valued attribute; absent and empty
    attributes are not in it, but NumberOfFrames always is (0: no pixels).
    """

    digest: str
    size: int
    PatientID: str
    StudyInstanceUID: str
    SeriesInstanceUID: str
    SOPInstanceUID: str
    SOPClassUID: str
    TransferSyntaxUID: str
    Modality: str
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def numbers(self, keyword: str) -> tuple[float, ...] | None:
        """The attribute as finite numbers; None where absent or not all of it is."""
        value = self.attributes.get(keyword)
        values = value if isinstance(value, list) else [value]
        found = tuple(float(v) for v in values if isinstance(v, int | float) and abs(v) <= LARGEST)
        return found if found and len(found) == len(values) else None

    def number(self, keyword: str) -> float | None:
        """The attribute's first value as a number; None where absent or not numeric."""
        values = self.numbers(keyword)
        return values[0] if values else None

    def text(self, keyword: str) -> str:
        """The attribute as DICOM writes it, values joined by a backslash; empty where absent."""
        value = self.attributes.get(keyword, "")
        return "\\".join(str(v) for v in value) if isinstance(value, list) else str(value)


@dataclass(frozen=True, slots=True)
class ClinicalTable:
    """One de-identified clinical table, UTF-8 CSV, of many subjects; `digest` as of an `Instance`.

    `name` is what its protocol calls it, with a number where the project has others of the kind. Of `rows` that came,
    `behind` could not go on; `without` is a digest of who had withdrawn when it was made.
    """

    digest: str
    size: int
    name: str
    rows: int
    behind: int
    without: str = ""


class Action(StrEnum):
    """What happens to an attribute: the codes of PS3.15 Table E.1-1a, and three for what C means to dates and IDs."""

    KEEP = "K"
    REMOVE = "X"
    EMPTY = "Z"
    DUMMY = "D"
    CLEAN = "C"
    UID = "U"
    MODIFY = "M"  # a date, time or age, as `DateRule` says
    YEAR = "Y"  # a date, cut to its year
    HASH = "H"  # an identifier, hashed together with the subject's pseudonym
    SCRIPT = "S"  # as a CTP script says, for each object anew


@dataclass(frozen=True, slots=True)
class SubjectRule:
    """How a patient becomes a subject: `kind` and the pseudonym's length in characters.

    `pattern` and `digits` make a naming convention; `context` is what pseudonyms of kind context are unlinkable across,
    the project where it is empty; `elsewhere` says that identifiers come pseudonymised by somebody else.
    """

    kind: str = "keyed"
    length: int = 16
    pattern: str = ""
    digits: int = 4
    context: str = ""
    elsewhere: bool = False

    @property
    def provenance(self) -> str:
        """What the incoming identifiers are, where they are no patient's own."""
        return "pseudonymised elsewhere" if self.elsewhere else ""


@dataclass(frozen=True, slots=True)
class DateRule:
    """What happens to a subject's dates: `rule` is keep, shift, anchor, truncate or remove.

    A shift is a number of days from `earliest` to `latest`, one per subject, never 0; an anchor puts each subject's
    first examination on one day. Truncated dates keep what `precision` says: year or month. `times` of day are kept,
    cut to the hour, obscured, or in PET relative to the injection; `ages` over 89 are kept or capped.
    """

    rule: str = "remove"
    earliest: int = -3650
    latest: int = -1
    precision: str = "year"
    times: str = "keep"
    ages: str = "keep"

    @property
    def modifies(self) -> bool:
        """Whether a date or time that stays is another than it was."""
        times = self.times == "relative" or (self.rule == "keep" and self.times != "keep")
        return times or self.rule in ("shift", "anchor", "truncate")


@dataclass(frozen=True, slots=True)
class CtpRule:
    """A hospital's scripts of RSNA CTP, their text, and how they are carried out beside the rest of a protocol.

    `hash` is `keyed` or `compatible`, exactly as CTP does it; `lookup` names a table that the site keeps; under
    `trust_script` the script rules alone.
    """

    script: str = field(default="", repr=False)
    pixels: str = field(default="", repr=False)
    filter: str = field(default="", repr=False)
    lookup: str = ""
    hash: str = "keyed"
    trust_script: bool = False


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """What happens to a column of a clinical table.

    `action` is keep, remove, pseudonym, hash, date, days, year, age, period, code, number, clean or text; ages and
    periods count from the column `since` in `unit`; `codes` are the values that may stay; `name` is a new heading.
    """

    action: str
    since: str = ""
    unit: str = ""
    codes: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class TableRule:
    """Which files are one clinical table, how they are written, whom a row is about, and what becomes of each column.

    The output is called `name`, for the input's own name may hold anything. `patient` are the columns that, joined by
    `join`, make the patient ID; its issuer stands in the column `issuer_column`, or is `issuer`. `columns` are by name
    or by pattern, `dates` the order in which dates are written, `missing` what stands for no value.
    """

    name: str
    files: tuple[str, ...]
    patient: tuple[str, ...]
    columns: Mapping[str, ColumnRule]
    join: str = "-"
    issuer: str = ""
    issuer_column: str = ""
    encoding: str = "utf-8"
    delimiter: str = ""
    dates: str = "YYYY-MM-DD"
    missing: tuple[str, ...] = ("", "NA")


@dataclass(frozen=True, slots=True)
class ClinicalRule:
    """What happens to clinical tables: the protocol's own, and below them those of `base`, which Cohortium ships.

    `columns` hold for every table that does not rule otherwise, and rule over the base. `dates` says what a date
    becomes: what it becomes in an image (`as images`), or days from a day of the subject's own (`days`).
    """

    base: str = ""
    dates: str = "as images"
    columns: Mapping[str, ColumnRule] = field(default_factory=dict)
    tables: tuple[TableRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is removed, kept and changed, as a study approves it. `digest` covers the rules and nothing else.

    `options` are PS3.15 Annex E names; `elements` overrides single attributes by keyword; `private` names, by
    creator and tag (7053xx00), the VR of private attributes that stay, or `remove`; `level` is the level of
    privacy that these rules are, of those that the protocol offers; `compat` hashes identifiers without a key. Secrets,
    offsets and lookup tables are never part of it.
    """

    name: str
    version: str
    title: str
    edition: str
    options: tuple[str, ...]
    subject: SubjectRule
    elements: Mapping[str, Action]
    digest: str
    dates: DateRule = DateRule()
    ctp: CtpRule | None = None
    compat: bool = False
    level: str = ""
    levels: tuple[str, ...] = ()
    private: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    clinical: ClinicalRule | None = None

    @property
    def label(self) -> str:
        """What people call it: name, version and level."""
        return f"{self.name} {self.version}" + (f" level {self.level}" if self.level else "")


@dataclass(frozen=True, slots=True)
class Receipt:
    """A site's signed word that it de-identified exactly these bytes under this protocol for this project.

    `signature` is Ed25519 (hex) over the other fields, by the site's key.
    """

    site: str
    project: str
    digest: str
    protocol: str
    software: str
    created: str
    signature: str
