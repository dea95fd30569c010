"""A subject withdraws: nothing of it can be read, from a copy of all the bytes neither, and nothing comes in again."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from sqlalchemy import func, inspect, select

from cohortium.archive import Address, Archive, Destination, Kind, Level, Objects, Offer, Wish, withdrawal
from cohortium.archive.prearchive import of, opened
from cohortium.archive.storage import Folder
from cohortium.errors import Corrupt, Refused
from cohortium.store import schema

Make = Callable[..., bytes]
GONE, OTHER = "0123456789ABCDEF", "FEDCBA9876543210"


def other(dataset: Dataset) -> None:
    dataset.PatientID = dataset.PatientName = OTHER
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = "2.25.71", "2.25.72", "2.25.73"


@pytest.fixture
def filled(archive: Archive, make: Make) -> Archive:
    for number in (1, 2):
        archive.admit(make(number), "open", None, "ada")
    archive.admit(make(change=other), "open", None, "ada")
    file = io.BytesIO()
    np.save(file, np.arange(3), allow_pickle=False)
    archive.attach(io.BytesIO(file.getvalue()), Destination(Level.SUBJECT, 1, Kind.MASK, "m", "m.npy"), "open", "ada")
    return archive


def places(archive: Archive) -> list[Address]:
    with archive.engine.begin() as connection:
        rows = connection.execute(select(*Address.columns(schema.instance)).order_by(schema.instance.c.id))
        return [Address(*row) for row in rows]


def test_its_key_and_rows_and_bytes_are_gone_and_a_copy_of_the_bytes_is_worth_nothing(
    filled: Archive, tmp_path: Path
) -> None:
    *gone, stays = places(filled)
    shutil.copytree(filled.objects.storage.path, tmp_path / "copy")
    filled.withdraw("open", GONE, who="olga", reason="asked by letter")
    copy = Objects(Folder(tmp_path / "copy"), filled.objects.keys)
    for at in gone:
        with pytest.raises(Corrupt, match="data key"):
            copy.get(at)
    assert copy.get(stays) == filled.objects.get(stays)
    assert len(list(filled.objects.storage.names())) == 1
    assert places(filled) == [stays]
    tables = (schema.subject, schema.session, schema.scan, schema.header, schema.resource, schema.garbage)
    with filled.engine.begin() as connection:
        assert [connection.scalar(select(func.count()).select_from(table)) for table in tables] == [1, 1, 1, 1, 0, 0]


def test_nothing_of_the_subject_is_admitted_any_more_whatever_the_policy(filled: Archive, make: Make) -> None:
    filled.withdraw("open", GONE, who="olga", reason="asked by letter")
    with filled.engine.begin() as connection:
        connection.execute(schema.project.update().values(readmit=True))
    for number in (1, 9):
        with pytest.raises(Refused, match="withdrawn"):
            filled.admit(make(number), "open", None, "ada")
    with pytest.raises(Refused, match="withdrawn"):
        filled.objects.keys.of(1, GONE)
    filled.admit(make(change=other), "open", None, "ada")


def test_another_process_that_still_knows_the_key_names_nothing_under_it(filled: Archive, make: Make) -> None:
    content = make(7)
    key = filled.objects.keys.of(1, GONE)
    filled.withdraw("open", GONE, who="olga", reason="asked by letter")
    filled.objects.keys._ids[1, GONE] = key  # as in a process that was not told
    with pytest.raises((Refused, Corrupt)):
        filled.admit(content, "open", None, "ada")
    assert len(places(filled)) == 1


def test_a_restored_store_is_made_to_forget_again(filled: Archive, make: Make) -> None:
    entry = withdrawal.Withdrawal("open", GONE, "asked by letter", "olga", "2026-11-22T00:00:00.000000+00:00")
    elsewhere = withdrawal.Withdrawal("another", GONE, "", "", "")
    with filled.engine.begin() as connection:
        destroyed = withdrawal.replay(connection, [entry, elsewhere])
        assert withdrawal.replay(connection, [entry]) == []
        assert withdrawal.journal(connection) == [entry]
    filled.collect()
    assert len(destroyed) == 1
    assert len(list(filled.objects.storage.names())) == 1


def test_a_mistyped_subject_withdraws_nobody(filled: Archive) -> None:
    for name in ("0123456789ABCDE", ""):
        with pytest.raises(Refused, match="no such subject"):
            filled.withdraw("open", name, who="olga", reason="x")
    assert len(places(filled)) == 3


def test_the_key_is_not_left_in_the_file_of_the_store(filled: Archive) -> None:
    if filled.engine.dialect.name != "sqlite":
        pytest.skip("of PostgreSQL's files only its own server knows; VACUUM is all that can be asked for")
    with filled.engine.begin() as connection:
        query = select(schema.data_key.c.wrapped).where(schema.data_key.c.PatientID == GONE)
        wrapped = connection.scalar(query)
    files = list(Path(filled.engine.url.database or "").parent.glob("cohortium.sqlite*"))
    assert any(wrapped in file.read_bytes() for file in files)
    filled.withdraw("open", GONE, who="olga", reason="asked by letter")
    assert not any(wrapped in file.read_bytes() for file in files if file.exists())


def test_every_table_that_names_a_subject_or_its_key_is_thought_of(archive: Archive) -> None:
    """A table that comes later, and holds what a withdrawal must take, fails here."""
    columns = {
        (table, column["name"])
        for table in inspect(archive.engine).get_table_names()
        for column in inspect(archive.engine).get_columns(table)
    }
    keyed = {table for table, name in columns if name == "key_id"}
    assert keyed == {"instance", "earlier_version", "resource_file", "prearchive", "pack", "garbage", "withdrawal"}
    named = {table for table, name in columns if name == "PatientID"}
    assert named == {"subject", "data_key", "withdrawal", "dataset_file", "item"}


def test_what_waits_of_the_subject_goes_with_it_and_nothing_in_the_store_says_whose_it_was(
    archive: Archive, make: Make, tmp_path: Path
) -> None:
    def named(dataset: Dataset) -> None:
        dataset.PatientName = "Mustermann^Erika"

    def another(dataset: Dataset) -> None:
        other(dataset)
        named(dataset)

    archive.admit_all([Offer(make(change=named), None), Offer(make(change=another), None)], "open", "ada", aside=True)
    archive.put_aside([make(2)], "open", "ada", "2026")
    with archive.engine.begin() as connection:
        keys = connection.scalars(select(schema.data_key.c.PatientID)).all()
        rows = connection.execute(select(schema.prearchive).order_by(schema.prearchive.c.id)).mappings().all()
    assert len(keys) == 2
    assert not {GONE, OTHER} & set(keys)
    held = [of(row).address for row in rows]
    shutil.copytree(archive.objects.storage.path, tmp_path / "copy")
    archive.withdraw("open", GONE, who="olga", reason="asked by letter")
    copy = Objects(Folder(tmp_path / "copy"), archive.objects.keys)
    for at in (held[0], held[2]):
        with pytest.raises(Corrupt, match="data key"):
            copy.get(at)
    assert opened(copy, held[1])[1] == make(change=another)
    with archive.engine.begin() as connection:
        assert connection.scalars(select(schema.prearchive.c.id)).all() == [rows[1]["id"]]
    assert len(list(archive.objects.storage.names())) == 1
    (answer,) = archive.admit_all([Offer(make(change=named), None)], "open", "ada", aside=True)
    assert "withdrawn" in str(answer)
    with pytest.raises(Refused, match="withdrawn"):
        archive.put_aside([make(2)], "open", "ada", "2026")
    assert len(list(archive.objects.storage.names())) == 1


def test_what_waits_for_a_wished_subject_goes_with_that(archive: Archive, make: Make) -> None:
    with archive.engine.begin() as connection:
        connection.execute(schema.project.update().values(admit="trusted"))
    archive.put_aside([make(1)], "open", "ada", "2026", Wish("case_1", "visit_1"))
    with pytest.raises(Refused, match="no such subject"):
        archive.withdraw("open", GONE, who="olga", reason="asked by letter")
    archive.withdraw("open", "case_1", who="olga", reason="asked by letter")
    assert list(archive.objects.storage.names()) == []
