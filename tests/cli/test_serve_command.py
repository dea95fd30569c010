"""`cohortium serve` as a process: where it listens, what it prints, how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

import databases
import nursery
import portal_site
import s3
import stow_corners
from cohortium import config, keys
from cohortium.archive import Archive, storage_of
from cohortium.prove import audit
from cohortium.store import jobs, open_store, schema
from waiting import until

LOGIN = ("admin", portal_site.PASSWORD)
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def site(cohortium: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    assert cohortium("init", cwd=folder).returncode == 0
    return folder


@contextmanager
def serving(site: Path, *arguments: str, **environment: str) -> Iterator[nursery.Process]:
    """`cohortium serve` in a process group of its own, as a terminal starts it."""
    said = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    env = {**os.environ, **environment}
    with nursery.start("serve", "--port", 0, *arguments, cwd=site, env=env, start_new_session=True, **said) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def server(site: Path) -> Iterator[nursery.Process]:
    with serving(site) as process:
        yield process


def address(server: nursery.Process) -> str:
    assert server.stdout is not None
    found = re.search(r"http://127\.0\.0\.1:\d+/", server.stdout.readline())
    assert found
    return found[0]


def workers(pid: int) -> list[Path]:
    """The processes that the server started to answer and to work."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [Path("/proc") / each for task in tasks for each in task.read_text().split()]
    return [child for child in children if b"spawn_main" in (child / "cmdline").read_bytes()]


def test_it_answers_at_the_address_that_it_prints(server: nursery.Process) -> None:
    with urllib.request.urlopen(address(server), timeout=300) as answer:
        assert answer.status == 200
        assert "uvicorn" not in str(answer.headers)


def test_ctrl_c_ends_it_and_nothing_was_logged(server: nursery.Process) -> None:
    with urllib.request.urlopen(address(server) + "?name=Mueller", timeout=300):
        pass
    server.send_signal(signal.SIGINT)
    output, errors = server.communicate(timeout=300)
    assert (server.returncode, output, errors) == (0, "", "")


def test_several_workers_answer_at_one_address_and_ctrl_c_ends_them_all(site: Path) -> None:
    with serving(site, "--workers", "2") as server:
        assert httpx.get(f"{address(server)}health/ready", timeout=300).status_code == 200
        started = workers(server.pid)
        os.killpg(server.pid, signal.SIGINT)
        output, errors = server.communicate(timeout=300)
    assert (server.returncode, output, errors) == (0, "", "")
    assert len(started) in (2, 3), "two that answer, and perhaps the worker already"
    assert not any(process.exists() for process in started)


def test_two_servers_at_once_share_logins_and_audit(cohortium: Run, site: Path, postgres: databases.Server) -> None:
    with postgres.database() as url:
        environment = {"COHORTIUM_STORE__URL": url}
        one_time = cohortium("user", "password", "admin", cwd=site, **environment).stdout.strip()
        with serving(site, **environment) as one, serving(site, "--workers", "2", **environment) as other:
            here, there = address(one), address(other)
            with httpx.Client(base_url=here, timeout=300) as client:
                portal_site.become(client, "admin", one_time)
                cookies = dict(client.cookies)

            def log_in_and_out(url: str) -> int:
                with httpx.Client(base_url=url, timeout=300) as client:
                    assert portal_site.log_in(client, "admin", portal_site.PASSWORD).status_code == 303
                    token = portal_site.form_of(client.get("/"))
                    return client.post("/logout", data={"form": token}).status_code

            assert httpx.get(f"{there}api/v1/projects", cookies=cookies, timeout=300).status_code == 200
            with ThreadPoolExecutor(4) as pool:
                assert list(pool.map(log_in_and_out, [here, there] * 4)) == [303] * 8
        with open_store(url).begin() as connection:
            entries = [(row.what, row.segment) for row in connection.execute(select(schema.audit))]
            assert audit.verify_chain(connection) == len(entries)
        assert [what for what, _ in entries].count("logout") == 8
        assert len({segment for _, segment in entries}) >= 2


def test_two_servers_at_once_on_postgresql_and_s3_hold_the_same_images(
    cohortium: Run, site: Path, postgres: databases.Server, s3_server: s3.Server
) -> None:
    store = s3_server.settings(site)
    with postgres.database() as url:
        environment = {f"COHORTIUM_STORE__{key.upper()}": value for key, value in asdict(store).items() if value}
        environment["COHORTIUM_STORE__URL"] = url
        one_time = cohortium("user", "password", "admin", cwd=site, **environment).stdout.strip()
        settings = config.load(site / "cohortium.toml", environment)
        archive = Archive(open_store(url), storage_of(settings), keys.load(settings.site.key, settings.site.data))
        archive.open_project(config.Project("lung", "", "check"), portal_site.PROTOCOL)
        bodies = [stow_corners.harmless() for _ in range(12)]
        with serving(site, **environment) as one, serving(site, **environment) as other:
            servers = [address(one), address(other)]
            with httpx.Client(base_url=servers[0], timeout=300) as client:
                portal_site.become(client, "admin", one_time)

            def send(n: int) -> int:
                """Each object goes to both servers at about the same time."""
                place, body = f"{servers[n % 2]}dicomweb/lung/studies", bodies[n // 2]
                return httpx.post(
                    place, content=body.body, headers=body.all_headers, auth=LOGIN, timeout=300
                ).status_code

            with ThreadPoolExecutor(4) as pool:
                assert list(pool.map(send, range(2 * len(bodies)))) == [200] * 2 * len(bodies)
            studies = httpx.get(f"{servers[0]}dicomweb/lung/studies", auth=LOGIN, timeout=300).json()
            uids = [study["0020000D"]["Value"][0] for study in studies]
            places = [f"{server}dicomweb/lung/studies/{uid}" for uid in uids for server in servers]
            assert {httpx.get(place, auth=LOGIN, timeout=300).status_code for place in places} == {200}
        with archive.engine.begin() as connection:
            held = connection.scalars(select(schema.instance.c.digest)).all()
            assert audit.verify_chain(connection) > 0
        archive.engine.dispose()
        assert len(held) == len(set(held)) == len(bodies)
        assert len(list(archive.objects.storage.names())) == len(bodies)
        assert not any(path.is_file() for path in (site / "data" / "objects").rglob("*"))


def waited(site: Path, count: int) -> list[int]:
    """How many signed heads the audit has, and how many jobs are due, once there are `count` heads."""

    def seen() -> list[int]:
        with open_store(site / "data").begin() as connection:
            heads = len(connection.execute(select(schema.audit_head)).all())
            return [heads, int(jobs.is_waiting(connection, [audit.SIGN]))]

    until(lambda: seen()[0] >= count)
    return seen()


def ask_for_a_signature(site: Path) -> int:
    """Put the job, over a row that is to be signed; returns the number of heads before."""
    with open_store(site / "data").begin() as connection:
        audit.record(connection, "anna", "admit", "study/1")
        jobs.put(connection, audit.SIGN)
        return len(connection.execute(select(schema.audit_head)).all())


def test_it_does_the_jobs_that_are_due_and_leaves_no_process_behind(site: Path) -> None:
    with serving(site) as server:
        httpx.get(f"{address(server)}health/ready", timeout=300)
        before = ask_for_a_signature(site)
        assert waited(site, before + 1) == [before + 1, 0]
        (worker,) = workers(server.pid)
        server.kill()  # in mid-work: nobody is left to end the worker
        server.wait()
        until(lambda: not worker.exists())


def test_a_worker_that_died_is_replaced(site: Path) -> None:
    with serving(site) as server:
        address(server)
        first = one_worker(server.pid)
        os.kill(int(first.name), signal.SIGKILL)
        until(lambda: one_worker(server.pid) != first)


def one_worker(pid: int) -> Path:
    until(lambda: workers(pid))
    return workers(pid)[0]


def test_the_worker_as_a_process_of_its_own(cohortium: Run, site: Path) -> None:
    before = ask_for_a_signature(site)
    result = cohortium("worker", "--once", cwd=site)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert waited(site, before + 1) == [before + 1, 0]


def test_a_port_that_is_taken(cohortium: Run, site: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        result = cohortium("serve", "--port", other.getsockname()[1], cwd=site)
    assert result.returncode == 5
    assert "choose another with --port" in result.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "hospital.example"])
def test_other_machines_are_refused_without_tls(cohortium: Run, site: Path, host: str) -> None:
    result = cohortium("serve", "--host", host, cwd=site)
    assert result.returncode == 3
    assert "--behind-proxy" in result.stderr


def test_a_proxy_that_does_tls_opens_the_way(cohortium: Run, site: Path) -> None:
    arguments = ("serve", "--host", "192.0.2.1", "--port", 0, "--behind-proxy")
    nameless = cohortium(*arguments, cwd=site)
    assert nameless.returncode == 2
    assert "serve.public" in nameless.stderr
    result = cohortium(*arguments, cwd=site, COHORTIUM_SERVE__PUBLIC="https://archive.example.org")
    assert result.returncode == 5, "not refused, but no address of this machine"
