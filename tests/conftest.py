"""What every test shares: sample sizes, the outside things a test may need, and how Hypothesis is run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
from hypothesis import HealthCheck, settings

import databases
import inbox as inboxes
import nursery
import s3
import unsynced
from cohortium.govern import passwords
from waiting import PATIENCE

ROOT = Path(__file__).parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"
FULL = os.environ.get("COHORTIUM_TEST_FULL") == "1"

SLOW_MACHINE = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("small", max_examples=60, derandomize=bool(os.environ.get("CI")), **SLOW_MACHINE)
settings.register_profile("full", max_examples=2000, derandomize=bool(os.environ.get("CI")), **SLOW_MACHINE)
settings.load_profile("full" if FULL else "small")


def chromium() -> str | None:
    """The system's browser, if there is one."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


NEEDS = {
    "browser": (chromium, "no Chromium on this machine; apt-get install chromium"),
    "shared_data": (SHARED_DATA.is_dir, "no ../shared/data beside this checkout"),
}


# Whole files go to whichever process is free: those that take minutes first, or one of them ends alone.
LONG = ("stories", "demo", "docs", "browser", "cli", "web", "acceptance", "tools", "bench", "verify", "acquire")
LONG += ("gateway", "backup", "client", "deidentify", "archive", "deposit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {folder: place for place, folder in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path.relative_to(ROOT / "tests").parts[0], len(order)))
    for marker, (present, reason) in NEEDS.items():
        if not present():
            for item in items:
                if item.get_closest_marker(marker):
                    item.add_marker(pytest.mark.skip(reason=reason))


def pytest_report_header() -> str:
    return f"sample sizes: {'full' if FULL else 'small'} (COHORTIUM_TEST_FULL)"


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether this run takes the full samples (`make test-all`)."""
    return FULL


@pytest.fixture(scope="session")
def sample(full: bool) -> Callable[[int, int], int]:
    """`sample(small, full)`: the number to use in this run; each long test states both."""
    return lambda small, large: large if full else small


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real DICOM beside the checkout; its tests carry the marker `shared_data`."""
    return SHARED_DATA


@pytest.fixture(scope="session")
def cohortium() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`cohortium("serve", "--port", 1, cwd=folder)`: the command in a process of its own, as people call it."""

    def run(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return nursery.run(*arguments, cwd=cwd, env={**os.environ, **environment}, timeout=300)

    return run


@pytest.fixture(scope="session")
def browser_path() -> str | None:
    """The executable that Playwright should start; its tests carry the marker `browser`."""
    return chromium()


@pytest.fixture
def inbox() -> Iterator[tuple[inboxes.Inbox, int]]:
    """A server that takes mail, and its port."""
    with inboxes.inbox() as found:
        yield found


@pytest.fixture(scope="session")
def postgres() -> Iterator[databases.Server]:
    """A PostgreSQL server of this session's own."""
    with databases.server() as server:
        yield server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[s3.Server]:
    """A server of this session's own that speaks S3."""
    with s3.server() as server:
        yield server


@pytest.fixture(params=databases.DATABASES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | str]:
    """Where an empty store is, for `open_store`: the test runs on SQLite below `tmp_path`, then on PostgreSQL."""
    with databases.place(request, tmp_path) as where:
        yield where


@pytest.fixture(scope="module", params=databases.DATABASES)
def module_place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path | str]:
    """The same for a store that the tests of a module share."""
    with databases.place(request, tmp_path_factory.mktemp("store")) as where:
        yield where


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("COHORTIUM_")]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_test_pays_for_what_it_does_not_look_at() -> Iterator[None]:
    """In this process alone: what hashes of passwords cost, and what is synced when, is seen in others."""
    unsynced.begin()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", PasswordHasher.from_parameters(CHEAPEST))
        patch.setattr("httpx._transports.default.create_ssl_context", cache(httpx.create_ssl_context))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_server_is_too_slow() -> Iterator[None]:
    """In this process alone, where it asks without a word about time; httpx would wait for five seconds."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "read", "write", "pool"):
            patch.setattr(httpx._config.DEFAULT_TIMEOUT_CONFIG, name, PATIENCE)
        yield


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB, for which one must be root."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
