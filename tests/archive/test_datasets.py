"""Dataset versions: frozen once, read for ever, named by what is in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from io import BytesIO

import pytest
from sqlalchemy import delete, select, update

from cohortium.archive import (
    Archive,
    Destination,
    Kind,
    Level,
    Removable,
    comparison,
    consents,
    datasets,
    flags,
    lists,
    objects,
)
from cohortium.archive.comparison import Difference, Part
from cohortium.archive.flags import Verdict
from cohortium.archive.objects import find
from cohortium.config import Project
from cohortium.errors import Corrupt, Refused
from cohortium.prove.canonical import canonical
from cohortium.store.schema import dataset_file, instance
from cohortium.values import Protocol, SubjectRule
from foreign_files import mp4, npy

PROTOCOL = Protocol("basic", "1", "", "2026c", (), SubjectRule(), {}, digest="ab" * 32)
OPEN = 1  # the project `open`
SERIES = "2.25.3"


def deposit(archive: Archive, make: Callable[..., bytes], *numbers: int, series: str = SERIES) -> None:
    def place(dataset: object) -> None:
        dataset.SeriesInstanceUID = series  # type: ignore[attr-defined]

    for number in numbers:
        archive.admit(make(number, place), "open", None, "ada")


def freeze(archive: Archive, name: str, **options: object) -> datasets.Version:
    with archive.engine.begin() as connection:
        return datasets.freeze(connection, OPEN, name, "ada", **options)  # type: ignore[arg-type]


def manifest(archive: Archive, version: datasets.Version) -> bytes:
    with archive.engine.begin() as connection:
        return b"".join(datasets.manifest(connection, version))


def test_a_version_is_named_by_its_manifest(archive: Archive, make: Callable[..., bytes]) -> None:
    deposit(archive, make, 3, 1, 2)
    version = freeze(archive, "first", description="Three slices.")
    text = manifest(archive, version)
    assert version.digest == sha256(text).hexdigest()
    head, *lines = [json.loads(line) for line in text.splitlines()]
    assert head == {"kind": "cohortium dataset 1", "files": 3, "size": version.size}
    assert [line["path"] for line in lines] == [f"0123456789ABCDEF/2.25.2/2.25.3/2.25.4.{n}.dcm" for n in (1, 2, 3)]
    for number, line in enumerate(lines, 1):
        with archive.engine.begin() as connection:
            at = find(connection, OPEN, line["digest"])
        assert at is not None
        assert archive.objects.get(at) == make(number)
        assert line["size"] == len(make(number))
    assert text == b"".join(f"{canonical(line)}\n".encode() for line in (head, *lines))
    assert (version.files, version.series, version.subjects) == (3, 1, 1)


def test_it_stays_as_it_is_whatever_comes_later(archive: Archive, make: Callable[..., bytes]) -> None:
    deposit(archive, make, 1, 2)
    first = freeze(archive, "first")
    before = manifest(archive, first)
    deposit(archive, make, 3)
    with archive.engine.begin() as connection:
        flags.put(connection, OPEN, 1, "2.25.4.1", Verdict.UNUSABLE, "the table moved", "ada")
    second = freeze(archive, "second")
    assert manifest(archive, first) == before
    assert (first.files, second.files) == (2, 2)
    with archive.engine.begin() as connection:
        assert [each.name for each in datasets.versions(connection, OPEN)] == ["second", "first"]
        assert datasets.find(connection, OPEN, "first") == first
        assert datasets.find(connection, OPEN, first.digest) == datasets.find(connection, OPEN, first.digest[:12])
        assert datasets.find(connection, OPEN, first.digest[:11]) is None
        assert datasets.find(connection, 2, "first") is None


def test_the_same_files_are_the_same_version(archive: Archive, make: Callable[..., bytes]) -> None:
    deposit(archive, make, 1)
    first = freeze(archive, "first")
    assert freeze(archive, "again") == first
    with archive.engine.begin() as connection:
        assert datasets.versions(connection, OPEN) == [first]
        assert len(connection.execute(select(dataset_file)).all()) == 1


def test_a_name_is_taken_once_and_nothing_is_no_version(archive: Archive, make: Callable[..., bytes]) -> None:
    with pytest.raises(Refused, match="nothing to freeze"):
        freeze(archive, "first")
    deposit(archive, make, 1)
    freeze(archive, "first")
    deposit(archive, make, 2)
    for name in ("first", "../first", "", "a" * 65, "abcdef012345", ".hidden"):
        with pytest.raises(Refused, match="name"):
            freeze(archive, name)


def test_what_is_unusable_is_left_out_unless_asked_for(archive: Archive, make: Callable[..., bytes]) -> None:
    deposit(archive, make, 1, 2)
    deposit(archive, make, 3, series="2.25.33")
    with archive.engine.begin() as connection:
        flags.put(connection, OPEN, 2, "", Verdict.UNUSABLE, "not the thorax", "ada")
        flags.put(connection, OPEN, 1, "2.25.4.2", Verdict.QUESTIONABLE, "noise", "ada")
    assert freeze(archive, "good").files == 2
    assert freeze(archive, "all", with_unusable=True).files == 3


def test_a_saved_list_is_frozen(archive: Archive, make: Callable[..., bytes]) -> None:
    deposit(archive, make, 1, 2)
    deposit(archive, make, 3, series="2.25.33")
    with archive.engine.begin() as connection:
        saved = lists.save(connection, OPEN, "thorax", ["2.25.33"], "ada")
        assert (saved.scans, lists.series_of(connection, saved.id)) == (1, ["2.25.33"])
        assert lists.lists(connection, OPEN) == [saved] == [lists.find(connection, OPEN, "thorax")]
        with pytest.raises(Refused, match="1 of the 2"):
            lists.save(connection, OPEN, "thorax", ["2.25.33", "2.25.99"], "ada")
    version = freeze(archive, "thorax-1", source=saved)
    assert (version.files, version.source) == (1, "thorax")
    with archive.engine.begin() as connection:
        assert lists.save(connection, OPEN, "thorax", ["2.25.33", SERIES], "eve").scans == 2
        assert lists.remove(connection, OPEN, "thorax")
        assert not lists.remove(connection, OPEN, "thorax")
    assert manifest(archive, version)


def test_two_versions_are_compared(archive: Archive, make: Callable[..., bytes]) -> None:
    deposit(archive, make, 1, 2, 3)
    first = freeze(archive, "first")
    with archive.engine.begin() as connection:
        flags.put(connection, OPEN, 1, "2.25.4.1", Verdict.UNUSABLE, "noise", "ada")
    deposit(archive, make, 4, series="2.25.33")
    second = freeze(archive, "second")
    with archive.engine.begin() as connection:  # as a new version of an instance would have it
        other = update(dataset_file).where(dataset_file.c.path.endswith("4.2.dcm"), dataset_file.c.dataset_id == 2)
        connection.execute(other.values(digest="0" * 64))
        found = comparison.compare(connection, first, second)
        listed = comparison.differences(connection, first, second)
        by_scan = comparison.scans(connection, first, second)
        paged = comparison.differences(connection, first, second, after=listed[0].path, limit=1)
    size = len(make(1))
    assert (found.same, found.removed) == (Part(1, 1, 1, size), Part(1, 1, 1, size))
    assert (found.added, found.changed) == (Part(1, 1, 1, second.size - 2 * size), Part(1, 1, 1, size))
    names = [(each.path.rsplit("/")[-1], bool(each.first), bool(each.second)) for each in listed]
    assert names == [("2.25.4.1.dcm", True, False), ("2.25.4.2.dcm", True, True), ("2.25.4.4.dcm", False, True)]
    assert [(each.SeriesInstanceUID, each.removed, each.added, each.changed) for each in by_scan] == [
        (SERIES, 1, 0, 1),
        ("2.25.33", 0, 1, 0),
    ]
    assert [(each.scan_id, each.Modality) for each in by_scan] == [(1, "CT"), (2, "CT")]
    assert paged == listed[1:2]
    assert isinstance(paged[0], Difference)


def test_what_was_removed_since_is_told(archive: Archive, make: Callable[..., bytes]) -> None:
    deposit(archive, make, 1, 2)
    version = freeze(archive, "first")
    with archive.engine.begin() as connection:
        assert list(comparison.gone(connection, version)) == []
    archive.remove("open", Removable.INSTANCE, "2.25.4.1", who="ada", reason="sent by mistake")
    with archive.engine.begin() as connection:
        (gone,) = comparison.gone(connection, version)
        connection.execute(delete(instance))
        assert [each.how for each in comparison.gone(connection, version)] == ["removed", "missing"]
    assert gone.path.endswith("/2.25.4.1.dcm")
    assert (gone.how, gone.reason, bool(gone.time)) == ("removed", "sent by mistake", True)
    assert manifest(archive, version)


def test_a_new_version_of_an_instance_leaves_the_bytes_that_were_frozen(
    archive: Archive, make: Callable[..., bytes]
) -> None:
    archive.open_project(Project("open", "Open", "check", same_uid="version"), PROTOCOL)
    deposit(archive, make, 1)
    first = freeze(archive, "first")
    archive.admit(make(1, lambda dataset: setattr(dataset, "SeriesNumber", 8)), "open", None, "ada")
    second = freeze(archive, "second")
    with archive.engine.begin() as connection:
        assert list(comparison.gone(connection, first)) == []
        assert comparison.compare(connection, first, second).changed.files == 1
        (one,) = datasets.files(connection, first)
        at = objects.find(connection, OPEN, one.digest)
    assert at is not None
    assert archive.objects.get(at) == make(1)
    assert manifest(archive, first) != manifest(archive, second)


def test_a_subject_that_withdraws_is_told_and_cannot_be_read(archive: Archive, make: Callable[..., bytes]) -> None:
    deposit(archive, make, 1)
    version = freeze(archive, "first")
    with archive.engine.begin() as connection:
        (one,) = datasets.files(connection, version)
    archive.withdraw("open", one.PatientID, who="ada", reason="asked for it")
    with archive.engine.begin() as connection:
        (gone,) = comparison.gone(connection, version)
        assert objects.find(connection, OPEN, one.digest) is None
    assert (gone.how, gone.reason) == ("withdrawn", "asked for it")
    assert sha256(manifest(archive, version)).hexdigest() == version.digest


def test_a_changed_row_shows(archive: Archive, make: Callable[..., bytes]) -> None:
    deposit(archive, make, 1, 2)
    version = freeze(archive, "first")
    with archive.engine.begin() as connection:
        connection.execute(delete(dataset_file).where(dataset_file.c.path.endswith("4.1.dcm")))
    with pytest.raises(Corrupt, match="not what was frozen"):
        manifest(archive, version)


def attach(archive: Archive, level: Level, of: int | None, label: str, *numbers: int, name: str = "a.npy") -> bytes:
    content = npy(*numbers)
    archive.attach(BytesIO(content), Destination(level, of, Kind.MASK, label, name), "open", "ada")
    return content


@pytest.fixture
def with_files(archive: Archive, make: Callable[..., bytes]) -> Archive:
    """Two scans of one session, each with a mask, and files at every level; a video too."""
    deposit(archive, make, 1)
    deposit(archive, make, 2, series="2.25.33")
    places = ((Level.PROJECT, None), (Level.SUBJECT, 1), (Level.SESSION, 1), (Level.SCAN, 1), (Level.SCAN, 2))
    for number, (level, of) in enumerate(places):
        attach(archive, level, of, "mask", number, name="left/a.npy")
    with archive.engine.begin() as connection:
        consents.record(connection, OPEN, consents.Record("C-1", consents.Scope.PROJECT, "ward", "2026-01-02"), "ada")
    film = Destination(Level.PROJECT, None, Kind.VIDEO, "gait", "scan.mp4", "C-1")
    archive.attach(BytesIO(mp4()), film, "open", "ada")
    return archive


def paths(archive: Archive, version: datasets.Version) -> set[str]:
    with archive.engine.begin() as connection:
        return {each.path for each in datasets.files(connection, version)}


STUDY = "0123456789ABCDEF/2.25.2"
IMAGES = {f"{STUDY}/2.25.3/2.25.4.1.dcm", f"{STUDY}/2.25.33/2.25.4.2.dcm"}
FILE = "resources/mask/left/a.npy"
FILES = {f"{place}{FILE}" for place in ("", "0123456789ABCDEF/", f"{STUDY}/", f"{STUDY}/2.25.3/", f"{STUDY}/2.25.33/")}


def test_files_beside_the_images_are_frozen_with_them_and_videos_are_not(with_files: Archive) -> None:
    version = freeze(with_files, "first")
    assert paths(with_files, version) == IMAGES | FILES
    assert (version.files, version.series, version.subjects) == (7, 2, 1)
    lines = [json.loads(line) for line in manifest(with_files, version).splitlines()[1:]]
    (mask,) = [each for each in lines if each["path"] == f"{STUDY}/2.25.33/{FILE}"]
    assert (mask["digest"], mask["size"]) == (sha256(npy(4)).hexdigest(), len(npy(4)))


def test_a_list_takes_the_files_of_its_scans_and_of_what_they_belong_to(with_files: Archive) -> None:
    with with_files.engine.begin() as connection:
        saved = lists.save(connection, OPEN, "thorax", ["2.25.33"], "ada")
        flags.put(connection, OPEN, 2, "", Verdict.UNUSABLE, "noise", "ada")
    version = freeze(with_files, "all", source=saved, with_unusable=True)
    assert paths(with_files, version) == {f"{STUDY}/2.25.33/2.25.4.2.dcm"} | FILES - {FILE, f"{STUDY}/2.25.3/{FILE}"}
    assert paths(with_files, freeze(with_files, "good")) == {f"{STUDY}/2.25.3/2.25.4.1.dcm"} | FILES - {
        f"{STUDY}/2.25.33/{FILE}"
    }


def test_a_files_new_version_changes_no_version_of_a_dataset(with_files: Archive) -> None:
    first = freeze(with_files, "first")
    attach(with_files, Level.SCAN, 1, "mask", 9, name="left/a.npy")
    second = freeze(with_files, "second")
    with with_files.engine.begin() as connection:
        found = comparison.compare(connection, first, second)
        (changed,) = comparison.differences(connection, first, second)
        assert list(comparison.gone(connection, first)) == []
        at = objects.find(connection, OPEN, changed.first)
    assert (found.same.files, found.changed.files, found.changed.series) == (6, 1, 1)
    assert at is not None
    assert with_files.objects.get(at) == npy(3)


def test_a_version_of_images_alone_keeps_its_name_when_files_come(archive: Archive, make: Callable[..., bytes]) -> None:
    deposit(archive, make, 1)
    first = freeze(archive, "first")
    before = manifest(archive, first)
    attach(archive, Level.SUBJECT, 1, "report", 1)
    second = freeze(archive, "second")
    assert manifest(archive, first) == before
    with archive.engine.begin() as connection:
        (scan,) = comparison.scans(connection, first, second)
    assert (scan.PatientID, scan.SeriesInstanceUID, scan.added, scan.scan_id) == ("0123456789ABCDEF", "", 1, None)
    archive.detach(1, who="ada", reason="sent by mistake")
    assert freeze(archive, "third") == first
    with archive.engine.begin() as connection:
        (gone,) = comparison.gone(connection, second)
    assert (gone.path, gone.how) == ("0123456789ABCDEF/resources/report/a.npy", "removed")


def test_a_file_of_a_subject_that_withdraws_is_told(archive: Archive, make: Callable[..., bytes]) -> None:
    deposit(archive, make, 1)
    attach(archive, Level.SUBJECT, 1, "report", 1)
    version = freeze(archive, "first")
    archive.withdraw("open", "0123456789ABCDEF", who="ada", reason="asked")
    with archive.engine.begin() as connection:
        assert [each.how for each in comparison.gone(connection, version)] == ["withdrawn"] * 2
