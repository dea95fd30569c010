"""The tests that xnatpy's authors run against XNAT, unmodified, against a site of ours: a process, on the loopback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nursery
import portal_site
from cohortium import config, keys
from cohortium.archive import Archive, storage_of
from cohortium.deidentify import protocol
from cohortium.govern import grants, users
from cohortium.govern.roles import Role
from cohortium.store import open_store

THEIRS = next(Path(sys.prefix, "xnatpy").glob("xnat-*/xnat/tests"), Path("none"))
PYTEST = [sys.executable, "-m", "pytest", "--noconftest", "-p", "xnatpy_site", "-p", "no:cacheprovider", "-q"]
PROJECT = config.Project("dummydicomproject", "", "trusted")  # theirs, where XNAT would take whatever is sent


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """The address of a running site with an empty project and a person who owns it."""
    settings = portal_site.configuration(tmp_path)
    key = keys.load(settings.site.key, settings.site.data)
    archive = Archive(open_store(settings), storage_of(settings), key)
    opened = archive.open_project(PROJECT, protocol.load("basic"))
    with archive.engine.begin() as connection:
        users.create(connection, "anna")
        anna = users.named(connection, "anna")
        users.choose_password(connection, anna, portal_site.PASSWORD)
        grants.give(connection, anna.id, opened, Role.OWNER)
    archive.engine.dispose()
    with nursery.start("serve", "--port", 0, cwd=tmp_path, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            found = re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline())
            assert found
            yield found[0]
        finally:
            server.send_signal(signal.SIGINT)
    assert server.returncode == 0


@pytest.mark.skipif(not THEIRS.is_dir(), reason="xnatpy's tests are not there; `make test` fetches them")
def test_their_functional_tests_of_importing_pass(site: str, tmp_path: Path) -> None:
    said = {"SITE": site, "SITE_USER": "anna", "SITE_PASSWORD": portal_site.PASSWORD}
    said |= {"SITE_RESOURCES": str(THEIRS / "resources"), "PYTHONPATH": str(Path(__file__).parent)}
    run = subprocess.run(
        [*PYTEST, "--rootdir", str(tmp_path), str(THEIRS / "functional_tests/test_import.py")],
        cwd=tmp_path,
        env={**os.environ, **said},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 passed" in run.stdout
