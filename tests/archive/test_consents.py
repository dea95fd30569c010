"""Consent records, and the videos that need one: who sees them, and that they go with it."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from cohortium import find
from cohortium.archive import Archive, Destination, Kind, Level, consents
from cohortium.archive.consents import Record, Scope
from cohortium.errors import Corrupt, Refused
from cohortium.govern import grants, users
from cohortium.govern.roles import Role, Standing
from cohortium.govern.users import User
from cohortium.store import schema
from foreign_files import mp4, npy

OPEN = 1
RECORD = Record("C-17", Scope.PROJECT, "ward", "2026-01-31")
VIDEO = Destination(Level.PROJECT, None, Kind.VIDEO, "gait", "walk.mp4", consent="C-17")


def person(archive: Archive, name: str, role: Role) -> User:
    with archive.engine.begin() as connection:
        users.create(connection, name)
        user_id = connection.scalar(select(schema.user.c.id).where(schema.user.c.name == name))
        grants.give(connection, user_id, OPEN, role)
    return User(user_id, name, Standing.PERSON, must_choose=False)


@pytest.fixture
def record(archive: Archive) -> int:
    with archive.engine.begin() as connection:
        return consents.record(connection, OPEN, RECORD, "olga")


def film(archive: Archive, to: Destination = VIDEO, content: bytes = b"") -> None:
    archive.attach(io.BytesIO(content or mp4()), replace(to, name="scan.mp4"), "open", "olga")


def videos(archive: Archive, who: User) -> list[find.FileRow]:
    with archive.engine.begin() as connection:
        return [file for each in find.resources(connection, who, OPEN) for file in each.files]


def test_a_video_needs_a_consent_record_that_holds(archive: Archive) -> None:
    with pytest.raises(Refused, match="needs a consent record"):
        film(archive)


def test_a_video_belongs_to_no_subject(archive: Archive, record: int) -> None:
    with archive.engine.begin() as connection:
        connection.execute(schema.subject.insert().values(project_id=OPEN, PatientID="S-0001"))
    with pytest.raises(Refused, match="apart from subjects"):
        film(archive, replace(VIDEO, level=Level.SUBJECT, of=1))


def test_nothing_but_a_video_is_a_video(archive: Archive, record: int) -> None:
    for to, content in ((VIDEO, npy(1)), (replace(VIDEO, kind=Kind.DOCUMENT), mp4())):
        with pytest.raises(Refused, match="kind video"):
            film(archive, to, content)


def test_owners_and_those_named_see_a_video_and_nobody_else(archive: Archive, record: int) -> None:
    film(archive)
    owner, member, named = (
        person(archive, name, role)
        for name, role in (("olga", Role.OWNER), ("mona", Role.MEMBER), ("nina", Role.COLLABORATOR))
    )
    with archive.engine.begin() as connection:
        consents.name_viewer(connection, record, "nina", "olga")
    (video,) = videos(archive, owner)
    assert videos(archive, member) == []
    assert videos(archive, named) == [video]
    with archive.engine.begin() as connection:
        assert find.resource_file_of(connection, member, video.id) is None
        assert find.consents(connection, member, OPEN) == []
        (row,) = find.consents(connection, owner, OPEN)
        assert (row.reference, row.files, row.viewers) == ("C-17", 1, ("nina",))
        consents.unname_viewer(connection, record, "nina")
    assert videos(archive, named) == []


def test_a_resource_refers_to_one_record(archive: Archive, record: int) -> None:
    film(archive)
    with archive.engine.begin() as connection:
        consents.record(connection, OPEN, replace(RECORD, reference="C-18"), "olga")
    with pytest.raises(Refused, match="another consent record"):
        film(archive, replace(VIDEO, consent="C-18"))


def test_withdrawal_of_consent_destroys_what_was_filmed(archive: Archive, record: int, tmp_path: Path) -> None:
    film(archive)
    owner = person(archive, "olga", Role.OWNER)
    (video,) = videos(archive, owner)
    archive.withdraw_consent("open", "C-17", who="olga", reason="asked for it")
    assert videos(archive, owner) == []
    with pytest.raises(Corrupt):
        archive.objects.get(video.address)
    with archive.engine.begin() as connection:
        (row,) = find.consents(connection, owner, OPEN)
    assert row.withdrawn
    assert row.files == 0
    with pytest.raises(Refused, match="needs a consent record"):
        film(archive)


def test_a_record_without_a_video_can_be_withdrawn_once_it_is_there(archive: Archive, record: int) -> None:
    archive.withdraw_consent("open", "C-17", who="olga", reason="asked for it")
    with pytest.raises(Refused, match="no record"):
        archive.withdraw_consent("open", "C-18", who="olga", reason="asked for it")


@pytest.mark.parametrize(
    "wrong",
    [{"reference": ""}, {"reference": "Erika Mustermann"}, {"reference": "x" * 41}, {"reference": "a\\b"},
     {"holder": ""}, {"holder": "Dr. Mustermann"}, {"date": "31.1.2026"}, {"date": ""}, {"date": "2999-01-01"}],
)  # fmt: skip
def test_a_record_has_no_room_for_a_name_or_a_form(archive: Archive, wrong: dict[str, str]) -> None:
    with archive.engine.begin() as connection, pytest.raises(Refused):
        consents.record(connection, OPEN, replace(RECORD, **wrong), "olga")


def test_a_reference_is_recorded_once(archive: Archive, record: int) -> None:
    with archive.engine.begin() as connection, pytest.raises(Refused, match="already"):
        consents.record(connection, OPEN, RECORD, "olga")


def test_the_table_holds_no_more_than_a_record(archive: Archive) -> None:
    """A form has no column to go to."""
    columns = {column.name for column in schema.consent.columns}
    assert columns == {"id", "project_id", "reference", "scope", "holder", "date", "by", "created", "withdrawn"}
    assert all(column.type.length <= 64 for column in schema.consent.columns if hasattr(column.type, "length"))
