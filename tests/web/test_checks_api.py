"""Checks by the API: asked for, done by a worker, told in full, and their findings waived by owners alone."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest
from sqlalchemy import select

import deliveries
import portal_site
from cohortium.client import Client
from cohortium.errors import CohortiumError, Refused
from cohortium.govern import grants, tokens, users
from cohortium.govern.roles import Role, Scope
from cohortium.store.schema import audit
from cohortium.worker import work
from curated import Site

THICK = "accuracy.slice-thickness"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"), sections='[[project]]\nname = "other"\n')
    thick = deliveries.clean(slices=3)
    deliveries.VIOLATIONS[THICK](thick)
    made.fill(thick)
    yield made
    made.engine.dispose()


@pytest.fixture(scope="module")
def people(site: Site) -> Iterator[dict[str, Client]]:
    """A client of each role, and of somebody without one."""
    made = {}
    with site.engine.begin() as connection:
        for name in (*map(str, Role), "nobody"):
            users.create(connection, name)
            who = users.named(connection, name)
            users.choose_password(connection, who, portal_site.PASSWORD)
            if name in set(Role):
                grants.give(connection, who.id, 1, Role(name))
            made[name] = tokens.make(connection, users.named(connection, name), "t", Scope.WRITE, 1)
    with portal_site.served(site.config) as served, contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(Client(served.url, token)) for name, token in made.items()}


@pytest.fixture(scope="module")
def done(site: Site, people: dict[str, Client]) -> int:
    """The number of a check that a worker has done."""
    asked = people["member"].check("lung")
    assert (asked.state, asked.specification, asked.by) == ("waiting", "quick.toml", "member")
    assert people["owner"].check("lung").id == asked.id
    work(site.config, once=True)
    return asked.id


def test_a_check_is_told_with_the_outcome_of_each_rule(people: dict[str, Client], done: int) -> None:
    told = people["collaborator"].checked("lung", done)
    assert (told.state, told.open, told.dataset) == ("done", {"error": 1}, "")
    assert told.head is not None
    assert {each["id"]: each["status"] for each in told.head["rules"]}[THICK] == "failed"
    assert done in {each.id for each in people["collaborator"].checks("lung")}
    report = people["collaborator"].report("lung", done)
    assert [each["rule"] for each in report["findings"]] == [THICK]
    assert len(report["series"]) == 2
    json.dumps(report)


def test_findings_are_listed_by_what_they_are(people: dict[str, Client], done: int) -> None:
    client = people["collaborator"]
    (row,) = client.findings("lung", state="open", severity="error")
    assert (row.rule, row.patient, row.first_check, row.scan_id) == (THICK, "P001", done, 1)
    assert [each.id for each in client.findings("lung", rule=THICK, limit="1")] == [row.id]
    assert list(client.findings("lung", state="mended")) == []


def test_owners_waive_and_reopen_and_both_stand_in_the_audit(site: Site, people: dict[str, Client], done: int) -> None:
    (row,) = people["owner"].findings("lung", rule=THICK)
    for name in ("member", "collaborator", "nobody"):
        with pytest.raises(CohortiumError):
            people[name].waive("lung", [row.id], "it is late")
    (waived,) = people["owner"].waive("lung", [row.id], "the only scan there is")
    assert (waived.state, waived.by, waived.reason) == ("waived", "owner", "the only scan there is")
    assert people["owner"].waive("lung", [row.id], "the only scan there is") == []
    assert people["member"].checked("lung", done).open == {}
    (told,) = people["member"].report("lung", done)["findings"]
    assert (told["state"], told["by"]) == ("waived", "owner")
    (opened,) = people["owner"].reopen("lung", [row.id])
    assert (opened.state, opened.reason) == ("open", "")
    with pytest.raises(Refused, match="0000"):
        people["owner"].waive("lung", ["0" * 16], "it is not there")
    with site.engine.begin() as connection:
        rows = connection.execute(select(audit.c.what, audit.c.basis).where(audit.c.object == f"lung/{row.id}")).all()
    assert rows == [("waive finding", "owner by token"), ("reopen finding", "owner by token")]


def test_who_may_not_write_asks_for_no_check_and_strangers_learn_nothing(people: dict[str, Client], done: int) -> None:
    with pytest.raises(CohortiumError):
        people["collaborator"].check("lung")
    for ask in (lambda client: client.checked("lung", done), lambda client: list(client.findings("lung"))):
        with pytest.raises(CohortiumError):
            ask(people["nobody"])
    with pytest.raises(CohortiumError):
        people["owner"].checked("other", done)


def test_no_path_of_the_server_is_a_specification(people: dict[str, Client], tmp_path: object) -> None:
    with pytest.raises(Refused, match="shipped"):
        people["owner"].check("lung", specification=f"{tmp_path}/own.toml")
    with pytest.raises(CohortiumError):
        people["owner"].check("lung", "no-such-version")
