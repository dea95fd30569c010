"""What a watcher hears: a state and nothing else, of this process and of what it needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

import databases
import portal_site
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
    assert (answer.status_code, answer.text) == (503, "not ready\n")


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
