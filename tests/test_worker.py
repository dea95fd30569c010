"""The worker: what it does with jobs that succeed, fail, take long or come by themselves."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

import portal_site
from cohortium import backup, keys, worker
from cohortium.archive import Archive, storage_of
from cohortium.config import Config
from cohortium.errors import Corrupt, Refused, Unavailable
from cohortium.govern import grants, logins, users
from cohortium.govern.roles import Role, Standing
from cohortium.prove import audit
from cohortium.store import jobs, open_store
from cohortium.store.schema import audit_head, job, login, project, usage, user
from cohortium.worker import KINDS, Kind, Site, work
from inbox import Inbox
from waiting import PATIENCE, not_around_midnight, until

PATIENT = "MUELLER^HANS"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return portal_site.configuration(tmp_path)


def put(config: Config, kind: str, **arguments: Any) -> None:
    with open_store(config).begin() as connection:
        jobs.put(connection, kind, arguments)


def troubles(config: Config) -> list[jobs.Trouble]:
    with open_store(config).begin() as connection:
        return jobs.troubles(connection)


def raising(error: Exception) -> Kind:
    def fail(_site: Site, _arguments: Mapping[str, Any]) -> None:
        raise error

    return Kind(fail)


def test_it_does_what_is_due_with_its_arguments_and_ends(config: Config) -> None:
    seen: list[Any] = []
    put(config, "note", scan=7)
    work(config, once=True, kinds={"note": Kind(lambda _, arguments: seen.append(arguments["scan"]))})
    work(config, once=True, kinds={"note": Kind(lambda _, arguments: seen.append(arguments["scan"]))})
    assert seen == [7]


def test_what_takes_long_keeps_nothing_waiting_but_what_takes_long_too(config: Config) -> None:
    over, order = threading.Event(), list[str]()

    def long(_site: Site, arguments: Mapping[str, Any]) -> None:
        assert over.wait(600)
        order.append(arguments["name"])

    def short(_site: Site, _arguments: Mapping[str, Any]) -> None:
        order.append("short")
        over.set()

    for name in ("first", "second"):
        put(config, "long", name=name)
    put(config, "short")
    work(config, once=True, kinds={"long": Kind(long, long=True), "short": Kind(short)})
    assert order == ["short", "first", "second"]
    assert troubles(config) == []


@pytest.mark.parametrize(
    ("error", "said", "tried_again"),
    [
        (Unavailable("the disk is full"), "the disk is full", True),
        (Refused("no such series"), "no such series", False),
        (ValueError(PATIENT), "ValueError in fail", True),
        (KeyError(PATIENT), "KeyError in fail", True),
    ],
)
def test_a_failure_is_told_without_what_it_may_quote(
    config: Config, caplog: pytest.LogCaptureFixture, error: Exception, said: str, tried_again: bool
) -> None:
    put(config, "note")
    work(config, once=True, kinds={"note": raising(error)})
    (trouble,) = troubles(config)
    assert trouble.why.startswith(said)
    assert (trouble.due is not None) is tried_again
    assert said in caplog.text
    assert PATIENT not in caplog.text + trouble.why


def test_what_never_succeeds_is_given_up_unless_it_comes_by_itself(config: Config) -> None:
    kinds = {"once": raising(OSError()), "hourly": Kind(raising(OSError()).run, every=timedelta(hours=1))}
    for kind in kinds:
        put(config, kind)
    for _ in range(worker.MOST + 2):
        with open_store(config).begin() as connection:
            connection.execute(update(job).where(job.c.due.is_not(None)).values(due="2020"))
        work(config, once=True, kinds=kinds)
    assert [(each.kind, each.due is None) for each in troubles(config)] == [("once", True), ("hourly", False)]


def test_what_comes_by_itself_comes_again(config: Config) -> None:
    seen: list[int] = []
    kinds = {"tick": Kind(lambda _site, _: seen.append(1), every=timedelta(hours=1))}
    work(config, once=True, kinds=kinds)
    assert seen == []  # an hour from the first start, not at each start
    with open_store(config).begin() as connection:
        connection.execute(update(job).values(due="2020"))
    work(config, once=True, kinds=kinds)
    assert seen == [1]
    with open_store(config).begin() as connection:
        due = datetime.fromisoformat(connection.execute(select(job.c.due)).scalar_one())
    assert timedelta(minutes=59) < due - datetime.now(UTC) < timedelta(minutes=61)


def test_a_job_that_takes_longer_than_its_lease_stays_with_its_worker(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease, moment = timedelta(seconds=0.4), datetime.now(UTC)
    monkeypatch.setattr(worker, "LEASE", lease)
    monkeypatch.setattr(jobs, "_now", lambda: moment)
    begun, ended = threading.Event(), threading.Event()

    def slow(_site: Site, _arguments: Mapping[str, Any]) -> None:
        begun.set()
        assert ended.wait(PATIENCE)

    def is_renewed() -> bool:
        with open_store(config).begin() as connection:
            return datetime.fromisoformat(connection.execute(select(job.c.until)).scalar_one()) == moment + lease

    put(config, "slow")
    thread = threading.Thread(target=work, args=(config,), kwargs={"once": True, "kinds": {"slow": Kind(slow)}})
    thread.start()
    assert begun.wait(PATIENCE)
    for _ in range(10):
        moment += 0.75 * lease
        until(is_renewed)
        with open_store(config).begin() as connection:
            assert jobs.lease(connection, ["slow"], timedelta(seconds=1)) is None
    ended.set()
    thread.join()
    with open_store(config).begin() as connection:
        assert connection.execute(select(job)).all() == []


def test_only_the_elected_one_works_beside_servers(config: Config) -> None:
    seen: list[int] = []
    put(config, "note")
    with open_store(config).begin() as connection:
        assert jobs.elect(connection, "another", timedelta(minutes=1))
    work(config, once=True, elected=True, kinds={"note": Kind(lambda _site, _: seen.append(1))})
    assert seen == []
    work(config, once=True, kinds={"note": Kind(lambda _site, _: seen.append(1))})
    assert seen == [1]


def test_the_audit_is_signed_when_enough_was_added(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "UNSIGNED", 3)
    for number in range(7):
        with open_store(config).begin() as connection:
            audit.record(connection, "anna", "admit", f"study/{number}")
        work(config, once=True)
    with open_store(config).begin() as connection:
        assert len(connection.execute(select(audit_head)).all()) == 2
        assert audit.verify_chain(connection) == 7


def test_what_has_ended_is_swept_away(config: Config) -> None:
    with open_store(config).begin() as connection:
        users.create(connection, "anna")
        for hours in (-1, 1):
            logins.open_login(connection, users.named(connection, "anna"), hours)
    put(config, "sweep")
    work(config, once=True)
    with open_store(config).begin() as connection:
        assert len(connection.execute(select(login)).all()) == 1


def test_a_site_with_a_target_is_backed_up_when_it_is_time(config: Config, tmp_path: Path) -> None:
    KINDS["back up"].run(site := Site(config, open_store(config), keys.load(config.site.key, config.site.data)), {})
    settings = replace(config, backup=replace(config.backup, target=str(tmp_path / "away"), hours=2))
    site = replace(site, config=settings)
    backups = tmp_path / "away" / "backups"
    for _ in range(2):
        KINDS["back up"].run(site, {})
    (first,) = backups.iterdir()
    hours_ago = datetime.now(UTC) - timedelta(hours=3)
    first.rename(backups / f"{hours_ago:%Y%m%dT%H%M%S.%fZ}-0000.manifest")
    with pytest.raises(Corrupt, match="another one's"):
        KINDS["back up"].run(site, {})
    first.with_name(f"{hours_ago:%Y%m%dT%H%M%S.%fZ}-0000.manifest").unlink()
    KINDS["back up"].run(site, {})
    assert len(list(backups.iterdir())) == 1


def test_a_key_that_was_destroyed_goes_from_the_target_too(config: Config, tmp_path: Path) -> None:
    settings = replace(config, backup=replace(config.backup, target=str(tmp_path / "away")))
    site = Site(settings, open_store(config), keys.load(config.site.key, config.site.data))
    portal_site.fill(site.engine, config.site.data, "lung", "Lung", portal_site.slices(1))
    KINDS["back up"].run(site, {})
    before = {name: (tmp_path / "away" / name).read_bytes() for name in ("data-keys", "withdrawals")}
    Archive(site.engine, storage_of(config), site.key).withdraw("lung", "S-0001", who="ada", reason="asked")
    work(settings, once=True)
    assert {name: (tmp_path / "away" / name).read_bytes() for name in before} != before
    journal = backup.journal(backup.target_of(settings), site.key)
    assert list(journal) == [("lung", "S-0001")]
    assert len((tmp_path / "away" / "data-keys").read_bytes()) < len(before["data-keys"])


def test_every_kind_is_a_function_of_its_own() -> None:
    assert len({kind.run for kind in KINDS.values()}) == len(KINDS)


def test_an_alarm_is_mailed_to_owners_and_administrators(tmp_path: Path, inbox: tuple[Inbox, int]) -> None:
    box, port = inbox
    section = f'[mail]\nhost = "127.0.0.1"\nport = {port}\nstarttls = false\nsender = "archive@hospital.example"\n'
    config = portal_site.configuration(tmp_path, sections=section + "[quota]\nalarm_instances = 2")
    with portal_site.served(config) as site, site.engine.begin() as connection:
        entry = {"title": "", "admit": "check", "protocol": "", "protocol_digest": "", "created": ""}
        connection.execute(insert(project).values(id=1, name="lung", **entry))
        for number, (name, standing) in enumerate(
            (("olga", Standing.PERSON), ("root", Standing.ADMINISTRATOR), ("anna", Standing.PERSON)), 1
        ):
            users.create(connection, name, standing)
            connection.execute(update(user).where(user.c.id == number).values(email=f"{name}@hospital.example"))
        grants.give(connection, 1, 1, Role.OWNER)
        not_around_midnight()
        today = datetime.now(UTC).date().isoformat()
        connection.execute(insert(usage).values(user_id=3, project_id=1, day=today, bytes=0, instances=2))
        jobs.put(connection, "look for harvest")
    work(config, once=True)
    work(config, once=True)
    messages = [message_from_bytes(each) for each in box.messages]
    assert sorted(each["to"] for each in messages) == ["olga@hospital.example", "root@hospital.example"]
    text = messages[0].get_payload(decode=True)
    assert isinstance(text, bytes)
    assert b"/projects/lung/people" in text
    assert b"anna" not in text
