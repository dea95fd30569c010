"""What the check refused: sealed, seen by owners alone, mended or gone; and nothing of it in the clear."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import select, update

from cohortium import find
from cohortium.archive import Archive, Destination, Kind, Level, Offer, ResourceFile
from cohortium.archive.prearchive import Held, opened
from cohortium.config import Project
from cohortium.errors import Refused
from cohortium.govern import grants, users
from cohortium.govern.roles import Role, Standing
from cohortium.govern.users import User
from cohortium.store import schema
from cohortium.values import Protocol
from foreign_files import nifti, npy

OPEN = 1  # the row of that project
NAME = "Mustermann"
TO = Destination(Level.PROJECT, None, Kind.MASK, "segmentation", f"{NAME}.npy")


def person(archive: Archive, name: str, role: Role) -> User:
    with archive.engine.begin() as connection:
        users.create(connection, name)
        user_id = connection.scalar(select(schema.user.c.id).where(schema.user.c.name == name))
        grants.give(connection, user_id, OPEN, role)
    return User(user_id, name, Standing.PERSON, must_choose=False)


def waiting(archive: Archive, who: User) -> list[Held]:
    with archive.engine.begin() as connection:
        return find.waiting_in(connection, who, OPEN)


@pytest.fixture
def owner(archive: Archive) -> User:
    return person(archive, "olga", Role.OWNER)


def refuse(archive: Archive, content: bytes = b"", to: Destination = TO) -> str:
    with pytest.raises(Refused, match="waits in the prearchive") as refusal:
        archive.attach(io.BytesIO(content or npy(1)), to, "open", "mona", aside=True)
    return str(refusal.value)


def test_a_refused_file_waits_with_the_reason_and_without_a_value(
    archive: Archive, owner: User, tmp_path: Path
) -> None:
    told = refuse(archive, nifti(descrip=NAME))
    (entry,) = waiting(archive, owner)
    assert "descrip" in entry.reason
    assert NAME not in told + entry.reason
    assert (entry.by, entry.kind, entry.offered) == ("mona", "file", len(nifti()))
    assert opened(archive.objects, entry.address) == (TO, nifti(descrip=NAME))
    assert opened(archive.objects, entry.address, whole=False)[0] == TO
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert NAME.encode() not in path.read_bytes()


def test_only_owners_see_the_prearchive(archive: Archive, owner: User) -> None:
    refuse(archive)
    (entry,) = waiting(archive, owner)
    for role in (Role.MEMBER, Role.COLLABORATOR):
        other = person(archive, role.value, role)
        assert waiting(archive, other) == []
        with archive.engine.begin() as connection:
            assert find.waiting(connection, other, entry.id) is None


def test_a_file_is_mended_by_another_name(archive: Archive, owner: User) -> None:
    refuse(archive)
    (entry,) = waiting(archive, owner)
    with pytest.raises(Refused):
        archive.reoffer(entry.id, "olga")
    assert len(waiting(archive, owner)) == 1
    made = archive.reoffer(entry.id, "olga", replace(TO, name="mask.npy"))
    assert isinstance(made, ResourceFile)
    assert (made.name, made.by) == ("mask.npy", "olga")
    assert waiting(archive, owner) == []
    with pytest.raises(Refused, match="no more"):
        archive.reoffer(entry.id, "olga")


def test_an_image_waits_until_its_project_would_take_it(
    archive: Archive, owner: User, make: Callable[..., bytes], protocol: Protocol
) -> None:
    def named(dataset: Dataset) -> None:
        dataset.PatientName = NAME

    offers = [Offer(make(1), None), Offer(make(2, named), None), Offer(b"no DICOM at all", None)]
    first, second, third = archive.admit_all(offers, "open", "mona", aside=True)
    assert not isinstance(first, Refused)
    assert isinstance(second, Refused)
    assert isinstance(third, Refused)
    (entry,) = waiting(archive, owner)
    assert "PatientName" in entry.reason
    archive.open_project(Project("open", "Open", "trusted"), protocol)
    assert archive.reoffer(entry.id, "olga").SOPInstanceUID.endswith(".2")


def test_what_is_dropped_or_too_old_leaves_no_byte(archive: Archive, owner: User) -> None:
    for number in range(3):
        refuse(archive, npy(number))
    entries = waiting(archive, owner)
    archive.drop(entries[0].id, "olga")
    ago = (datetime.now(UTC) - timedelta(minutes=1)).isoformat(timespec="microseconds")
    with archive.engine.begin() as connection:
        connection.execute(update(schema.prearchive).where(schema.prearchive.c.id == entries[1].id).values(expires=ago))
    assert archive.expire() == 1
    assert [each.id for each in waiting(archive, owner)] == [entries[2].id]
    assert [archive.objects.holds(each.address) for each in entries] == [False, False, True]


def test_a_project_without_a_prearchive_keeps_nothing(archive: Archive, owner: User, protocol: Protocol) -> None:
    archive.open_project(Project("open", "Open", "check", prearchive_days=0), protocol)
    with pytest.raises(Refused) as refusal:
        archive.attach(io.BytesIO(npy(1)), TO, "open", "mona", aside=True)
    assert "prearchive" not in str(refusal.value)
    assert waiting(archive, owner) == []


def test_nothing_waits_that_was_not_refused_by_the_check(archive: Archive, owner: User) -> None:
    with pytest.raises(Refused, match="receipt"):
        archive.attach(io.BytesIO(npy(1)), TO, "sealed", "mona", aside=True)
    with pytest.raises(Refused, match="no such subject"):
        archive.attach(io.BytesIO(npy(1)), replace(TO, level=Level.SUBJECT, of=7), "open", "mona", aside=True)
    assert waiting(archive, owner) == []
