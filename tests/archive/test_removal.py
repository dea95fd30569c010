"""What an owner takes out of the archive: what goes, what stays, and that it does not come in again unseen."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from pydicom.dataset import Dataset
from sqlalchemy import Table, func, select, update

from cohortium.archive import Address, Archive, Destination, Kind, Level, Removable, collection, headers
from cohortium.errors import Refused
from cohortium.store import schema

Make = Callable[..., bytes]
SUBJECT, STUDY, SERIES = "0123456789ABCDEF", "2.25.2", "2.25.3"


def of(series: str = SERIES, study: str = STUDY) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID = series, study

    return change


@pytest.fixture
def filled(archive: Archive, make: Make) -> Archive:
    """Two studies: one of two series, of three slices and one, with a mask at the first; and one of one slice."""
    for number in (1, 2, 3):
        archive.admit(make(number), "open", None, "ada")
    archive.admit(make(4, of("2.25.31")), "open", None, "ada")
    archive.admit(make(5, of("2.25.32", "2.25.21")), "open", None, "ada")
    attach(archive, Level.SCAN, "mask")
    attach(archive, Level.SUBJECT, "report")
    return archive


def attach(archive: Archive, level: Level, label: str) -> None:
    file = io.BytesIO()
    np.save(file, np.arange(len(label)), allow_pickle=False)
    archive.attach(io.BytesIO(file.getvalue()), Destination(level, 1, Kind.MASK, label, "x.npy"), "open", "ada")


def count(archive: Archive, *tables: Table) -> list[int]:
    with archive.engine.begin() as connection:
        return [connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def objects(archive: Archive) -> int:
    return len(list(archive.objects.storage.names()))


def remove(archive: Archive, level: Removable, name: str) -> None:
    archive.remove("open", level, name, who="olga", reason="uploaded by mistake")


LEVELS = (schema.subject, schema.session, schema.scan, schema.instance, schema.header, schema.resource_file)


@pytest.mark.parametrize(
    ("level", "name", "left", "stored"),
    [
        (Removable.INSTANCE, "2.25.4.2", [1, 2, 3, 4, 4, 2], 6),
        (Removable.INSTANCE, "2.25.4.5", [1, 1, 2, 4, 4, 2], 6),  # the last of its scan and session
        (Removable.SCAN, SERIES, [1, 2, 2, 2, 2, 1], 3),
        (Removable.SESSION, STUDY, [1, 1, 1, 1, 1, 1], 2),
        (Removable.SUBJECT, SUBJECT, [0, 0, 0, 0, 0, 0], 0),
    ],
)
def test_a_thing_goes_with_all_below_it(
    filled: Archive, level: Removable, name: str, left: list[int], stored: int
) -> None:
    assert objects(filled) == 7
    remove(filled, level, name)
    assert count(filled, *LEVELS) == left
    assert objects(filled) == stored
    assert count(filled, schema.garbage) == [0]


def test_tombstones_tell_what_went_by_whom_and_why(filled: Archive, make: Make) -> None:
    remove(filled, Removable.SCAN, SERIES)
    with filled.engine.begin() as connection:
        stones = connection.execute(select(schema.tombstone).order_by(schema.tombstone.c.id)).all()
        (event,) = connection.execute(select(schema.audit).where(schema.audit.c.what == "remove scan")).all()
    assert [(row.level, row.name) for row in stones] == [
        *(("instance", f"2.25.4.{number}") for number in (1, 2, 3)),
        ("resource", "mask/x.npy"),
        ("scan", SERIES),
    ]
    assert {(row.who, row.reason) for row in stones} == {("olga", "uploaded by mistake")}
    assert [len(row.digest) for row in stones] == [64] * 4 + [0]
    assert (event.who, event.object) == ("olga", f"open/{SERIES}")


def test_a_subject_takes_the_names_of_its_sessions_and_scans_with_it(filled: Archive) -> None:
    remove(filled, Removable.SUBJECT, SUBJECT)
    with filled.engine.begin() as connection:
        stones = connection.execute(select(schema.tombstone.c.level, schema.tombstone.c.name)).all()
    named = {(row.level, row.name) for row in stones if row.level not in ("instance", "resource")}
    assert named == {
        ("subject", SUBJECT),
        *(("session", uid) for uid in (STUDY, "2.25.21")),
        *(("scan", uid) for uid in (SERIES, "2.25.31", "2.25.32")),
    }


@pytest.mark.parametrize("reason", ["", "  ", "\n", "x" * 256])
def test_nothing_goes_without_a_reason(filled: Archive, reason: str) -> None:
    with pytest.raises(Refused, match="reason"):
        filled.remove("open", Removable.SCAN, SERIES, who="olga", reason=reason)
    assert count(filled, schema.instance) == [5]


def test_what_is_not_there_or_in_another_project_cannot_be_removed(filled: Archive) -> None:
    for project, name in (("open", "2.25.99"), ("sealed", SERIES)):
        with pytest.raises(Refused, match="no such scan"):
            filled.remove(project, Removable.SCAN, name, who="olga", reason="x")


@pytest.mark.parametrize(
    ("level", "name"),
    [
        (Removable.INSTANCE, "2.25.4.2"),
        (Removable.SCAN, SERIES),
        (Removable.SESSION, STUDY),
        (Removable.SUBJECT, SUBJECT),
    ],
)
def test_what_was_removed_comes_in_again_only_if_the_project_says_so(
    filled: Archive, make: Make, level: Removable, name: str
) -> None:
    remove(filled, level, name)
    with pytest.raises(Refused, match="was removed from this project"):
        filled.admit(make(2), "open", None, "ada")
    with filled.engine.begin() as connection:
        connection.execute(update(schema.project).values(readmit=True))
    instance = filled.admit(make(2), "open", None, "ada")
    with filled.engine.begin() as connection:
        row = connection.execute(select(schema.instance).where(schema.instance.c.digest == instance.digest)).one()
    assert row.SOPInstanceUID == "2.25.4.2"


def test_the_headers_of_the_rest_can_be_read_and_that_of_the_removed_is_nowhere(archive: Archive, make: Make) -> None:
    def secret(dataset: Dataset) -> None:
        dataset.StudyDescription = "the first series says this"

    archive.admit(make(1, secret), "open", None, "ada")
    for number in (2, 3):
        archive.admit(make(number), "open", None, "ada")
    remove(archive, Removable.INSTANCE, "2.25.4.1")
    with archive.engine.begin() as connection:
        ids = connection.scalars(select(schema.instance.c.id).order_by(schema.instance.c.id)).all()
        texts = list(headers.read(connection, 1, ids))
        dictionary = connection.scalar(select(schema.header_dictionary.c.document))
    assert [b"2.25.4.%d" % number in text for number, text in zip((2, 3), texts, strict=True)] == [True, True]
    assert b"the first" not in b"".join(texts)
    assert b"the first" not in headers.dicomjson.unpack(dictionary or b"")


def test_bytes_that_another_row_names_stay(filled: Archive, make: Make) -> None:
    with filled.engine.begin() as connection:
        row = connection.execute(select(schema.instance).where(schema.instance.c.SOPInstanceUID == "2.25.4.2")).one()
        collection.discard(connection, [Address(row.key_id, row.digest, row.size)])
    filled.collect()
    assert objects(filled) == 7


def test_a_resource_and_one_of_its_files_can_go_alone(filled: Archive) -> None:
    assert filled.detach(1, "other.npy", who="olga", reason="x") == 0
    assert filled.detach(1, "x.npy", who="olga", reason="x") == 1
    assert filled.detach(2, who="olga", reason="x") == 1
    assert count(filled, schema.resource, schema.resource_file) == [1, 0]
    assert objects(filled) == 5
