"""Requests are slowed down by person and by address, on every way in."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

import portal_site
from cohortium.govern import tokens, users
from cohortium.govern.roles import Scope
from cohortium.web import app, rates
from cohortium.web.rates import Buckets, TooFast
from portal_site import Served

WAYS = ("/", "/api/v1/projects", "/dicomweb/studies")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def taken(buckets: Buckets, who: str, most: int = 1000) -> int:
    for number in range(most):
        try:
            buckets.take(who)
        except TooFast:
            return number
    return most


def test_a_bucket_holds_a_minutes_worth_and_fills_up_evenly() -> None:
    clock = Clock()
    buckets = Buckets(60, clock)
    assert taken(buckets, "anna") == 60
    assert taken(buckets, "bert") == 60
    clock.now += 10
    assert taken(buckets, "anna") == 10
    with pytest.raises(TooFast) as refused:
        buckets.take("anna")
    assert refused.value.wait == pytest.approx(1)
    clock.now += 3600
    assert taken(buckets, "anna") == 60


def test_0_is_no_limit_and_who_was_longest_away_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    assert taken(Buckets(0), "anna") == 1000
    monkeypatch.setattr(rates, "MOST", 2)
    buckets = Buckets(3, Clock())
    assert [taken(buckets, who) for who in ("anna", "bert", "carl", "anna")] == [3, 3, 3, 3]
    assert taken(buckets, "anna") == 0


def serving(folder: Path, section: str) -> Iterator[Served]:
    """A site whose buckets do not fill up, however long its test takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "Buckets", partial(Buckets, clock=Clock()))
        with portal_site.served(portal_site.configuration(folder, sections=f"[limits]\n{section}")) as site:
            yield site


@pytest.mark.parametrize("way", WAYS)
def test_a_person_waits_on_every_way_whatever_they_show_and_nobody_else_does(tmp_path: Path, way: str) -> None:
    for site in serving(tmp_path, "person_requests = 4"):
        shown = []
        with site.engine.begin() as connection:
            for name in ("anna", "bert"):
                users.create(connection, name)
                users.choose_password(connection, users.named(connection, name), portal_site.PASSWORD)
                shown.append(tokens.make(connection, users.named(connection, name), "laptop", Scope.READ, 1))
        anna, bert = ({"Authorization": f"Bearer {each}"} for each in shown)
        basic = httpx.BasicAuth("anna", portal_site.PASSWORD)
        for _ in range(2):
            assert httpx.get(site.url + way, headers=anna).status_code in (200, 204)
            assert httpx.get(site.url + way, auth=basic).status_code in (200, 204)
        refused = httpx.get(site.url + way, headers=anna)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["content-type"] == "application/problem+json"
        assert httpx.get(site.url + way, auth=basic).status_code == 429
        assert httpx.get(site.url + way, headers=bert).status_code in (200, 204)


def test_an_address_waits_whoever_asks_and_who_watches_the_machine_does_not(tmp_path: Path) -> None:
    for site in serving(tmp_path, "address_requests = 3"):
        assert [httpx.get(site.url + way).status_code for way in WAYS] == [303, 401, 401]
        refused = [httpx.get(site.url + way) for way in (*WAYS, "/login")]
        assert [each.status_code for each in refused] == [429] * 4
        assert all(int(each.headers["retry-after"]) >= 1 for each in refused)
        assert httpx.get(f"{site.url}/health/live").status_code == 200
