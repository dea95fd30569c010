"""A protocol is approved by somebody else than its author, and the site's key says so; no row in a database does."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, update

from cohortium.errors import Refused
from cohortium.govern import approvals
from cohortium.govern.approvals import Phase
from cohortium.govern.roles import Standing
from cohortium.govern.users import User
from cohortium.keys import SiteKey
from cohortium.store import open_store
from cohortium.store.schema import protocol_approval

SIGNER = SiteKey(bytes(range(32))).signer()
KEY = SIGNER.public_key()
DIGEST = "ab" * 32
ADA, BOB = User(1, "ada", Standing.ADMINISTRATOR, False), User(2, "bob", Standing.COMMITTEE, False)
EVE = User(3, "eve", Standing.PERSON, False)


@pytest.fixture
def engine(place: Path | str) -> Engine:
    return open_store(place)


def holds(connection: Connection) -> bool:
    return approvals.approved(connection, KEY, [DIGEST, "cd" * 32]) == {DIGEST}


def test_from_draft_to_retired(engine: Engine) -> None:
    with engine.begin() as connection:
        assert not approvals.any_submitted(connection)
        approvals.submit(connection, DIGEST, "lung 1", EVE)
        assert not holds(connection)
        made = approvals.approve(connection, SIGNER, DIGEST[:12], BOB)
        assert (made.phase, made.author, made.approver) == (Phase.APPROVED, "eve", "bob")
        assert holds(connection)
        approvals.retire(connection, SIGNER, DIGEST, ADA)
        assert not holds(connection)
        assert [each.phase for each in approvals.listed(connection)] == [Phase.RETIRED]
        for act in (approvals.approve, approvals.retire):
            with pytest.raises(Refused):
                act(connection, SIGNER, DIGEST, BOB)
        with pytest.raises(Refused, match="before"):
            approvals.submit(connection, DIGEST, "lung 1", ADA)


def test_nobody_approves_their_own_or_without_the_standing(engine: Engine) -> None:
    with engine.begin() as connection:
        approvals.submit(connection, DIGEST, "lung 1", ADA)
        for who, why in ((ADA, "somebody else"), (EVE, "no administrator or committee")):
            with pytest.raises(Refused, match=why):
                approvals.approve(connection, SIGNER, DIGEST, who)
        assert not holds(connection)


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "cd" * 32},
        {"name": "other"},
        {"author": "mallory"},
        {"approver": "mallory"},
        {"retired": "", "retirer": ""},
        {"signature": ""},
        {"signature": "zz"},
    ],
)
def test_who_writes_in_the_database_approves_nothing(engine: Engine, change: dict[str, str]) -> None:
    with engine.begin() as connection:
        approvals.submit(connection, DIGEST, "lung 1", ADA)
        approvals.approve(connection, SIGNER, DIGEST, BOB)
        if "retired" in change:
            approvals.retire(connection, SIGNER, DIGEST, BOB)
        connection.execute(update(protocol_approval).values(**change))
        assert approvals.approved(connection, KEY, [DIGEST, "cd" * 32]) == frozenset()


def test_another_sites_key_approves_nothing_here(engine: Engine) -> None:
    with engine.begin() as connection:
        approvals.submit(connection, DIGEST, "lung 1", ADA)
        approvals.approve(connection, SiteKey(bytes(32)).signer(), DIGEST, BOB)
        assert not holds(connection)


def test_a_digest_must_mean_one(engine: Engine) -> None:
    with engine.begin() as connection:
        for number, digest in enumerate((DIGEST, DIGEST[:-1] + "c")):
            approvals.submit(connection, digest, f"lung {number}", ADA)
        for unclear in (DIGEST[:20], "ab", "cd" * 32):
            with pytest.raises(Refused, match="no single"):
                approvals.approve(connection, SIGNER, unclear, BOB)
