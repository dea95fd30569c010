"""The one door: what it lets in, and everything it turns away."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from sqlalchemy import select

from cohortium.archive import Address, Archive, Offer, Removable
from cohortium.archive.objects import find
from cohortium.config import Project
from cohortium.errors import Refused
from cohortium.prove import audit, receipts
from cohortium.store import schema
from cohortium.values import CtpRule, Finding, Protocol, Receipt, Severity

Make = Callable[..., bytes]
Change = Callable[[Dataset], None]
PROTOCOL = Protocol("basic", "1", "", "", (), None, {}, "ab" * 32)


def rows(archive: Archive, table: Any) -> list[dict[str, Any]]:
    with archive.engine.begin() as connection:
        return [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]


def test_what_is_admitted_is_stored_indexed_and_audited(archive: Archive, make: Make) -> None:
    instance = archive.admit(make(3), "open", None, who="anna")
    (subject,), (session,), (scan,), (row,) = (
        rows(archive, table) for table in (schema.subject, schema.session, schema.scan, schema.instance)
    )
    assert subject["PatientID"] == "0123456789ABCDEF"
    assert (session["subject_id"], session["StudyDate"]) == (subject["id"], "20200102")
    assert (scan["session_id"], scan["Modality"], scan["SeriesNumber"]) == (session["id"], "CT", 7)
    assert (row["scan_id"], row["digest"], row["InstanceNumber"]) == (scan["id"], instance.digest, 3)
    assert archive.objects.get(Address(row["key_id"], row["digest"], row["size"])) == make(3)
    assert (row["position"], row["NumberOfFrames"]) == (7.5, 1)
    assert [(each["who"], each["what"]) for each in rows(archive, schema.audit)] == [("anna", "admit")]


def test_of_many_each_has_its_own_answer(archive: Archive, make: Make) -> None:
    elsewhere = make(
        3, lambda dataset: setattr(dataset, "StudyInstanceUID", "2.25.9")
    )  # known only as rows are written
    offers = [Offer(content, None) for content in (make(1), b"letter", make(2), elsewhere, make(2))]
    answers = archive.admit_all(iter(offers), "open", who="anna")
    assert [isinstance(answer, Refused) for answer in answers] == [False, True, False, True, False]
    assert sorted(row["SOPInstanceUID"] for row in rows(archive, schema.instance)) == ["2.25.4.1", "2.25.4.2"]
    assert [len(rows(archive, table)) for table in (schema.session, schema.scan, schema.audit)] == [1, 1, 2]


def test_the_same_bytes_again_change_nothing(archive: Archive, make: Make) -> None:
    for _ in range(2):
        archive.admit(make(), "open", None, who="anna")
    assert [len(rows(archive, table)) for table in (schema.instance, schema.audit)] == [1, 1]


def test_other_bytes_under_the_same_uid_are_refused_and_not_stored(archive: Archive, make: Make) -> None:
    archive.admit(make(), "open", None, who="anna")
    other = make(change=with_value("PixelData", bytes(31) + b"\1"))
    with pytest.raises(Refused, match="other bytes"):
        archive.admit(other, "open", None, who="anna")
    assert len(list(archive.objects.storage.names())) == 1


def test_other_bytes_become_a_version_where_the_project_says_so(archive: Archive, make: Make) -> None:
    archive.open_project(Project("open", "Open", "check", same_uid="version"), PROTOCOL)
    contents = [make(change=with_value("PixelData", bytes(31) + bytes([n]))) for n in range(3)]
    for content in (*contents, contents[0], contents[2]):  # what was there before changes nothing
        archive.admit(content, "open", None, who="anna")
    (row,) = rows(archive, schema.instance)
    assert row["digest"] == sha256(contents[2]).hexdigest()
    for content in contents:  # each can be read by its digest
        with archive.engine.begin() as connection:
            at = find(connection, row["project_id"], sha256(content).hexdigest())
        assert at is not None
        assert archive.objects.get(at) == content
    assert [each["what"] for each in rows(archive, schema.audit)] == ["admit", "admit version", "admit version"]
    archive.remove("open", Removable.INSTANCE, "2.25.4.1", who="anna", reason="x")
    assert list(archive.objects.storage.names()) == []
    assert len(rows(archive, schema.tombstone)) == 3


def test_a_version_belongs_where_the_first_one_did(archive: Archive, make: Make) -> None:
    archive.open_project(Project("open", "Open", "check", same_uid="version"), PROTOCOL)
    archive.admit(make(), "open", None, who="anna")
    with pytest.raises(Refused, match="another series"):
        archive.admit(make(change=with_value("SeriesInstanceUID", "2.25.9")), "open", None, who="anna")


def test_another_project_may_hold_the_same_instance(archive: Archive, make: Make) -> None:
    archive.open_project(Project("second", "", "check"), Protocol("basic", "1", "", "", (), None, {}, "ab" * 32))
    for project in ("open", "second"):
        archive.admit(make(), project, None, who="anna")
    assert len({row["project_id"] for row in rows(archive, schema.instance)}) == 2


def test_a_study_belongs_to_one_subject(archive: Archive, make: Make) -> None:
    def other(dataset: Dataset) -> None:
        dataset.PatientName = dataset.PatientID = "FEDCBA9876543210"

    archive.admit(make(1), "open", None, who="anna")
    with pytest.raises(Refused, match="another subject"):
        archive.admit(make(2, other), "open", None, who="anna")
    assert [len(rows(archive, table)) for table in (schema.subject, schema.instance)] == [1, 1]


def test_a_series_belongs_to_one_study(archive: Archive, make: Make) -> None:
    archive.admit(make(1), "open", None, who="anna")
    with pytest.raises(Refused, match="another study"):
        archive.admit(make(2, lambda dataset: setattr(dataset, "StudyInstanceUID", "2.25.9")), "open", None, who="anna")


# --- the archive's own look -----------------------------------------------------------------------------------


def private(dataset: Dataset) -> None:
    dataset.private_block(0x0009, "ACME", create=True).add_new(1, "LO", "x")


def private_deep_down(dataset: Dataset) -> None:
    inner = Dataset()
    private(inner)
    dataset.ReferencedImageSequence = [inner]


def private_behind_the_pixels(dataset: Dataset) -> None:
    dataset.add(DataElement(0x7FE10010, "LO", "ACME"))


def meta(keyword: str, value: object) -> Callable[[Dataset], None]:
    return lambda dataset: setattr(dataset.file_meta, keyword, value)


def with_value(keyword: str, value: object) -> Callable[[Dataset], None]:
    return lambda dataset: setattr(dataset, keyword, value)


def without(keyword: str) -> Callable[[Dataset], None]:
    return lambda dataset: delattr(dataset, keyword)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("PatientIdentityRemoved"), "PatientIdentityRemoved"),
        (with_value("PatientIdentityRemoved", "NO"), "PatientIdentityRemoved"),
        (without("DeidentificationMethod"), "DeidentificationMethod"),
        (with_value("DeidentificationMethod", "sha256:" + "cd" * 24), "DeidentificationMethod"),
        (with_value("DeidentificationMethod", "sha256:" + "ab" * 23), "DeidentificationMethod"),
        (with_value("PatientName", "Doe^Jane"), "PatientName"),
        (without("PatientName"), "PatientName"),
        (with_value("PatientID", ""), "PatientID"),
        (without("PatientID"), "PatientID"),
        (without("StudyInstanceUID"), "StudyInstanceUID"),
        (with_value("SeriesInstanceUID", ""), "SeriesInstanceUID"),
        (with_value("SeriesInstanceUID", "DOE^JANE"), "SeriesInstanceUID"),
        (with_value("StudyInstanceUID", "1.2.Doe"), "StudyInstanceUID"),
        (private, "private element"),
        (private_deep_down, "private element"),
        (private_behind_the_pixels, "private element"),
        (meta("SourceApplicationEntityTitle", "WARD_7"), "file meta"),
        (meta("PrivateInformationCreatorUID", "1.2.3"), "file meta"),
        (with_value("preamble", b"Jane Doe".ljust(128, b"\0")), "preamble"),
    ],
)
def test_what_does_not_look_de_identified_is_refused(
    archive: Archive, make: Make, change: Callable[[Dataset], None], message: str
) -> None:
    with pytest.raises(Refused, match=message) as refusal:
        archive.admit(make(change=change), "open", None, who="anna")
    assert not any(value in str(refusal.value) for value in ("Doe", "Jane", "WARD", "ACME"))
    assert rows(archive, schema.instance) == []
    assert list(archive.objects.storage.names()) == []


@pytest.mark.parametrize("content", [b"", b"a text", bytes(128) + b"DICM", bytes(4096), b"PK\3\4" + bytes(500)])
def test_what_is_not_dicom_is_refused(archive: Archive, content: bytes) -> None:
    with pytest.raises(Refused):
        archive.admit(content, "open", None, who="anna")


def test_text_behind_the_last_element_is_refused(archive: Archive, make: Make) -> None:
    for tail in (b"Doe", b"Doe^Jane^^born 1950-01-02"):
        with pytest.raises(Refused):
            archive.admit(make() + tail, "open", None, who="anna")


def test_a_file_cut_anywhere_is_refused(archive: Archive, make: Make) -> None:
    whole = make()
    dataset = dcmread(BytesIO(whole))
    starts = {  # there, a shorter file is whole too
        dataset.get_item(tag).value_tell - 8 for tag in list(dataset.keys())
    }
    for end in set(range(0, len(whole), 7)) - starts:
        with pytest.raises(Refused):
            archive.admit(whole[:end], "open", None, who="anna")
    assert rows(archive, schema.instance) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_never_end_in_a_traceback(archive: Archive, make: Make, data: st.DataObject) -> None:
    content = bytearray(make())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Refused):
        archive.admit(bytes(content), "open", None, who="anna")


# --- receipts ----------------------------------------------------------------------------------------------------


@pytest.fixture
def signer(archive: Archive) -> Ed25519PrivateKey:
    signer = Ed25519PrivateKey.generate()
    archive.enrol("north", signer.public_key().public_bytes_raw().hex())
    return signer


def signed(signer: Ed25519PrivateKey, content: bytes, **changed: str) -> Receipt:
    fields = {"site": "north", "project": "sealed", "digest": sha256(content).hexdigest(), "protocol": "ab" * 32}
    return receipts.sign(signer, **(fields | changed))


def test_a_receipt_opens_the_door(archive: Archive, make: Make, signer: Ed25519PrivateKey) -> None:
    archive.admit(make(), "sealed", signed(signer, make()), who="site north")
    assert len(rows(archive, schema.instance)) == 1


def test_a_project_that_wants_receipts_takes_nothing_without(archive: Archive, make: Make) -> None:
    with pytest.raises(Refused, match="receipt"):
        archive.admit(make(), "sealed", None, who="anna")


def test_a_receipt_does_not_replace_the_archives_own_look(
    archive: Archive, make: Make, signer: Ed25519PrivateKey
) -> None:
    with pytest.raises(Refused, match="private"):
        archive.admit(make(change=private), "sealed", signed(signer, make(change=private)), who="site north")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"digest": "0" * 64}, "other bytes"),
        ({"project": "open"}, "another project"),
        ({"protocol": "cd" * 32}, "protocol"),
    ],
)
def test_a_receipt_for_something_else_is_refused(
    archive: Archive, make: Make, signer: Ed25519PrivateKey, changed: dict[str, str], message: str
) -> None:
    with pytest.raises(Refused, match=message):
        archive.admit(make(), "sealed", signed(signer, make(), **changed), who="site north")


def forgeries(signer: Ed25519PrivateKey, content: bytes) -> Iterator[Receipt]:
    other = signed(signer, content, digest="0" * 64)
    yield replace(other, digest=sha256(content).hexdigest())  # the signature of another receipt
    yield signed(Ed25519PrivateKey.generate(), content)  # somebody else's key
    yield replace(signed(signer, content), software="Cohortium 9")
    yield replace(other, signature="not hexadecimal")
    yield replace(signed(signer, content), signature="")
    yield signed(signer, content, site="south")  # not enrolled


@pytest.mark.parametrize("number", range(6))
def test_a_forged_receipt_is_refused_also_where_none_is_needed(
    archive: Archive, make: Make, signer: Ed25519PrivateKey, number: int
) -> None:
    forged = list(forgeries(signer, make()))[number]
    for project in ("sealed", "open"):
        with pytest.raises(Refused, match=r"signed|enrolled"):
            archive.admit(make(), project, forged, who="site north")
    assert rows(archive, schema.instance) == []


# --- projects and findings -----------------------------------------------------------------------------------------


def test_there_is_no_door_into_a_project_that_does_not_exist(archive: Archive, make: Make) -> None:
    with pytest.raises(Refused, match="no project"):
        archive.admit(make(), "../open", None, who="anna")


def test_a_site_keeps_its_key(archive: Archive, signer: Ed25519PrivateKey) -> None:
    archive.enrol("north", signer.public_key().public_bytes_raw().hex())
    with pytest.raises(Refused, match="another key"):
        archive.enrol("north", "00" * 32)


def test_the_protocol_of_a_project_changes_only_while_it_is_empty(
    archive: Archive, make: Make, protocol: Protocol
) -> None:
    archive.open_project(Project("open", "New title", "check"), replace(protocol, digest="cd" * 32))
    archive.open_project(Project("open", "New title", "check"), protocol)
    archive.admit(make(), "open", None, who="anna")
    with pytest.raises(Refused, match="name a new project"):
        archive.open_project(Project("open", "", "check"), replace(protocol, digest="cd" * 32))
    assert rows(archive, schema.project)[0]["title"] == "New title"


def test_new_findings_replace_those_of_the_check_before(archive: Archive) -> None:
    def finding(message: str) -> Finding:
        return Finding("geometry.uneven", Severity.ERROR, message, "2.25.3", "2.25.4.1")

    archive.note(1, "2.25.3", [finding("one"), finding("two"), finding("two")])
    archive.note(1, "2.25.3", [finding("three")])
    assert [row["message"] for row in rows(archive, schema.finding)] == ["three"]


def test_every_admission_is_in_the_chain(archive: Archive, make: Make) -> None:
    for number in range(1, 4):
        archive.admit(make(number), "open", None, who="anna")
    with archive.engine.begin() as connection:
        assert audit.verify_chain(connection) == 3


@pytest.mark.parametrize(
    ("change", "rules", "refused"),
    [
        (private, {"options": ("Retain Safe Private",)}, None),
        (private, {"private": {"ACME": {"0009xx01": "LO"}}}, None),
        (private, {"ctp": CtpRule()}, "private"),
        (with_value("PatientName", "ANON 7"), {"ctp": CtpRule()}, None),
        (with_value("PatientName", "ANON 7"), {"options": ("Retain Safe Private",)}, "PatientName"),
    ],
)
def test_what_only_some_protocols_leave_is_held_to_the_project_s(
    archive: Archive, make: Make, protocol: Protocol, change: Change, rules: dict[str, Any], refused: str | None
) -> None:
    archive.open_project(Project("own", "", "check"), replace(protocol, **rules))
    with pytest.raises(Refused, match=refused) if refused else contextlib.nullcontext():
        archive.admit(make(change=change), "own", None, who="north")
