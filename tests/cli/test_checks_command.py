"""`cohortium check archive` and `check findings`: a check in an archive, from asking to its waiver."""

import json
import threading

import pytest

import deliveries
import portal_site
from called import called
from cohortium.govern import grants, tokens, users
from cohortium.govern.roles import Role, Scope
from cohortium.worker import work
from curated import Site

command = pytest.fixture(called)
THICK = "accuracy.slice-thickness"


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path / "site")
    thick = deliveries.clean(slices=3)
    deliveries.VIOLATIONS[THICK](thick)
    made.fill(thick)
    with made.engine.begin() as connection:
        users.create(connection, "olga")
        users.choose_password(connection, users.named(connection, "olga"), portal_site.PASSWORD)
        grants.give(connection, users.named(connection, "olga").id, 1, Role.OWNER)
        token = tokens.make(connection, users.named(connection, "olga"), "test", Scope.WRITE, 1)
    (tmp_path / "cohortium.token").write_text(token, "ascii")
    (tmp_path / "cohortium.token").chmod(0o600)
    yield made
    made.engine.dispose()


@pytest.fixture
def run(site, command, tmp_path):
    """`run("archive", "lung")`, while a worker does what is asked for."""
    over = threading.Event()

    def keep_working():
        while not over.wait(0.1):
            work(site.config, once=True)

    worker = threading.Thread(target=keep_working)
    with portal_site.served(site.config) as served:
        worker.start()
        yield lambda *arguments: command("check", *arguments, "--url", served.url, cwd=tmp_path)
        over.set()
        worker.join()


def test_a_check_is_waited_for_and_its_findings_are_listed_waived_and_opened_again(run, tmp_path):
    checked = run("archive", "lung", "--json", "report.json")
    assert checked.returncode == 9, checked.stderr
    assert "open: error" in checked.stdout
    assert "check 1 by quick.toml" in checked.stdout
    (finding,) = json.loads((tmp_path / "report.json").read_text("utf-8"))["findings"]
    (row,) = json.loads(run("findings", "lung", "--state", "open", "--rule", THICK, "--json").stdout)
    assert (row["id"], row["patient"]) == (finding["id"], "P001")
    assert run("waive", row["id"], "--of", "lung", "--reason", "the only scan there is").returncode == 0
    assert "waived by olga" in run("findings", "lung").stdout
    again = run("archive", "lung", "--json", "-")
    assert (again.returncode, json.loads(again.stdout)["counts"]["waived"]) == (0, 1)
    assert run("reopen", row["id"], "--of", "lung").returncode == 0
    assert "1 open, 0 waived, 0 mended" in run("findings", "lung").stdout


def test_what_cannot_be_is_said(run):
    assert run("archive", "lung/first").returncode != 0
    assert run("archive", "lung/a/b").returncode == 2
    assert run("waive", "0" * 16, "--reason", "why").returncode == 2, "of which list?"
    told = run("archive", "lung", "--no-wait")
    assert (told.returncode, "check 1 is" in told.stdout) == (0, True)


def test_processes_of_a_worker_share_the_series(site, command, tmp_path):
    asked = site.ask()
    assert command("worker", "--once", "--config", str(site.config.file), cwd=tmp_path).returncode == 0
    assert (site.last().id, site.last().state, site.last().open) == (asked.id, "done", {"error": 1})
