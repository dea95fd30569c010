"""`cohortium serve` as a process: where it listens, what it prints, how it ends."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
SERVE = [sys.executable, "-c", "from cohortium.cli import main; main()", "serve", "--port", "0"]


@pytest.fixture(scope="module")
def site(cohortium: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    assert cohortium("init", cwd=folder).returncode == 0
    return folder


@pytest.fixture
def server(site: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(SERVE, cwd=site, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def address(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    found = re.search(r"http://127\.0\.0\.1:\d+/", server.stdout.readline())
    assert found
    return found[0]


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
    result = cohortium("serve", "--host", "192.0.2.1", "--port", 0, "--behind-proxy", cwd=site)
    assert result.returncode == 5, "not refused, but no address of this machine"
