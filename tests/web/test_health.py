"""What a watcher hears: a state and nothing else, of this process and of what it needs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

import databases
import portal_site
from cohortium import keys
from cohortium.gateway.pulse import Pulse
from cohortium.spool import Spool
from cohortium.web.health import Probe
from portal_site import Served

STORE_IS_GONE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'"


@pytest.fixture
def site(tmp_path: Path, place: Path | str) -> Iterator[Served]:
    with portal_site.served(portal_site.configuration(tmp_path, place)) as served:
        yield served


def test_anyone_may_ask_and_hears_one_word(site: Served) -> None:
    for state in ("live", "ready"):
        answer = httpx.get(f"{site.url}/health/{state}")
        assert (answer.status_code, answer.text) == (200, f"{state}\n")
        assert answer.headers["cache-control"] == "no-store"


def test_a_server_older_than_its_store_lives_and_is_not_ready(site: Served) -> None:
    with site.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert httpx.get(f"{site.url}/health/live").status_code == 200
    answer = httpx.get(f"{site.url}/health/ready")
    assert (answer.status_code, answer.text) == (503, "not ready: store\n")


def test_objects_that_cannot_be_written_are_named_and_nothing_else_is(site: Served, tmp_path: Path) -> None:
    objects = tmp_path / "data" / "objects"
    objects.rename(tmp_path / "away")
    objects.write_text("")
    answer = httpx.get(f"{site.url}/health/ready")
    assert (answer.status_code, answer.text) == (503, "not ready: objects\n")
    objects.unlink()
    (tmp_path / "away").rename(objects)
    site.app.state.probe = Probe(site.app.state.archive.objects)
    assert httpx.get(f"{site.url}/health/ready").status_code == 200
    assert not [path for path in objects.rglob("*") if path.is_file()], "the try leaves nothing behind"


def test_a_gateway_is_well_while_it_is_at_work_and_nothing_is_wrong(
    site: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked() -> tuple[int, str]:
        answer = httpx.get(f"{site.url}/health/gateway")
        return answer.status_code, answer.text

    data = tmp_path / "data"
    assert asked() == (503, "not well: gateway\n")
    monkeypatch.setattr("cohortium.gateway.pulse.SELDOM", 0.0)
    pulse = Pulse(data)
    with Spool(site.engine, data / "spool", keys.load(tmp_path / "keys" / "site.key", data)):
        pulse.beat()
        assert asked() == (200, "well\n")
        pulse.trouble("destination TULIPAN", "it cannot be reached")
        pulse.trouble("disk", "less is free than limits.free_megabytes")
        pulse.beat()
        assert asked() == (503, "not well: destination, disk\n")
        pulse.well("destination TULIPAN")
        pulse.well("disk")
        pulse.beat()
        assert asked() == (200, "well\n")
        monkeypatch.setattr("cohortium.gateway.state.SILENT", timedelta(0))
        assert asked() == (503, "not well: silent\n")
    assert asked() == (503, "not well: gateway\n"), "whatever it said last"


def test_who_asks_often_writes_no_more_often(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []
    monkeypatch.setattr("cohortium.web.health.monotonic", lambda: 7.0)
    monkeypatch.setattr(Probe, "_try", lambda self: bool(tries.append(1)) or True)
    site.app.state.probe = Probe(site.app.state.archive.objects)
    for _ in range(20):
        assert httpx.get(f"{site.url}/health/ready").status_code == 200
    assert len(tries) == 1


def test_a_disk_that_is_all_but_full_is_named(tiny_disk: Path, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(tiny_disk)
    with portal_site.served(portal_site.configuration(tmp_path)) as site:
        answer = httpx.get(f"{site.url}/health/ready")
    assert (answer.status_code, answer.text) == (503, "not ready: disk\n")


def test_a_request_that_gets_no_connection_may_come_again(postgres: databases.Server, tmp_path: Path) -> None:
    settings = portal_site.configuration(tmp_path)
    with postgres.database() as url:
        settings = replace(settings, store=replace(settings.store, url=url))
        with portal_site.served(settings) as site, contextlib.ExitStack() as held:
            site.engine.pool._timeout = 0.1
            for _ in range(15):
                held.enter_context(site.engine.connect())
            answer = httpx.get(f"{site.url}/api/v1/projects", headers={"Authorization": "Bearer x"})
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert answer.headers["content-type"] == "application/problem+json"
            assert httpx.get(f"{site.url}/health/ready").text == "not ready: store\n"
            held.close()
            assert httpx.get(f"{site.url}/api/v1/projects", headers={"Authorization": "Bearer x"}).status_code == 401


def test_without_its_database_a_server_lives_and_says_so_and_comes_back_with_it(
    postgres: databases.Server, tmp_path: Path
) -> None:
    with postgres.database() as url, portal_site.served(portal_site.configuration(tmp_path, url)) as site:
        name = str(site.engine.url.database)
        postgres.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        postgres.run(STORE_IS_GONE.format(name))
        assert httpx.get(f"{site.url}/health/live").status_code == 200
        assert httpx.get(f"{site.url}/health/ready").status_code == 503
        answer = httpx.get(f"{site.url}/api/v1/projects", cookies={"cohortium": "x"})
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert name not in answer.text
        postgres.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert httpx.get(f"{site.url}/health/ready").status_code == 200
