"""What the API at `/api/v1` says and hears: one set of types for the server, its OpenAPI document and the client.

Answers may gain fields from release to release, so readers pass over what they do not know; a request with a field that
is not here is refused. Attributes of DICOM carry their keywords, times are ISO 8601 in UTC.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "DRAGON",
    "Account",
    "AuditRow",
    "Check",
    "CheckTold",
    "CheckWish",
    "Citation",
    "ClinicalRow",
    "ClinicalTable",
    "Cohort",
    "CohortSubject",
    "CohortWish",
    "Comparison",
    "Consent",
    "ConsentWish",
    "Counts",
    "DatasetFile",
    "Difference",
    "Event",
    "File",
    "Finding",
    "FindingRow",
    "FindingSearch",
    "Flag",
    "FlagWish",
    "FrameAt",
    "FreezeWish",
    "Gone",
    "ImageCondition",
    "InstanceFound",
    "InstanceSearch",
    "Invitation",
    "InvitationWish",
    "Invited",
    "Me",
    "Modality",
    "OfferWish",
    "Offered",
    "Part",
    "Person",
    "Problem",
    "Project",
    "Reason",
    "Removed",
    "ReopenWish",
    "Resource",
    "RoleWish",
    "RowComparison",
    "RowCondition",
    "Scan",
    "ScanFound",
    "ScanInList",
    "ScanList",
    "ScanListWish",
    "ScanSearch",
    "Session",
    "SessionFound",
    "SessionSearch",
    "Site",
    "StandingWish",
    "Subject",
    "Terms",
    "TermsWish",
    "TimelineSearch",
    "Token",
    "TokenMade",
    "TokenWish",
    "Upload",
    "Version",
    "VisibilityWish",
    "Waiting",
    "WaiverWish",
]

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Uid = Annotated[str, Field(pattern=r"^[0-9.]{1,64}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256, hexadecimal.")]
Count = dict[str, int]
Matched = Annotated[
    str, Field(max_length=1000, description="As DICOM matches (PS3.4 C.2.2.2): a value, a list, a range, or * and ?.")
]
Day = Annotated[str, Field(pattern=r"^(\d{4}-\d\d-\d\d)?$", description="A day (UTC), included.")]
AuditText = Annotated[str, Field(max_length=64)]
RoleName = Literal["owner", "member", "collaborator"]
StandingName = Literal["administrator", "committee", "maintainer", "manager", "person"]
StateName = Literal["active", "disabled", "deleted"]
VisibilityName = Literal["public", "protected", "private"]
VerdictName = Literal["questionable", "unusable"]
ScopeName = Literal["read", "write"]


LevelName = Literal["project", "subject", "session", "scan"]
KindName = Literal["reconstruction", "assessment", "mask", "features", "document", "clinical", "video"]
SeverityName = Literal["info", "warning", "error"]
FindingState = Literal["open", "waived", "mended"]
DRAGON = "dragon"  # the specification, where nothing else is said
ScopeOfConsent = Literal["this project", "the consortium", "teaching", "publication"]


class Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class Wish(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Problem(Answer):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str


# --- projects and what they hold ------------------------------------------------------------------------------------


class Modality(Answer):
    modality: str
    scans: int
    instances: int


class Counts(Answer):
    """What a project holds; `findings` by severity."""

    subjects: int
    sessions: int
    scans: int
    instances: int
    size: int
    modalities: list[Modality]
    findings: Count


class Project(Answer):
    """`counts` is absent where the caller may know of the project and may not read its data."""

    name: str
    title: str
    visibility: VisibilityName
    admit: str
    protocol: str
    protocol_digest: str
    manageable: bool
    counts: Counts | None = None


class ScanInList(Answer):
    """`frames` is 0 where nothing has pixels; `findings` counts by severity, `flags` those that stand by verdict."""

    id: int
    SeriesInstanceUID: str
    Modality: str
    SeriesNumber: int | None
    SeriesDescription: str
    instances: int
    frames: int
    findings: Count
    flags: Count


class Session(Answer):
    id: int
    StudyInstanceUID: str
    StudyDate: str
    StudyDescription: str
    scans: list[ScanInList]


class Subject(Answer):
    id: int
    PatientID: str
    sessions: list[Session]


class Finding(Answer):
    rule: str
    severity: str
    message: str
    SOPInstanceUID: str


class Flag(Answer):
    """`SOPInstanceUID` is empty where the whole scan is meant, `ended` while the flag stands."""

    id: int
    SeriesInstanceUID: str
    SOPInstanceUID: str
    verdict: VerdictName
    reason: str
    by: str
    created: str
    ended: str
    ended_by: str


class FrameAt(Answer):
    """A frame, from 0, of an instance; its position in mm along the normal."""

    instance: int
    frame: int
    number: int | None
    position: float | None


class Scan(Answer):
    """A scan, its frames in the order in which they lie in the patient."""

    id: int
    project: str
    project_title: str
    PatientID: str
    session_id: int
    StudyDate: str
    StudyDescription: str
    Modality: str
    SeriesNumber: int | None
    SeriesDescription: str
    SeriesInstanceUID: str
    instances: int
    frames: list[FrameAt]
    findings: list[Finding]
    flags: list[Flag]
    attributes: dict[str, Any]
    presets: list[dict[str, Any]]


# --- searches -------------------------------------------------------------------------------------------------------


class SessionSearch(Wish):
    project: Annotated[str, Field(description="Of this project alone.")] = ""
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    after: Annotated[str, Field(max_length=500, description="Where the page begins, as the `Link` before had it.")] = ""
    StudyInstanceUID: Matched = ""
    StudyDate: Matched = ""
    StudyTime: Matched = ""
    AccessionNumber: Matched = ""
    ModalitiesInStudy: Matched = ""
    ReferringPhysicianName: Matched = ""
    StudyID: Matched = ""
    StudyDescription: Matched = ""
    PatientID: Matched = ""
    PatientName: Matched = ""
    PatientBirthDate: Matched = ""
    PatientSex: Matched = ""


class ScanSearch(SessionSearch):
    SeriesInstanceUID: Matched = ""
    Modality: Matched = ""
    SeriesNumber: Matched = ""
    SeriesDescription: Matched = ""
    BodyPartExamined: Matched = ""
    PerformedProcedureStepStartDate: Matched = ""
    PerformedProcedureStepStartTime: Matched = ""
    ScheduledProcedureStepID: Matched = ""
    RequestedProcedureID: Matched = ""


class InstanceSearch(ScanSearch):
    SOPInstanceUID: Matched = ""
    SOPClassUID: Matched = ""
    InstanceNumber: Matched = ""
    NumberOfFrames: Matched = ""
    Rows: Matched = ""
    Columns: Matched = ""
    BitsAllocated: Matched = ""


class SessionFound(Answer):
    session_id: int
    project: str
    PatientID: str
    PatientSex: str
    StudyInstanceUID: str
    StudyDate: str
    StudyTime: str
    StudyDescription: str
    AccessionNumber: str
    StudyID: str
    ModalitiesInStudy: list[str]
    NumberOfStudyRelatedSeries: int
    NumberOfStudyRelatedInstances: int


class ScanFound(SessionFound):
    """`flags` counts those that stand, on the scan and its instances, by verdict."""

    scan_id: int
    SeriesInstanceUID: str
    Modality: str
    SeriesNumber: int | None
    SeriesDescription: str
    BodyPartExamined: str
    NumberOfSeriesRelatedInstances: int
    flags: Count = {}


class InstanceFound(ScanFound):
    instance_id: int
    SOPInstanceUID: str
    SOPClassUID: str
    TransferSyntaxUID: str
    InstanceNumber: int | None
    NumberOfFrames: int
    Rows: int | None
    Columns: int | None
    BitsAllocated: int | None
    digest: Digest
    size: int


# --- clinical rows ----------------------------------------------------------------------------------------------------

DatasetName = Annotated[str, Field(max_length=64, description="A dataset version, by name or digest; empty: of today.")]
Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f]*$")]
OperatorName = Literal["=", "!=", "<", "<=", ">", ">=", "LIKE"]


class RowComparison(Wish):
    """`LIKE`: `%` stands for anything, and case for nothing. A date holds where it holds of all of its interval."""

    field: Annotated[Text, Field(description="`number`, `text`, `unit`, `date`, `day`, or a variable: `VISITNUM`.")]
    operator: OperatorName
    value: Text


class RowCondition(Wish):
    """That a subject has a row, or with `absent` none, for which all comparisons hold."""

    domain: Annotated[str, Field(pattern=r"^[A-Z]{2,8}$")]
    topic: Annotated[Text, Field(description="As `--TESTCD`, `--DECOD`, `--TERM` or `--TRT` has it.")] = ""
    comparisons: Annotated[list[RowComparison], Field(max_length=10)] = []
    absent: bool = False


class ImageCondition(Wish):
    """That the subject, or one session or scan of it, has a field that compares so."""

    level: Literal["subject", "session", "scan"]
    field: Literal["label", "date", "UID", "modality", "series_description"]
    operator: OperatorName
    value: Text


class CohortWish(Wish):
    """Subjects for which every condition holds, or with `every` false any of them."""

    every: bool = True
    rows: Annotated[list[RowCondition], Field(max_length=20)] = []
    images: Annotated[list[ImageCondition], Field(max_length=20)] = []
    dataset: DatasetName = ""
    after: Annotated[Text, Field(description="As the page before had it.")] = ""
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class CohortSubject(Answer):
    id: int
    PatientID: str


class Cohort(Answer):
    """A page of the `count` subjects that were found; `after` is null on the last."""

    count: int
    subjects: list[CohortSubject]
    after: str | None


class ClinicalTable(Answer):
    """A table of SDTM, and how many of its rows are stored, of how many people, and of people without images here.

    `why` says what keeps an unreadable one out. Rows of `nobody`, without USUBJID, are in the file alone.
    """

    digest: str
    name: str
    version: int
    domain: str
    state: Literal["waiting", "read", "unreadable"]
    why: str
    headings: list[str]
    rows: int
    nobody: int
    stored: int
    subjects: int
    unlinked: int


class ClinicalRow(Answer):
    """A row of the table of that digest: what it says in the same words for all domains, and its variables."""

    digest: str
    row: int
    domain: str
    sequence: int | None
    topic: str
    text: str
    number: float | None
    unit: str
    day: int | None
    variables: dict[str, str]


class Event(Answer):
    """A session or a clinical row, and the seconds between which it was; empty where it has no date."""

    earliest: str
    latest: str
    session: Session | None
    row: ClinicalRow | None


class TimelineSearch(Wish):
    dataset: DatasetName = ""
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    after: Annotated[str, Field(max_length=500, description="Where the page begins, as the `Link` before had it.")] = ""


# --- dataset versions, lists, flags ---------------------------------------------------------------------------------


class FreezeWish(Wish):
    """`list`: freeze these scans alone; `with_unusable`: what is flagged unusable too."""

    name: Name
    description: Annotated[str, Field(max_length=2000)] = ""
    list: Name | None = None
    with_unusable: bool = False


class Version(Answer):
    """A dataset version; its digest names it for ever. `source`: the list that was frozen, empty for all."""

    name: str
    description: str
    digest: Digest
    source: str
    files: int
    size: int
    subjects: int
    series: int
    by: str
    created: str


class DatasetFile(Answer):
    path: str
    digest: Digest
    size: int
    PatientID: str
    SeriesInstanceUID: str


class Gone(Answer):
    """A file that is in the manifest and no longer given: how it went, why and when, where that is known."""

    path: str
    digest: Digest
    how: Literal["removed", "withdrawn", "missing"]
    reason: str
    time: str


class Part(Answer):
    subjects: int
    series: int
    files: int
    size: int


class Comparison(Answer):
    """`removed` is in the first version alone, `added` in the second; `changed` has one path and other bytes."""

    same: Part
    removed: Part
    added: Part
    changed: Part


class Difference(Answer):
    path: str
    first: str
    second: str


class Citation(Answer):
    """A sentence to print, and what DataCite's schema 4.6 calls the same."""

    text: str
    datacite: dict[str, Any]


class ScanListWish(Wish):
    series: Annotated[list[Uid], Field(min_length=1, max_length=50_000)]


class ScanList(Answer):
    name: str
    by: str
    created: str
    scans: int
    series: list[str] | None = None


class FlagWish(Wish):
    """Say why in words that name nobody."""

    verdict: VerdictName
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    SOPInstanceUID: Uid | Literal[""] = ""


class Reason(Wish):
    """Why something is removed, in words that name nobody."""

    reason: Annotated[str, Field(min_length=1, max_length=255)]


class File(Answer):
    """One version of a file; `admitted` says on what grounds: receipt (of `site`), check or trusted."""

    id: int
    name: str
    version: int
    versions: int = 1
    digest: str
    size: int
    media_type: str
    admitted: str
    site: str
    by: str
    created: str


class Resource(Answer):
    """Files that belong together, each in its newest version; `consent` is the reference of a video's record."""

    id: int
    level: LevelName
    subject_id: int | None
    session_id: int | None
    scan_id: int | None
    kind: KindName
    label: str
    consent: str
    by: str
    created: str
    files: list[File]


class Upload(Answer):
    """What became of the file of that number: it is in, or why not."""

    number: int
    file: File | None
    problem: str


class Waiting(Answer):
    """What the archive's check refused; `offered` is its size. The reason names places and no value."""

    id: int
    kind: str
    reason: str
    offered: int
    by: str
    created: str
    expires: str


class OfferWish(Wish):
    """Where a file is to go now; what is not said stays as it was. Of an image, nothing can be said."""

    level: LevelName | None = None
    of: Annotated[int, Field(ge=0, lt=1 << 63)] | None = None
    kind: KindName | None = None
    label: Annotated[str, Field(max_length=64)] = ""
    name: Annotated[str, Field(max_length=255)] = ""
    consent: Annotated[str, Field(max_length=40)] = ""


class Offered(Answer):
    """What came in: an instance, or the file of that row."""

    digest: str
    file_id: int | None


class ConsentWish(Wish):
    """Scope, date, holder and reference number of a consent. Its form has no place here."""

    reference: Annotated[str, Field(min_length=1, max_length=40)]
    scope: ScopeOfConsent
    holder: Annotated[str, Field(min_length=1, max_length=63)]
    date: Annotated[str, Field(max_length=10)]


class Consent(Answer):
    """`withdrawn` is empty while it holds; `viewers` see the videos beside the project's owners."""

    id: int
    reference: str
    scope: str
    holder: str
    date: str
    by: str
    created: str
    withdrawn: str
    files: int
    viewers: list[str]


class Removed(Answer):
    """How much went."""

    instances: int
    scans: int
    files: int


# --- checks of what is held -----------------------------------------------------------------------------------------

Called = Annotated[str, Field(max_length=64, description="A version by its digest or name; empty: the project itself.")]
FindingId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}(-[0-9]{1,9})?$")]


class CheckWish(Wish):
    """`specification`: a shipped one; empty: the one that the project is configured with."""

    dataset: Called = ""
    specification: Annotated[str, Field(max_length=255)] = ""
    ocr: bool = True


class Check(Answer):
    """`dataset` is empty where the project itself is checked; `done` of `total` in the `stage` where it is.

    `why`: what went wrong last. `open`: findings of this check that are open, by severity. `gone`: files of the version
    that are not held any more.
    """

    id: int
    dataset: str
    specification: str
    ocr: bool
    state: Literal["waiting", "running", "failed", "done"]
    why: str
    stage: str
    done: int
    total: int
    gone: int
    open: Count
    by: str
    created: str
    started: str
    ended: str


class CheckTold(Check):
    """`head`, once it is done: its report without series and findings, every rule with its outcome."""

    head: dict[str, Any] | None = None


class FindingSearch(Wish):
    dataset: Called = ""
    state: FindingState | Literal[""] = ""
    severity: SeverityName | Literal[""] = ""
    rule: Annotated[str, Field(max_length=64)] = ""
    patient: Annotated[str, Field(max_length=64)] = ""
    SeriesInstanceUID: Uid | Literal[""] = ""
    after: Annotated[int, Field(ge=0, lt=1 << 63, description="As the `Link` before had it.")] = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class FindingRow(Answer):
    """A row of a work list; `id` is the finding's in every report.

    It was found by the checks `first_check` to `last_check`. `reason`, `by` and `decided` are of a waiver.
    """

    number: int
    id: str
    state: FindingState
    rule: str
    severity: SeverityName
    message: str
    mend: str
    patient: str
    SeriesInstanceUID: str
    SOPInstanceUID: str
    file: str
    row: int
    variable: str
    first_found: str
    last_found: str
    reason: str
    by: str
    decided: str
    mended: str
    first_check: int
    last_check: int
    subject_id: int | None
    session_id: int | None
    scan_id: int | None


class ReopenWish(Wish):
    dataset: Called = ""
    findings: Annotated[list[FindingId], Field(min_length=1, max_length=1000)]


class WaiverWish(ReopenWish):
    """Say why in words that name nobody: every report shows them."""

    reason: Annotated[str, Field(min_length=1, max_length=500)]


# --- people -----------------------------------------------------------------------------------------------------------


class Quota(Answer):
    """The most that a person may read; 0 is no limit, and null is what the site is configured to."""

    bytes_day: int | None
    instances_day: int | None
    bytes_total: int | None
    instances_total: int | None


class Person(Answer):
    name: str
    role: RoleName
    by: str
    since: str
    quota: Quota


Limit = Annotated[int, Field(ge=0, lt=1 << 62)] | None


class RoleWish(Wish):
    role: RoleName
    bytes_day: Limit = None
    instances_day: Limit = None
    bytes_total: Limit = None
    instances_total: Limit = None


class VisibilityWish(Wish):
    visibility: VisibilityName


class InvitationWish(Wish):
    email: Annotated[str, Field(max_length=254)]
    role: RoleName | None = None


class Invitation(Answer):
    id: int
    email: str
    role: str
    by: str
    expires: str


class Invited(Answer):
    """`link` is there where the site did not mail it, to be handed over: it makes one account, once."""

    email: str
    sent: bool
    link: str = ""


class Account(Answer):
    name: str
    standing: StandingName | Literal["site"]
    email: str
    vouched: str
    state: StateName


class StandingWish(Wish):
    standing: StandingName


class StateWish(Wish):
    state: StateName


class Me(Answer):
    """Who is asking, and what they may do with the whole site."""

    name: str
    standing: str
    in_person: bool
    may: list[str]


class TokenWish(Wish):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    scope: ScopeName = "read"
    project: str = ""
    days: Annotated[int, Field(ge=1, le=366)] = 30


class Token(Answer):
    id: int
    name: str
    scope: ScopeName
    project: str
    created: str
    expires: str


class TokenMade(Answer):
    """Shown this once."""

    token: str


class Terms(Answer):
    text: str
    digest: str
    accepted: bool


class TermsWish(Wish):
    digest: Digest


# --- site -------------------------------------------------------------------------------------------------------------


class AuditSearch(Wish):
    who: AuditText = ""
    what: AuditText = ""
    since: Day = ""
    until: Day = ""
    after: Annotated[int, Field(ge=0, lt=1 << 63, description="As the `Link` before had it.")] = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class SiteAuditSearch(AuditSearch):
    project: AuditText = ""


class AuditRow(Answer):
    id: int
    time: str
    who: str
    what: str
    object: str
    address: str
    basis: str
    segment: str
    digest: str


class Segment(Answer):
    segment: str
    rows: int
    digest: str


class Site(Answer):
    """What a maintainer sees: no name of a project or a person, nothing of any data."""

    version: str
    ready: bool
    free: int
    heads: list[Segment]
    settings: dict[str, str]
