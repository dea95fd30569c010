"""Every table, in one place. Rows about people's data hold what is left after de-identification, nothing before it.

The site's own tables (`item`, `arrival`) know an input only by keyed digests and sealed names.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

__all__ = ["Id", "metadata"]

Id = BigInteger().with_variant(Integer, "sqlite")  # of rows that number themselves: 64 bits on both databases

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# --- govern ---------------------------------------------------------------------------------------------------

user = Table(
    "user",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("password_hash", String(255), nullable=False),  # argon2id
    Column("one_time", Boolean, nullable=False),  # the password opens one login and must then be replaced
    Column("standing", String(16), nullable=False, server_default="person"),  # govern.roles.Standing
    Column("email", String(254), nullable=False, server_default=""),
    Column("vouched", String(64), nullable=False, server_default=""),  # whose invitation brought the person here
    Column("state", String(16), nullable=False, server_default="active"),  # govern.users.State
    Column("terms", String(64), nullable=False, server_default=""),  # SHA-256 of the terms of use last accepted
    Column("created", String(32), nullable=False),  # UTC, ISO 8601, as every time below
)

identity = Table(
    "identity",
    metadata,
    Column("issuer", String(255), primary_key=True),  # an OpenID provider
    Column("subject", String(255), primary_key=True),  # and its name for the person, which never changes
    Column("user_id", ForeignKey("user.id", ondelete="CASCADE"), nullable=False, index=True),
)

login = Table(
    "login",
    metadata,
    Column("token_digest", String(64), primary_key=True),  # SHA-256 of the cookie's random token
    Column("user_id", ForeignKey("user.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created", String(32), nullable=False),
    Column("expires", String(32), nullable=False),
)

token = Table(
    "token",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", ForeignKey("user.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of what a program shows
    Column("scope", String(16), nullable=False),  # govern.roles.Scope
    Column("project_id", ForeignKey("project.id", ondelete="CASCADE")),  # NULL: all of its owner's
    Column("created", String(32), nullable=False),
    Column("expires", String(32), nullable=False),
    UniqueConstraint("user_id", "name"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("mark", String(64), primary_key=True),  # digest of a name, an address, or both
    Column("failed", Integer, nullable=False),
    Column("until", String(32), nullable=False, index=True),  # no further try before
)

invitation = Table(
    "invitation",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of the token in the link
    Column("email", String(254), nullable=False),
    Column("project_id", ForeignKey("project.id", ondelete="CASCADE")),  # NULL: an account without a role yet
    Column("role", String(16), nullable=False),
    Column("by", String(64), nullable=False),  # who vouches
    Column("created", String(32), nullable=False),
    Column("expires", String(32), nullable=False),
)

grant = Table(
    "grant",
    metadata,
    Column("user_id", ForeignKey("user.id", ondelete="CASCADE"), primary_key=True),
    Column("project_id", ForeignKey("project.id", ondelete="CASCADE"), primary_key=True),
    Column("role", String(16), nullable=False),  # owner | member | collaborator
    Column("by", String(64), nullable=False, server_default=""),  # who granted it
    Column("since", String(32), nullable=False, server_default=""),
    # what may be read under it: NULL as the configuration says, 0 without limit
    Column("bytes_day", BigInteger),
    Column("instances_day", BigInteger),
    Column("bytes_total", BigInteger),
    Column("instances_total", BigInteger),
)

usage = Table(
    "usage",
    metadata,
    Column("user_id", BigInteger, primary_key=True),  # of no foreign key: guests are 0
    Column("project_id", ForeignKey("project.id", ondelete="CASCADE"), primary_key=True),
    Column("day", String(10), primary_key=True),  # of UTC
    Column("bytes", BigInteger, nullable=False),
    Column("instances", BigInteger, nullable=False),
    Index(None, "day"),
)

site = Table(
    "site",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("public_key", String(64), nullable=False),  # Ed25519, hex: verifies the site's receipts
    Column("enrolled", String(32), nullable=False),
)

# --- archive: Project > Subject > Session > Scan > Instance -----------------------------------------------------

project = Table(
    "project",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("title", String(255), nullable=False),
    Column("admit", String(16), nullable=False),  # receipt | check | trusted
    Column("visibility", String(16), nullable=False, server_default="private"),  # govern.roles.Visibility
    Column("prearchive_days", Integer, nullable=False, server_default="30"),  # 0: what is refused is not kept
    Column("protocol", String(64), nullable=False),  # name of the protocol that its data went through
    Column("protocol_digest", String(64), nullable=False),
    Column("allows", JSON, nullable=False, server_default="[]"),  # what the protocol leaves: private, names
    Column("same_uid", String(8), nullable=False, server_default="refuse"),  # other bytes of a UID: refuse | version
    Column("readmit", Boolean, nullable=False, server_default=false()),  # what was removed may come in again
    Column("pack_hours", Integer, nullable=False, server_default="0"),  # of quiet, before a series is packed; 0: never
    Column("cold_days", Integer, nullable=False, server_default="0"),  # before a pack goes to cold storage; 0: never
    Column("created", String(32), nullable=False),
    Column("closed", String(32), nullable=False, server_default=""),  # when it was deleted; empty while it is there
)

data_key = Table(
    "data_key",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # random, so that none ever comes again
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("PatientID", String(64), nullable=False),  # the subject whose bytes it seals; empty: the project's own files
    Column("wrapped", LargeBinary, nullable=False),  # under a key derived from the site's, bound to this id
    Column("created", String(32), nullable=False),
    UniqueConstraint("project_id", "PatientID"),
)

subject = Table(
    "subject",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("PatientID", String(64), nullable=False),
    UniqueConstraint("project_id", "PatientID"),
)

session = Table(
    "session",
    metadata,
    Column("id", Id, primary_key=True),
    Column("subject_id", ForeignKey("subject.id"), nullable=False),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("StudyInstanceUID", String(64), nullable=False),
    Column("StudyDate", String(8), nullable=False),
    Column("StudyDescription", String(64), nullable=False),
    # what else PS3.18 10.6 matches and answers; empty where the first instance did not say
    Column("StudyTime", String(16), nullable=False, server_default=""),
    Column("AccessionNumber", String(16), nullable=False, server_default=""),
    Column("ReferringPhysicianName", String(64), nullable=False, server_default=""),
    Column("StudyID", String(16), nullable=False, server_default=""),
    Column("PatientName", String(64), nullable=False, server_default=""),
    Column("PatientBirthDate", String(8), nullable=False, server_default=""),
    Column("PatientSex", String(16), nullable=False, server_default=""),
    Column("label", String(64), nullable=False, server_default=""),  # archive.labels: what people call it
    UniqueConstraint("project_id", "StudyInstanceUID"),
    Index(None, "project_id", "label", unique=True),
    Index(None, "subject_id", "StudyDate"),
    Index(None, "project_id", "id"),  # pages go by `id`: whatever is matched, no page sorts all that matches
    Index(None, "project_id", "StudyDate", "id"),
    Index(None, "project_id", "AccessionNumber", "id"),
    Index(None, "project_id", "StudyID", "id"),
    Index(None, "project_id", "PatientName", "id"),
    Index(None, "project_id", "ReferringPhysicianName", "id"),
)

scan = Table(
    "scan",
    metadata,
    Column("id", Id, primary_key=True),
    Column("session_id", ForeignKey("session.id"), nullable=False),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("SeriesInstanceUID", String(64), nullable=False),
    Column("Modality", String(16), nullable=False),
    Column("SeriesNumber", BigInteger),
    Column("SeriesDescription", String(64), nullable=False),
    Column("BodyPartExamined", String(16), nullable=False, server_default=""),
    Column("PerformedProcedureStepStartDate", String(8), nullable=False, server_default=""),
    Column("PerformedProcedureStepStartTime", String(16), nullable=False, server_default=""),
    Column("ScheduledProcedureStepID", String(16), nullable=False, server_default=""),
    Column("RequestedProcedureID", String(16), nullable=False, server_default=""),
    # when the newest of its instances came that is in no pack yet; empty: all are
    Column("loose_since", String(32), nullable=False, server_default="", index=True),
    Column("label", String(64), nullable=False, server_default=""),  # archive.labels: its number, as a rule
    UniqueConstraint("project_id", "SeriesInstanceUID"),
    Index(None, "session_id", "label", unique=True),
    Index(None, "session_id", "id"),
    Index(None, "project_id", "id"),
    Index(None, "project_id", "Modality", "id"),
    Index(None, "project_id", "Modality", "session_id"),
    Index(None, "project_id", "BodyPartExamined", "id"),
    Index(None, "project_id", "PerformedProcedureStepStartDate", "id"),
)

instance = Table(
    "instance",
    metadata,
    Column("id", Id, primary_key=True),
    Column("scan_id", ForeignKey("scan.id"), nullable=False),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("SOPInstanceUID", String(64), nullable=False),
    Column("SOPClassUID", String(64), nullable=False),
    Column("TransferSyntaxUID", String(64), nullable=False),
    Column("digest", String(64), nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("InstanceNumber", BigInteger),
    Column("NumberOfFrames", Integer, nullable=False),  # 0: no pixels
    Column("Rows", Integer),
    Column("Columns", Integer),
    Column("BitsAllocated", Integer),
    Column("position", Float),  # mm along the normal of the slice (PS3.3 C.7.6.2.1.1); NULL without geometry
    Column("attributes", JSON, nullable=False),  # how its planes lie; of values.Instance.attributes
    Column("key_id", BigInteger),  # data_key.id; NULL: of an earlier release, not sealed yet
    Column("pack_id", BigInteger),  # pack.id; NULL: an object of its own
    Column("pack_offset", BigInteger),  # of its sealed bytes in the pack
    UniqueConstraint("project_id", "SOPInstanceUID"),
    Index(None, "scan_id", "id"),
)

earlier_version = Table(
    "earlier_version",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("instance_id", ForeignKey("instance.id", ondelete="CASCADE"), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("key_id", BigInteger),
    Column("pack_id", BigInteger),
    Column("pack_offset", BigInteger),
    Column("replaced", String(32), nullable=False),  # when another version came
    UniqueConstraint("instance_id", "digest"),
    Index(None, "digest"),
)

pack = Table(
    "pack",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # random
    Column("scan_id", ForeignKey("scan.id"), nullable=False, index=True),
    Column("key_id", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),  # SHA-256 of the pack as it is stored
    Column("size", BigInteger, nullable=False),  # bytes, as it is stored
    Column("tier", String(8), nullable=False, server_default="hot"),  # hot | cold
    Column("created", String(32), nullable=False),
)

garbage = Table(
    "garbage",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key_id", BigInteger),  # NULL: an object that an earlier release stored unsealed
    Column("name", String(64), nullable=False),  # Address.name of what may go; empty: all under the key
    Column("since", String(32), nullable=False),
)

tombstone = Table(
    "tombstone",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("level", String(16), nullable=False),  # subject | session | scan | instance | resource
    Column("name", String(255), nullable=False),  # PatientID, UID, or what names a resource within the project
    Column("digest", String(64), nullable=False),  # of the bytes; empty above the instance
    Column("reason", String(255), nullable=False),
    Column("who", String(64), nullable=False),
    Column("time", String(32), nullable=False),
    Index(None, "project_id", "level", "name"),
    Index(None, "project_id", "digest"),
)

withdrawal = Table(
    "withdrawal",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("PatientID", String(64), nullable=False),
    Column("key_id", BigInteger),  # of the key that was destroyed, if there was one
    Column("reason", String(255), nullable=False),
    Column("who", String(64), nullable=False),
    Column("time", String(32), nullable=False),
    UniqueConstraint("project_id", "PatientID"),
)

header = Table(
    "header",
    metadata,
    Column("instance_id", ForeignKey("instance.id", ondelete="CASCADE"), primary_key=True),
    Column("document", LargeBinary, nullable=False),  # DICOM JSON, compressed against its scan's dictionary
)

header_dictionary = Table(
    "header_dictionary",
    metadata,
    Column("scan_id", ForeignKey("scan.id", ondelete="CASCADE"), primary_key=True),
    Column("document", LargeBinary, nullable=False),  # that of the scan's first instance, compressed
)

header_document = Table(
    "header_document",
    metadata,
    Column("pack_id", ForeignKey("pack.id", ondelete="CASCADE"), primary_key=True),
    Column("scan_id", ForeignKey("scan.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("document", LargeBinary, nullable=False),  # a line for each instance of the pack, compressed together
)

finding = Table(
    "finding",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("SeriesInstanceUID", String(64), nullable=False),
    Column("SOPInstanceUID", String(64), nullable=False),
    Column("rule", String(64), nullable=False),
    Column("severity", String(8), nullable=False),
    Column("message", Text, nullable=False),
    UniqueConstraint("project_id", "SeriesInstanceUID", "SOPInstanceUID", "rule", "message"),
)

flag = Table(
    "flag",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("SeriesInstanceUID", String(64), nullable=False),
    Column("SOPInstanceUID", String(64), nullable=False),  # empty: the whole scan
    Column("verdict", String(16), nullable=False),  # archive.flags.Verdict
    Column("reason", String(500), nullable=False),
    Column("by", String(64), nullable=False),
    Column("created", String(32), nullable=False),
    Column("ended", String(32), nullable=False),  # empty while it stands
    Column("ended_by", String(64), nullable=False),
    Index(None, "project_id", "SeriesInstanceUID"),
)

inspection = Table(  # of a series drawn at random
    "inspection",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("SeriesInstanceUID", String(64), nullable=False),
    Column("asked", String(32), nullable=False),
    Column("asked_by", String(64), nullable=False),
    Column("verdict", String(16), nullable=False),  # archive.inspections.Verdict; empty until somebody looked
    Column("note", String(500), nullable=False),
    Column("looked", String(32), nullable=False),
    Column("by", String(64), nullable=False),
    # of one that identifies:
    Column("sent", JSON, nullable=False, server_default="{}"),  # how many of its images each destination had by then
    Column("dealt", String(32), nullable=False, server_default=""),  # when somebody had dealt with it
    Column("dealt_note", String(500), nullable=False, server_default=""),
    Column("dealt_by", String(64), nullable=False, server_default=""),
    UniqueConstraint("project_id", "SeriesInstanceUID"),
)

scan_list = Table(
    "scan_list",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("by", String(64), nullable=False),
    Column("created", String(32), nullable=False),
    UniqueConstraint("project_id", "name"),
)

listed_scan = Table(
    "listed_scan",
    metadata,
    Column("list_id", ForeignKey("scan_list.id", ondelete="CASCADE"), primary_key=True),
    Column("scan_id", ForeignKey("scan.id", ondelete="CASCADE"), primary_key=True, index=True),
)

dataset = Table(
    "dataset",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("description", Text, nullable=False),
    Column("digest", String(64), nullable=False),  # SHA-256 of the manifest: what the version is called for ever
    Column("source", String(64), nullable=False),  # the list that was frozen; empty: the whole project
    Column("files", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("subjects", BigInteger, nullable=False),
    Column("series", BigInteger, nullable=False),
    Column("by", String(64), nullable=False),
    Column("created", String(32), nullable=False),
    UniqueConstraint("project_id", "digest"),
    UniqueConstraint("project_id", "name"),
)

dataset_file = Table(
    "dataset_file",
    metadata,
    Column("dataset_id", ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True),
    Column("path", String(1024), primary_key=True),  # of pseudonyms and UIDs, ASCII
    Column("PatientID", String(64), nullable=False),  # empty where it belongs to no subject
    Column("SeriesInstanceUID", String(64), nullable=False),  # empty where it belongs to no scan
    Column("digest", String(64), nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
)

# --- checks of what the archive holds ------------------------------------------------------------------------------

check_run = Table(
    "check_run",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("dataset", String(64), nullable=False),  # digest of the version it is about; empty: the project as it is
    Column("specification", Text, nullable=False),  # as it was asked for: what it was then, `head` says
    Column("ocr", Boolean, nullable=False),
    Column("by", String(64), nullable=False),
    Column("created", String(32), nullable=False),
    Column("started", String(32), nullable=False, server_default=""),
    Column("stage", String(16), nullable=False, server_default=""),  # how far it is: `done` of `total` in this stage
    Column("done", Integer, nullable=False, server_default="0"),
    Column("total", Integer, nullable=False, server_default="0"),
    Column("gone", Integer, nullable=False, server_default="0"),  # files of the version that are not held any more
    Column("ended", String(32), nullable=False, server_default=""),
    Column("head", JSON),  # the report but for its series and findings: it speaks of no subject
    Index(None, "project_id", "dataset", "id"),
)

check_series = Table(
    "check_series",  # what the newest run of a project or version counted and measured
    metadata,
    Column("id", Id, primary_key=True),
    Column("run_id", ForeignKey("check_run.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("scan_id", ForeignKey("scan.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("record", JSON, nullable=False),
)

check_finding = Table(
    "check_finding",  # a work list for each project, and for each version
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("dataset", String(64), nullable=False),  # as in check_run
    Column("key", String(32), nullable=False),  # the finding's id in every report
    Column("first_run_id", ForeignKey("check_run.id"), nullable=False),
    Column("last_run_id", ForeignKey("check_run.id"), nullable=False, index=True),
    # what it is about, as far as that can be told: with it, it goes
    Column("subject_id", ForeignKey("subject.id", ondelete="CASCADE"), index=True),
    Column("session_id", ForeignKey("session.id", ondelete="CASCADE"), index=True),
    Column("scan_id", ForeignKey("scan.id", ondelete="CASCADE"), index=True),
    # check.worklist.Row
    Column("state", String(8), nullable=False),
    Column("rule", String(64), nullable=False),
    Column("severity", String(8), nullable=False),
    Column("message", Text, nullable=False),
    Column("mend", Text, nullable=False),
    Column("patient", String(64), nullable=False),
    Column("SeriesInstanceUID", String(64), nullable=False),
    Column("SOPInstanceUID", String(64), nullable=False),
    Column("file", Text, nullable=False),
    Column("row", Integer, nullable=False),
    Column("variable", Text, nullable=False),
    Column("first_found", String(32), nullable=False),
    Column("last_found", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", String(64), nullable=False),
    Column("decided", String(32), nullable=False),
    Column("mended", String(32), nullable=False),
    UniqueConstraint("project_id", "dataset", "key"),
)

# --- archive: files beside the images, and what waits before the door -----------------------------------------------

consent = Table(
    "consent",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("reference", String(64), nullable=False),  # the form's number where it is kept; the form itself never comes
    Column("scope", String(32), nullable=False),  # archive.consents.Scope
    Column("holder", String(64), nullable=False),  # who keeps the form: an institution
    Column("date", String(10), nullable=False),
    Column("by", String(64), nullable=False),
    Column("created", String(32), nullable=False),
    Column("withdrawn", String(32), nullable=False, server_default=""),  # empty while it holds
    UniqueConstraint("project_id", "reference"),
)

consent_viewer = Table(
    "consent_viewer",
    metadata,
    Column("consent_id", ForeignKey("consent.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", ForeignKey("user.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("by", String(64), nullable=False),
    Column("since", String(32), nullable=False),
)

resource = Table(
    "resource",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("level", String(8), nullable=False),  # archive.resources.Level: what it belongs to
    # that, and all above it; a resource of the project has none of them
    Column("subject_id", ForeignKey("subject.id", ondelete="CASCADE"), index=True),
    Column("session_id", ForeignKey("session.id", ondelete="CASCADE"), index=True),
    Column("scan_id", ForeignKey("scan.id", ondelete="CASCADE"), index=True),
    Column("kind", String(16), nullable=False),  # archive.resources.Kind
    Column("label", String(64), nullable=False),  # unique where it belongs: the store's one writer sees to that
    Column("consent_id", ForeignKey("consent.id"), index=True),  # of a video, which belongs to no subject
    Column("by", String(64), nullable=False),
    Column("created", String(32), nullable=False),
    Index(None, "project_id", "level"),
)

resource_file = Table(
    "resource_file",
    metadata,
    Column("id", Id, primary_key=True),
    Column("resource_id", ForeignKey("resource.id", ondelete="CASCADE"), nullable=False),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("version", Integer, nullable=False),  # from 1; the highest is the one that the name means
    Column("digest", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("key_id", BigInteger),  # of the data key that seals it
    Column("media_type", String(64), nullable=False),  # told by its bytes
    Column("admitted", String(16), nullable=False),  # receipt | check | trusted
    Column("site", String(64), nullable=False),  # whose receipt; empty without one
    Column("by", String(64), nullable=False),
    Column("created", String(32), nullable=False),
    UniqueConstraint("resource_id", "name", "version"),
    Index(None, "project_id", "digest"),
)

field = Table(
    "field",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False, index=True),
    # the one thing below the project that has it; of the project's own none of these
    Column("subject_id", ForeignKey("subject.id", ondelete="CASCADE"), index=True),
    Column("session_id", ForeignKey("session.id", ondelete="CASCADE"), index=True),
    Column("scan_id", ForeignKey("scan.id", ondelete="CASCADE"), index=True),
    Column("name", String(64), nullable=False),
    Column("value", Text, nullable=False),
    Column("by", String(64), nullable=False),
    Column("created", String(32), nullable=False),
)

# --- archive: the rows of clinical tables ----------------------------------------------------------------------------

clinical_table = Table(  # the bytes of a file of the kind clinical, whichever versions and dataset versions have them
    "clinical_table",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("domain", String(8), nullable=False),  # of SDTM; empty where it is of none
    Column("state", String(16), nullable=False),  # archive.clinical.tables.State
    Column("why", String(255), nullable=False),  # it has no rows here; of no value
    Column("headings", JSON, nullable=False),
    Column("rows", Integer, nullable=False),  # of the file, as far as they are read
    Column("nobody", Integer, nullable=False),  # of these, without a USUBJID: they are in the file alone
    # the file has rows of somebody who has gone, and is to be made anew without them
    Column("outdated", Boolean, nullable=False, server_default=false(), index=True),
    UniqueConstraint("project_id", "digest"),
)

clinical_subject = Table(  # whom the rows are about: the subject of that PatientID, if the project has one
    "clinical_subject",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("USUBJID", String(200), nullable=False),
    UniqueConstraint("project_id", "USUBJID"),
)

clinical_row = Table(
    "clinical_row",
    metadata,
    Column("table_id", ForeignKey("clinical_table.id", ondelete="CASCADE"), primary_key=True),
    Column("row", BigInteger, primary_key=True, autoincrement=False),  # from 1, below the heading
    Column("person_id", ForeignKey("clinical_subject.id", ondelete="CASCADE"), nullable=False),
    # clinical.records.Record, made of the variables
    Column("sequence", Integer),
    Column("topic", String(200), nullable=False),
    Column("text", Text, nullable=False),
    Column("number", Float),
    Column("unit", String(64), nullable=False),
    Column("earliest", String(19), nullable=False),  # YYYY-MM-DDThh:mm:ss; empty without a date that can be placed
    Column("latest", String(19), nullable=False),
    Column("day", Integer),
    Column("variables", JSON, nullable=False),  # the row as it came, but for USUBJID and what is empty
    Index(None, "table_id", "topic", "number"),
    Index(None, "person_id", "table_id"),
    sqlite_with_rowid=False,
)

prearchive = Table(
    "prearchive",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("kind", String(16), nullable=False),  # DICOM | file
    Column("reason", Text, nullable=False),  # why it was refused; names places, never a value
    Column("digest", String(64), nullable=False),  # of its bytes behind random ones, so that it tells nothing of them
    Column("size", BigInteger, nullable=False),
    Column("key_id", BigInteger),
    Column("offered", BigInteger, nullable=False, server_default="0"),  # bytes of what was offered
    Column("by", String(64), nullable=False),
    Column("created", String(32), nullable=False),
    Column("expires", String(32), nullable=False, index=True),
    Column("subject", String(64), nullable=False, server_default=""),  # whose it is to be, if its sender said so
    Column("session", String(64), nullable=False, server_default=""),  # and what its session is to be called
    Index(None, "project_id", "id"),
)

# --- prove --------------------------------------------------------------------------------------------------------

provenance = Table(
    "provenance",
    metadata,
    Column("digest", String(64), primary_key=True),  # SHA-256 of `record`
    Column("output", String(64), nullable=False, index=True),  # digest of what was made
    Column("record", Text, nullable=False),  # canonical JSON
)

audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("time", String(32), nullable=False),
    Column("who", String(64), nullable=False),
    Column("what", String(64), nullable=False),
    Column("object", String(255), nullable=False),
    Column("segment", String(16), nullable=False, server_default=""),  # of the process that wrote it
    Column("address", String(64), nullable=False, server_default=""),  # from where
    Column("basis", String(64), nullable=False, server_default=""),  # under which grant
    Column("previous", String(64), nullable=False),  # of the row before in its segment: none can be cut out unseen
    Column("digest", String(64), nullable=False, unique=True),
    Index(None, "who", "what", "time"),
)

audit_segment = Table(
    "audit_segment",
    metadata,
    Column("segment", String(16), primary_key=True),
    Column("rows", Integer, nullable=False),
    Column("digest", String(64), nullable=False),  # of its newest row
    Column("began", String(32), nullable=False),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Id, primary_key=True),
    Column("time", String(32), nullable=False),
    Column("segments", Text, nullable=False),  # JSON: those that grew since the head before, [rows, digest] each
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("signature", String(128), nullable=False),  # Ed25519, hex, by the site's key
)

# --- jobs: what must happen later, or again ------------------------------------------------------------------------

job = Table(
    "job",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", String(64), nullable=False, unique=True),  # SHA-256 of kind and arguments: one job of a sort
    Column("kind", String(64), nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("due", String(32), index=True),  # not before; NULL: given up until somebody asks again
    Column("again", String(32)),  # asked for once more while it was being done
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("holder", String(32), nullable=False, server_default=""),  # the lease: empty while nobody does it
    Column("until", String(32), nullable=False, server_default=""),  # when the lease ends unless it is renewed
    Column("why", String(255), nullable=False, server_default=""),  # what went wrong last; no value of any data
)

# --- spool: what is on its way through this site ------------------------------------------------------------------

item = Table(
    "item",
    metadata,
    Column("id", String(64), primary_key=True),  # HMAC(site key, bytes), hex
    Column("number", Integer, nullable=False, unique=True),  # order of arrival: who came first keeps what two claim
    Column("state", String(16), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("detail", Text, nullable=False),
    Column("source", String(64), nullable=False, server_default=""),  # by which it came first
    Column("pipeline", String(64), nullable=False),  # first that reads its source, then the one that took it
    Column("size", BigInteger, nullable=False),
    Column("outline", String(200), nullable=False, server_default=""),  # of its series, where it was not made
    Column("received", String(32), nullable=False, server_default=""),
    Column("changed", String(32), nullable=False, server_default=""),  # when it came into its state
    # after de-identification:
    Column("digest", String(64), nullable=False),
    Column("PatientID", String(64), nullable=False),
    Column("SeriesInstanceUID", String(64), nullable=False),
    Column("SOPInstanceUID", String(64), nullable=False),
    Column("instance", JSON),  # values.Instance
    Column("clinical", JSON),  # values.ClinicalTable, whose name then stands in both columns of UIDs
    Column("findings", JSON, nullable=False),  # those of de-identification
    Column("subject_mark", String(64), nullable=False),  # keyed digest of who the patient is; tells collisions
    Index(None, "state", "number"),
    Index(None, "pipeline", "state"),
    Index(None, "PatientID", "number"),
    Index(None, "SeriesInstanceUID"),
    Index(None, "SOPInstanceUID"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("item_id", ForeignKey("item.id", ondelete="CASCADE"), primary_key=True),
    Column("destination", String(64), primary_key=True),
    Column("number", Integer, nullable=False),  # the item's: what came first leaves first
    Column("state", String(16), nullable=False),  # spool.deliveries.Delivery
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("due", String(32), nullable=False),  # not to be tried before
    Column("detail", Text, nullable=False, server_default=""),  # why the last try failed
    Column("receipt", Text, nullable=False, server_default=""),  # what confirms that the digest is there
    Column("sent", String(32), nullable=False, server_default=""),
    Index(None, "destination", "state", "due", "number"),
)

pause = Table(
    "pause",
    metadata,
    Column("destination", String(64), primary_key=True),  # that can take nothing now
    Column("tries", Integer, nullable=False),
    Column("due", String(32), nullable=False),  # not to be tried before
    Column("detail", Text, nullable=False),
)

protocol_approval = Table(
    "protocol_approval",
    metadata,
    Column("digest", String(64), primary_key=True),  # of the rules: another rule is another protocol
    Column("name", String(255), nullable=False),
    Column("author", String(64), nullable=False),
    Column("created", String(32), nullable=False),
    Column("approver", String(64), nullable=False, server_default=""),
    Column("approved", String(32), nullable=False, server_default=""),
    Column("retirer", String(64), nullable=False, server_default=""),
    Column("retired", String(32), nullable=False, server_default=""),
    Column("signature", String(128), nullable=False, server_default=""),  # by the site's key, over all of the above
)

decision = Table(
    "decision",
    metadata,
    Column("id", Id, primary_key=True),
    Column("item_id", ForeignKey("item.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("verdict", String(16), nullable=False),  # spool.decisions.Verdict
    Column("areas", JSON, nullable=False),  # [x, y, width, height] of what is to be blanked in its pixels
    Column("why", LargeBinary, nullable=False),  # sealed under the spool's key
    Column("by", String(64), nullable=False),
    Column("created", String(32), nullable=False),
    Column("reason", String(64), nullable=False, server_default=""),  # what it is about: why the item was set aside
    Column("detail", Text, nullable=False, server_default=""),
    Column("pipeline", String(64), nullable=False, server_default=""),  # which is to make it anew, if another
)

arrival = Table(
    "arrival",
    metadata,
    Column("path_mark", String(64), primary_key=True),  # HMAC(site key, absolute path), hex
    Column("item_id", ForeignKey("item.id"), primary_key=True, index=True),  # a path may bring other bytes later
    Column("path", LargeBinary, nullable=False),  # sealed under the spool's key
    Column("size", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),  # st_mtime_ns
    Column("duplicate", Boolean, nullable=False),  # another path brought the same bytes first
)

request = Table(
    "request",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # spool.requests.Standing
    Column("queries", LargeBinary, nullable=False),  # sealed under the spool's key; empty once let go of
    Column("asked", Integer, nullable=False),  # how many queries that is, or was
    Column("answered", Integer, nullable=False, server_default="0"),  # as many of them, from the first on, are done
    Column("tries", Integer, nullable=False, server_default="0"),  # of the next one
    Column("due", String(32), nullable=False, server_default=""),  # it is not to be tried before
    Column("detail", Text, nullable=False, server_default=""),  # why its last try failed
    Column("hours", String(5), nullable=False, server_default=""),  # of the day, in which to ask; empty: all
    Column("studies_hour", Integer, nullable=False, server_default="0"),  # within any 60 minutes; 0: no limit
    Column("by", String(64), nullable=False),
    Column("created", String(32), nullable=False),
    Column("changed", String(32), nullable=False),
    Index(None, "source", "state"),
)

requested = Table(
    "requested",  # a study, or a query that found none
    metadata,
    Column("id", Id, primary_key=True),
    Column("request_id", ForeignKey("request.id", ondelete="CASCADE"), nullable=False),
    Column("mark", String(64), nullable=False),  # HMAC(site key, StudyInstanceUID or query), hex
    Column("stage", String(16), nullable=False),  # spool.requests.Stage
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("due", String(32), nullable=False, server_default=""),  # not to be asked for before
    Column("moved", String(32), nullable=False, server_default="", index=True),  # when it was last asked for
    Column("looked", String(32), nullable=False, server_default=""),  # when its images were last counted
    Column("record", LargeBinary, nullable=False),  # what the PACS listed, sealed; empty once let go of
    Column("listed", Integer, nullable=False, server_default="0"),  # images, from here on
    Column("arrived", Integer, nullable=False, server_default="0"),
    Column("made", Integer, nullable=False, server_default="0"),
    Column("aside", Integer, nullable=False, server_default="0"),
    Column("sent", Integer, nullable=False, server_default="0"),
    Column("confirmed", Integer, nullable=False, server_default="0"),  # the receivers hold what was made, by its digest
    Column("series", JSON, nullable=False, server_default="[]"),  # these six of each series, in the order of the list
    Column("held", JSON, nullable=False, server_default="{}"),  # images by destination, by what shows them there
    Column("detail", Text, nullable=False, server_default=""),  # in words, of no value
    UniqueConstraint("request_id", "mark"),
    Index(None, "stage", "looked"),
)

comparison = Table(
    "comparison",  # the newest of a folder that is the whole truth with what came of it before
    metadata,
    Column("source", String(64), primary_key=True),
    Column("by", String(64), nullable=False),
    Column("created", String(32), nullable=False),
    Column("known", Integer, nullable=False),  # files, as in spool.Delivery
    Column("new", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("absent", Integer, nullable=False),
    Column("record", LargeBinary, nullable=False),  # the absent ones, sealed; empty once let go of
)
