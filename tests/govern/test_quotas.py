"""Quotas: nobody reads more than they may, however many processes count."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, func, insert, select

from cohortium import config
from cohortium.govern import grants, harvest, quotas, users
from cohortium.govern.grants import Role
from cohortium.govern.harvest import SHARE, TIMES
from cohortium.govern.quotas import Quota, UsedUp, Volume
from cohortium.prove import audit
from cohortium.store import open_store, schema
from cohortium.store.schema import usage
from cohortium.web.meter import Meter

NOW = datetime(2026, 11, 22, 22, tzinfo=UTC)
NONE = config.Quota()
ENTRY = {"admit": "check", "protocol": "", "protocol_digest": "", "created": ""}


@pytest.fixture
def engine(place: Path | str) -> Iterator[Engine]:
    engine = open_store(place)
    with engine.begin() as connection:
        connection.execute(insert(schema.project), [{"id": n, "name": f"p{n}", "title": "", **ENTRY} for n in (1, 2)])
        for name in ("anna", "olga"):
            users.create(connection, name)
        give(connection, Quota())
    yield engine
    engine.dispose()


def give(connection: Connection, quota: Quota) -> None:
    grants.give(connection, users.named(connection, "anna").id, 1, Role.COLLABORATOR, "olga", quota)


def limit(engine: Engine, **quota: int) -> None:
    with engine.begin() as connection:
        give(connection, Quota(**quota))


def counted(engine: Engine) -> Volume:
    with engine.connect() as connection:
        found = connection.execute(select(func.sum(usage.c.bytes), func.sum(usage.c.instances))).one()
    return Volume(*map(int, found))


@pytest.mark.parametrize(
    "quota", [{"bytes_day": 1000}, {"bytes_total": 1000}, {"instances_day": 10}, {"instances_total": 10}]
)
def test_what_may_be_read_is_read_and_no_more(engine: Engine, quota: dict[str, int]) -> None:
    limit(engine, **quota)
    meter = Meter(engine, NONE)
    for _ in range(10):
        meter.charge(1, 1, Volume(100, 1), NOW)
    with pytest.raises(UsedUp) as refused:
        meter.charge(1, 1, Volume(100, 1), NOW)
    assert refused.value.wait == (7200 if "day" in next(iter(quota)) else 86_400)
    meter.charge(1, 2, Volume(100, 1), NOW)  # of another project
    meter.charge(2, 1, Volume(100, 1), NOW)  # by another person


def test_a_new_day_has_a_quota_of_its_own_and_the_total_goes_on(engine: Engine) -> None:
    limit(engine, instances_day=5, instances_total=8)
    meter = Meter(engine, NONE)
    meter.charge(1, 1, Volume(0, 5), datetime.now(UTC))
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    meter.charge(1, 1, Volume(0, 3), tomorrow)
    with pytest.raises(UsedUp, match="Ask its owner"):
        meter.charge(1, 1, Volume(0, 1), tomorrow)


def test_what_a_grant_does_not_say_the_configuration_does_and_0_is_no_limit(engine: Engine) -> None:
    configured = config.Quota(instances_day=3)
    with pytest.raises(UsedUp):
        Meter(engine, configured).charge(1, 1, Volume(0, 4), NOW)
    with pytest.raises(UsedUp):
        Meter(engine, configured).charge(0, 2, Volume(0, 4), NOW)  # a guest, without a grant
    limit(engine, instances_day=0)
    Meter(engine, configured).charge(1, 1, Volume(0, 4), NOW)


def test_many_processes_together_never_let_more_be_read_and_leave_little_unread(engine: Engine) -> None:
    limit(engine, bytes_day=1_000_000, instances_day=1000)
    meters = [Meter(engine, NONE) for _ in range(4)]  # one for each process

    def read(meter: Meter) -> int:
        done = 0
        for _ in range(400):
            try:
                meter.charge(1, 1, Volume(1000, 1), NOW)
            except UsedUp:
                break
            done += 1
        return done

    with ThreadPoolExecutor(8) as pool:
        done = sum(pool.map(read, meters * 2))
    assert 700 <= done <= 1000
    assert counted(engine).bytes <= 1_000_000


def test_five_hundred_frames_of_a_scan_ask_the_store_a_few_times(engine: Engine) -> None:
    asked = []
    original = quotas.reserve
    meter = Meter(engine, NONE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quotas, "reserve", lambda *given: asked.append(1) or original(*given))
        for number in range(500):
            meter.charge_frames(1, 1, 524_288, f"{number // 2}", NOW)
    assert len(asked) < 12
    assert counted(engine).bytes >= 500 * 524_288


def test_frames_of_an_instance_count_as_one_instance(engine: Engine) -> None:
    limit(engine, instances_day=1)
    meter = Meter(engine, NONE)
    for _ in range(3):
        meter.charge_frames(1, 1, 10, "ab", NOW)
    for _ in range(2):  # refused once, and not let in for having asked
        with pytest.raises(UsedUp):
            meter.charge_frames(1, 1, 10, "cd", NOW)


def test_what_a_person_has_read_is_shown_by_name(engine: Engine) -> None:
    now = datetime.now(UTC)
    Meter(engine, NONE).charge(1, 1, Volume(1000, 7), now)
    with engine.connect() as connection:
        shown = quotas.used(connection, 1, now)
    assert shown["anna"].today == shown["anna"].total == counted(engine)


def fill(engine: Engine, number: int) -> None:
    with engine.begin() as connection:
        ids = {"project_id": 1}
        connection.execute(insert(schema.subject).values(id=1, PatientID="S", **ids))
        connection.execute(
            insert(schema.session).values(
                id=1, subject_id=1, StudyInstanceUID="1", StudyDate="", StudyDescription="", **ids
            )
        )
        scan = {"Modality": "CT", "SeriesDescription": "", "SeriesInstanceUID": "1"}
        connection.execute(insert(schema.scan).values(id=1, session_id=1, **scan, **ids))
        row = {"scan_id": 1, "SOPClassUID": "", "TransferSyntaxUID": "", "digest": "", "size": 1, "NumberOfFrames": 1}
        row |= {"attributes": {}, **ids}
        connection.execute(insert(schema.instance), [{**row, "SOPInstanceUID": str(n)} for n in range(number)])


def read_on(engine: Engine, days_ago: int, instances: int, who: int = 1) -> None:
    day = quotas.day_of(NOW - timedelta(days=days_ago))
    with engine.begin() as connection:
        connection.execute(insert(usage).values(user_id=who, project_id=1, day=day, bytes=0, instances=instances))


def look(engine: Engine) -> list[tuple[str, str]]:
    with engine.begin() as connection:
        settings = config.Quota(alarm_instances=100, alarm_share=50, alarm_times=10)
        return [(each.person, each.what) for each in harvest.look(connection, settings, NOW)]


def test_much_of_a_project_within_a_week_is_told_once_a_day(engine: Engine) -> None:
    fill(engine, 400)
    read_on(engine, 7, 400)
    assert look(engine) == []  # that was a week ago
    read_on(engine, 5, 120)
    read_on(engine, 0, 79)
    assert look(engine) == []
    read_on(engine, 1, 1)
    assert look(engine) == [("anna", SHARE)]
    assert look(engine) == []
    with engine.begin() as connection:
        assert audit.verify_chain(connection) == 1


def test_far_more_than_on_other_days_is_told_and_a_beginning_is_not(engine: Engine) -> None:
    fill(engine, 100_000)
    read_on(engine, 0, 990)
    assert look(engine) == []
    for days_ago in (3, 9):
        read_on(engine, days_ago, 99)
    read_on(engine, 3, 2000, who=2)
    read_on(engine, 0, 2500, who=2)
    assert look(engine) == [("anna", TIMES)]


def test_little_is_never_told(engine: Engine) -> None:
    fill(engine, 10)
    read_on(engine, 3, 1)
    read_on(engine, 0, 98)
    assert look(engine) == []


def test_guests_are_told_as_such(engine: Engine) -> None:
    fill(engine, 150)
    read_on(engine, 0, 120, who=0)
    assert look(engine) == [("a guest", SHARE)]
