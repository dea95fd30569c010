"""A protocol that nobody but its author approved holds everything until somebody else does; no release replaces it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from cohortium import gateway, keys
from cohortium.archive import Archive, storage_of
from cohortium.config import Config, load
from cohortium.deidentify import load_protocol
from cohortium.gateway.chain import Chain
from cohortium.govern import approvals
from cohortium.govern.roles import Standing
from cohortium.govern.users import User
from cohortium.spool import Decision, Spool, Verdict, choose
from cohortium.store import open_store
from cohortium.values import Reason, State
from hospital import slice_of

ADA, BOB = User(1, "ada", Standing.ADMINISTRATOR, False), User(2, "bob", Standing.COMMITTEE, False)
CONFIGURATION = """
[[project]]
name = "study"
[[pipeline]]
name = "all"
source = "incoming"
project = "study"
gate = false
"""


@pytest.fixture
def site(tmp_path: Path) -> Config:
    keys.create(tmp_path / "keys" / "site.key")
    (tmp_path / "cohortium.toml").write_text(CONFIGURATION)
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "1.dcm").write_bytes(slice_of(1))
    return load(tmp_path / "cohortium.toml")


@contextmanager
def opened(site: Config) -> Iterator[tuple[Spool, Chain]]:
    """The spool and the chain as the service has them."""
    key, engine = keys.load(site.site.key, site.site.data), open_store(site)
    with Spool(engine, site.site.data / "spool", key) as spool:
        archive = Archive(engine, storage_of(site), key)
        yield spool, Chain(site, key, spool, archive, lambda *_: None, approval=site.gateway.require_approval)


def approve(site: Config) -> None:
    signer, digest = keys.load(site.site.key, site.site.data).signer(), load_protocol("basic").digest
    with open_store(site).begin() as connection:
        approvals.submit(connection, digest, "basic 1", ADA)
        approvals.approve(connection, signer, digest, BOB)


def test_it_is_held_until_somebody_else_approves(site: Config) -> None:
    digest = load_protocol("basic").digest
    with open_store(site).begin() as connection:
        approvals.submit(connection, digest, "basic 1", ADA)
    states = gateway.run(site, lambda *_: None).states
    assert states["held"] == 1
    with opened(site) as (spool, chain):
        chain.check(lambda *_: True)
        with spool.reading() as connection:
            (item,) = choose(connection, reason=Reason.PROTOCOL)
        assert digest[:12] in (item.set_aside.detail if item.set_aside else "")
        assert spool.decide([item], Decision(Verdict.RELEASE, "eve", "it is fine")) == 0
        with spool.engine.begin() as connection:
            approvals.approve(connection, keys.load(site.site.key, site.site.data).signer(), digest, BOB)
        chain.check(lambda *_: True)
        assert spool.count(State.OUTBOX) == 1


def test_what_comes_after_it_was_retired_is_held(site: Config) -> None:
    approve(site)
    assert gateway.run(site, lambda *_: None).states["sent"] == 1
    with open_store(site).begin() as connection:
        signer = keys.load(site.site.key, site.site.data).signer()
        approvals.retire(connection, signer, load_protocol("basic").digest, BOB)
    (site.pipelines[0].source / "2.dcm").write_bytes(slice_of(2, series=2))
    states = gateway.run(site, lambda *_: None).states
    assert (states["sent"], states["held"]) == (1, 1)


@pytest.mark.parametrize(("required", "state"), [(True, State.HELD), (False, State.OUTBOX)])
def test_the_service_demands_it_unless_told_otherwise(site: Config, required: bool, state: State) -> None:
    site = replace(site, gateway=replace(site.gateway, require_approval=required))
    with opened(site) as (spool, chain):
        from cohortium.acquire import folder
        from cohortium.spool import Came

        list(folder.acquire(site.pipelines[0].source, spool, Came("all.folder", "all"), 10**9))
        chain.deidentify()
        chain.check(lambda *_: True)
        assert spool.count(state) == 1


def test_a_first_try_needs_no_second_person(site: Config) -> None:
    assert gateway.run(site, lambda *_: None).states["sent"] == 1
