"""Files beside the images: where they go, their versions, and who sees them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from cohortium import find
from cohortium.archive import Archive, Destination, Kind, Level
from cohortium.config import Project
from cohortium.errors import Refused
from cohortium.govern import grants, users
from cohortium.govern.roles import Role, Standing
from cohortium.govern.users import User
from cohortium.prove import receipts
from cohortium.store import schema
from cohortium.values import Protocol
from cohortium.wire.multipart import TooLarge

OPEN = 1  # the row of that project
MASK = Destination(Level.PROJECT, None, Kind.MASK, "segmentation", "mask.npy")


def array(*numbers: float) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array(numbers, "<f4"), allow_pickle=False)
    return file.getvalue()


def attach(archive: Archive, content: bytes, to: Destination = MASK, project: str = "open", **rest: object):
    return archive.attach(io.BytesIO(content), to, project, "anna", **rest)


@pytest.fixture
def owner(archive: Archive) -> User:
    return person(archive, "olga", Role.OWNER)


def person(archive: Archive, name: str, role: Role | None) -> User:
    with archive.engine.begin() as connection:
        users.create(connection, name)
        user_id = connection.scalar(select(schema.user.c.id).where(schema.user.c.name == name))
        if role:
            grants.give(connection, user_id, OPEN, role)
    return User(user_id, name, Standing.PERSON, must_choose=False)


def listed(archive: Archive, who: User, level: Level | None = None, of: int | None = None) -> list[find.ResourceRow]:
    with archive.engine.begin() as connection:
        return find.resources(connection, who, OPEN, level, of)


def test_other_bytes_under_a_name_are_a_new_version_and_the_first_stays(archive: Archive, owner: User) -> None:
    first, again, second = (attach(archive, array(*each)) for each in ((1, 2), (1, 2), (3,)))
    assert (first.version, again, second.version) == (1, first, 2)
    (resource,) = listed(archive, owner)
    (file,) = resource.files
    assert (file.name, file.version, file.versions, file.digest) == ("mask.npy", 2, 2, second.digest)
    with archive.engine.begin() as connection:
        versions = find.resource_versions(connection, owner, file.id)
        audited = connection.scalars(select(schema.audit.c.object).where(schema.audit.c.what == "attach")).all()
    assert audited == [f"open/{each.digest}" for each in (first, second)]
    assert [each.digest for each in versions] == [second.digest, first.digest]
    assert (versions[1].by, versions[1].admitted, versions[1].media_type) == ("anna", "check", "application/x-npy")


def test_each_level_has_its_own_resources(archive: Archive, owner: User, make: Callable[..., bytes]) -> None:
    archive.admit(make(), "open", None, who="anna")
    for level in Level:
        attach(archive, array(1), replace(MASK, level=level, of=None if level is Level.PROJECT else 1))
    for level in Level:
        (found,) = listed(archive, owner, level, 1)
        ancestors = [found.subject_id, found.session_id, found.scan_id]
        assert ancestors.count(1) == list(Level).index(level)
    assert len(listed(archive, owner)) == 4


def test_what_is_elsewhere_is_nowhere(archive: Archive, make: Callable[..., bytes], protocol: Protocol) -> None:
    archive.admit(make(), "open", None, who="anna")
    archive.open_project(Project("second", "", "check"), protocol)
    with pytest.raises(Refused, match="no such subject"):
        attach(archive, array(1), replace(MASK, level=Level.SUBJECT, of=1), "second")
    attach(archive, array(1))
    with pytest.raises(Refused, match="kind mask"):
        attach(archive, array(1), replace(MASK, kind=Kind.FEATURES))


def test_only_who_may_read_the_project_sees_its_files(archive: Archive, owner: User) -> None:
    file = attach(archive, array(1))
    stranger = person(archive, "sven", None)
    assert listed(archive, stranger) == []
    with archive.engine.begin() as connection:
        assert find.resource_file_of(connection, stranger, file.id) is None
        assert find.resource_versions(connection, stranger, file.id) == []
        assert find.resource_file_of(connection, owner, file.id).digest == file.digest


def test_every_version_can_be_read(archive: Archive, owner: User) -> None:
    files = [attach(archive, array(number)) for number in (1, 2)]
    with archive.engine.begin() as connection:
        found = [find.resource_file_of(connection, owner, file.id) for file in files]
    assert [archive.objects.get(each.address) for each in found] == [array(1), array(2)]


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../mask.npy", "a/../mask.npy", "/mask.npy", "a//mask.npy", ".hidden", "mask npy", "mask\\x.npy",
     "mask\n.npy", "mäsk.npy", "a/" * 9 + "mask.npy", "m" * 300, "-rf", "mask.npy/", "mask:npy", "%2e%2e/mask"],
)  # fmt: skip
def test_a_name_leads_nowhere_else(archive: Archive, name: str) -> None:
    with pytest.raises(Refused, match="file name"):
        attach(archive, array(1), replace(MASK, name=name))


@pytest.mark.parametrize("name", ["Mustermann_Erika_mask.npy", "19540723.npy", "4711-0815.npy", "mask/Schmidt.npy"])
def test_a_name_names_nobody(archive: Archive, name: str) -> None:
    with pytest.raises(Refused, match="its name") as refusal:
        attach(archive, array(1), replace(MASK, name=name))
    assert not any(part in str(refusal.value) for part in ("Mustermann", "1954", "4711", "Schmidt"))


def test_a_name_may_hold_the_pseudonym(archive: Archive, make: Callable[..., bytes]) -> None:
    name = "sub-01/0123456789ABCDEF_T2w_mask_v2.npy"
    with pytest.raises(Refused, match="its name"):
        attach(archive, array(1), replace(MASK, name=name))
    archive.admit(make(), "open", None, who="anna")
    assert attach(archive, array(1), replace(MASK, name=name)).name == name


def test_a_path_is_read_unless_it_is_a_link_or_too_large(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(array(1))
    (tmp_path / "link.npy").symlink_to(tmp_path / "x.npy")
    assert archive.attach(tmp_path / "x.npy", MASK, "open", "anna").size == len(array(1))
    for path in (tmp_path / "link.npy", tmp_path, tmp_path / "gone.npy", Path("/dev/zero")):
        with pytest.raises(Refused):
            archive.attach(path, MASK, "open", "anna")
    with pytest.raises(TooLarge):
        attach(archive, bytes(1001), limit=1000)


def test_a_project_that_wants_receipts_takes_a_file_with_one(archive: Archive) -> None:
    key, content = Ed25519PrivateKey.generate(), array(1)
    with pytest.raises(Refused, match="receipt"):
        attach(archive, content, project="sealed")
    archive.enrol("ward", key.public_key().public_bytes_raw().hex())
    words = {"site": "ward", "project": "sealed", "protocol": "ab" * 32}
    receipt = receipts.sign(key, digest=sha256(content).hexdigest(), **words)
    file = attach(archive, content, project="sealed", receipt=receipt)
    assert (file.admitted, file.site) == ("receipt", "ward")
    with pytest.raises(Refused, match="other bytes"):
        attach(archive, array(2), project="sealed", receipt=receipt)


def test_a_trusted_project_takes_any_text_and_still_no_unknown_type(
    archive: Archive, make: Callable[..., bytes], protocol: Protocol
) -> None:
    archive.open_project(Project("lax", "", "trusted"), protocol)
    file = attach(archive, array(1), replace(MASK, name="Schmidt.npy"), "lax")
    assert file.admitted == "trusted"
    with pytest.raises(Refused, match="no type"):
        attach(archive, b"MZ" + bytes(100), project="lax")
    plain = make(1, lambda dataset: dataset.__delattr__("PatientIdentityRemoved"))
    assert archive.admit(plain, "lax", None, who="anna").size == len(plain)
