"""`cohortium serve` as a process: where it listens, what it prints, how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

import databases
import portal_site
from cohortium.prove import audit
from cohortium.store import open_store, schema

Run = Callable[..., subprocess.CompletedProcess[str]]
SERVE = [sys.executable, "-c", "from cohortium.cli import main; main()", "serve", "--port", "0"]


@pytest.fixture(scope="module")
def site(cohortium: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    assert cohortium("init", cwd=folder).returncode == 0
    return folder


@contextmanager
def serving(site: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`cohortium serve` in a process group of its own, as a terminal starts it."""
    with subprocess.Popen(
        [*SERVE, *arguments],
        cwd=site,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def server(site: Path) -> Iterator[subprocess.Popen[str]]:
    with serving(site) as process:
        yield process


def address(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    found = re.search(r"http://127\.0\.0\.1:\d+/", server.stdout.readline())
    assert found
    return found[0]


def workers(pid: int) -> list[Path]:
    """The processes that the server started to answer."""
    children = [Path("/proc") / each for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in children if b"spawn_main" in (child / "cmdline").read_bytes()]


def test_it_answers_at_the_address_that_it_prints(server: subprocess.Popen[str]) -> None:
    with urllib.request.urlopen(address(server), timeout=30) as answer:
        assert answer.status == 200
        assert "uvicorn" not in str(answer.headers)


def test_ctrl_c_ends_it_and_nothing_was_logged(server: subprocess.Popen[str]) -> None:
    with urllib.request.urlopen(address(server) + "?name=Mueller", timeout=30):
        pass
    server.send_signal(signal.SIGINT)
    output, errors = server.communicate(timeout=30)
    assert (server.returncode, output, errors) == (0, "", "")


def test_several_workers_answer_at_one_address_and_ctrl_c_ends_them_all(site: Path) -> None:
    with serving(site, "--workers", "2") as server:
        assert httpx.get(f"{address(server)}health/ready", timeout=60).status_code == 200
        started = workers(server.pid)
        os.killpg(server.pid, signal.SIGINT)
        output, errors = server.communicate(timeout=60)
    assert (server.returncode, output, errors) == (0, "", "")
    assert len(started) == 2
    assert not any(process.exists() for process in started)


def test_two_servers_at_once_share_logins_and_audit(cohortium: Run, site: Path, postgres: databases.Server) -> None:
    with postgres.database() as url:
        environment = {"COHORTIUM_STORE__URL": url}
        one_time = cohortium("user", "password", "admin", cwd=site, **environment).stdout.strip()
        with serving(site, **environment) as one, serving(site, "--workers", "2", **environment) as other:
            here, there = address(one), address(other)
            with httpx.Client(base_url=here, timeout=60) as client:
                portal_site.become(client, "admin", one_time)
                cookies = dict(client.cookies)

            def log_in_and_out(url: str) -> int:
                with httpx.Client(base_url=url, timeout=60) as client:
                    assert portal_site.log_in(client, "admin", portal_site.PASSWORD).status_code == 303
                    token = portal_site.form_of(client.get("/"))
                    return client.post("/logout", data={"form": token}).status_code

            assert httpx.get(f"{there}api/v1/projects", cookies=cookies, timeout=60).status_code == 200
            with ThreadPoolExecutor(4) as pool:
                assert list(pool.map(log_in_and_out, [here, there] * 4)) == [303] * 8
        with open_store(url).begin() as connection:
            entries = [(row.what, row.segment) for row in connection.execute(select(schema.audit))]
            assert audit.verify_chain(connection) == len(entries)
        assert [what for what, _ in entries].count("logout") == 8
        assert len({segment for _, segment in entries}) >= 2


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
