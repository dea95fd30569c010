"""Images that are made another subject's: which UIDs change, and that nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from sqlalchemy import func, select, update

from cohortium.archive import Archive, Wish
from cohortium.archive.wishes import relabelled
from cohortium.errors import Refused
from cohortium.store import schema

SECRET = bytes(32)
OWN = "0123456789ABCDEF"
KEPT_CLASS, PRIVATE = "1.3.12.2.1107.5.9.1", "1.3.12.2.1107.5.2.7"


def nested(dataset: Dataset) -> None:
    """With references at two depths, a private one, and a class of a maker's own."""
    inner, outer = Dataset(), Dataset()
    inner.ReferencedSOPClassUID, inner.ReferencedSOPInstanceUID = KEPT_CLASS, "2.25.4.9"
    outer.ReferencedSeriesSequence = [Dataset()]
    outer.ReferencedSeriesSequence[0].SeriesInstanceUID = "2.25.3"
    outer.ReferencedSeriesSequence[0].ReferencedSOPSequence = [inner]
    dataset.ReferencedStudySequence = [outer]
    dataset["ReferencedStudySequence"].is_undefined_length = True
    dataset.FrameOfReferenceUID = "2.25.5"
    dataset.RelatedFrameOfReferenceUID = "2.25.5"
    dataset.ImageComments = "Übung"
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.add_new(0x00080301, "UI", "1.2.840.10008.1.2")
    dataset.private_block(0x0029, "MAKER", create=True).add_new(1, "UI", PRIVATE)
    dataset.WindowCenter = "40.0000"


def as_implicit(content: bytes) -> bytes:
    dataset = dcmread(BytesIO(content))
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    out = BytesIO()
    dataset.save_as(out, implicit_vr=True, little_endian=True)
    return out.getvalue()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_every_uid_of_the_patients_is_mapped_and_nothing_else_changes(make: Callable[..., bytes], syntax: UID) -> None:
    content = make(1, nested)
    content = as_implicit(content) if syntax == ImplicitVRLittleEndian else content
    before, after = (dcmread(BytesIO(each)) for each in (content, relabelled(content, "case_7", SECRET)))
    assert after.file_meta.TransferSyntaxUID == syntax
    assert (after.PatientID, str(after.PatientName)) == ("case_7", "case_7")
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
    series = after.ReferencedStudySequence[0].ReferencedSeriesSequence[0]
    assert series.SeriesInstanceUID == after.SeriesInstanceUID != before.SeriesInstanceUID
    assert after.FrameOfReferenceUID == after.RelatedFrameOfReferenceUID != before.FrameOfReferenceUID
    inner = series.ReferencedSOPSequence[0]
    assert inner.ReferencedSOPClassUID == KEPT_CLASS
    assert inner.ReferencedSOPInstanceUID not in ("2.25.4.9", after.SOPInstanceUID)
    assert (after.SOPClassUID, after[0x00080301].value) == (before.SOPClassUID, before[0x00080301].value)
    if syntax == ExplicitVRLittleEndian:
        assert after[0x00291001].value != PRIVATE
    changed = {each.tag for each in before if after[each.tag].value != each.value}
    uids = {each.tag for each in before if each.VR == "UI"} - {before["SOPClassUID"].tag, 0x00080301}
    private = {0x00291001} if syntax == ImplicitVRLittleEndian else set()
    sequence = {before["ReferencedStudySequence"].tag, before["PatientID"].tag, before["PatientName"].tag}
    assert changed == (uids | sequence) - private
    assert set(after.keys()) == set(before.keys())
    assert after["WindowCenter"].value.original_string == "40.0000"


def test_the_same_image_for_the_same_subject_gives_the_same_bytes(make: Callable[..., bytes]) -> None:
    content = make(1, nested)
    first = relabelled(content, "case_7", SECRET)
    assert relabelled(content, "case_7", SECRET) == first
    assert dcmread(BytesIO(relabelled(content, "case_7", bytes([1] * 32)))).SOPInstanceUID != (
        dcmread(BytesIO(first)).SOPInstanceUID
    )


def trusted(archive: Archive) -> None:
    with archive.engine.begin() as connection:
        connection.execute(update(schema.project).values(admit="trusted"))


def subjects(archive: Archive) -> dict[str, int]:
    table = schema.instance
    query = select(schema.subject.c.PatientID, func.count(table.c.id))
    query = query.join(schema.session, schema.session.c.subject_id == schema.subject.c.id)
    query = query.join(schema.scan, schema.scan.c.session_id == schema.session.c.id)
    query = query.join(table, table.c.scan_id == schema.scan.c.id).group_by(schema.subject.c.PatientID)
    with archive.engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def test_one_package_for_two_subjects_is_two_and_twice_for_one_is_one(
    archive: Archive, make: Callable[..., bytes]
) -> None:
    trusted(archive)
    images = [make(n) for n in (1, 2)]
    for wish in (Wish("case_1", "visit_1"), Wish("case_2", "visit_2"), Wish("case_1", "visit_1"), Wish()):
        archive.admit_whole(images, "open", "mona", wish)
    assert subjects(archive) == {"case_1": 2, "case_2": 2, OWN: 2}
    with archive.engine.connect() as connection:
        labels = connection.scalars(select(schema.session.c.label).order_by(schema.session.c.id)).all()
        said = connection.scalars(select(schema.audit.c.object).where(schema.audit.c.what == "relabel images")).all()
    assert labels == ["visit_1", "visit_2", OWN]
    assert said == ["open/case_1: 2", "open/case_2: 2", "open/case_1: 2"]


def test_where_bytes_are_vouched_for_none_is_changed(archive: Archive, make: Callable[..., bytes]) -> None:
    with pytest.raises(Refused, match="another subject"):
        archive.admit_whole([make(1)], "open", "mona", Wish("case_1"))
    assert subjects(archive) == {}


@pytest.mark.parametrize("wish", [Wish("Quastenflosser"), Wish("20010131"), Wish("", "Quastenflosser")])
def test_a_label_that_may_tell_who_somebody_is_is_refused(
    archive: Archive, make: Callable[..., bytes], wish: Wish
) -> None:
    trusted(archive)
    with pytest.raises(Refused) as told:
        archive.admit_whole([make(1)], "open", "mona", wish)
    assert "Quastenflosser" not in str(told.value)
    assert subjects(archive) == {}


def test_all_images_come_in_or_none_and_bytes_of_none_stay(archive: Archive, make: Callable[..., bytes]) -> None:
    def named(dataset: Dataset) -> None:
        dataset.PatientName = "Mustermann^Erika"

    images = [make(1), make(2), make(3, named)]
    with pytest.raises(Refused, match="1 of 3 images were refused, and none came in"):
        archive.admit_whole(images, "open", "mona")
    assert subjects(archive) == {}
    assert list(archive.objects.storage.names()) == []
    with pytest.raises(Refused, match="All wait in the prearchive"):
        archive.admit_whole(images, "open", "mona", aside=True)
    with archive.engine.connect() as connection:
        rows = connection.execute(select(schema.prearchive)).mappings().all()
    assert len({row["created"] for row in rows}) == 1
    assert [row["reason"] == "another image of its package was refused" for row in rows] == [True, True, False]
    assert subjects(archive) == {}


def test_what_the_index_refuses_undoes_the_rest(archive: Archive, make: Callable[..., bytes]) -> None:
    archive.admit(make(1), "open", None, "mona")

    def changed(dataset: Dataset) -> None:
        dataset.StudyDescription = "CT"

    with pytest.raises(Refused, match="1 of 3 images"):
        archive.admit_whole([make(2), make(3), make(1, changed)], "open", "mona")
    assert subjects(archive) == {OWN: 1}
