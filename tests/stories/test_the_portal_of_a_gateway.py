"""A whole `gateway run` with its portal: what watches over it hears how it is, and its pages show what it says."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

import nursery
from cohortium import config, keys
from cohortium.govern import logins, users
from cohortium.govern.roles import Standing
from cohortium.store import open_store
from hospital import PLANTED, slice_of
from portal_site import form_of
from waiting import PATIENCE, free_port

CONFIGURATION = """
[gateway]
require_approval = false
quiet_seconds = 0
[serve]
port = {portal}
[[project]]
name = "study"
[[source.receiver]]
name = "pacs"
port = {receiver}
peers = ["PACS@127.0.0.1"]
[[source.folder]]
name = "ward"
path = "ward"
settle_seconds = 0
look_seconds = 1
[[destination.folder]]
name = "share"
path = "share"
[[pipeline]]
name = "all"
sources = ["pacs", "ward"]
project = "study"
destinations = ["share"]
gate = false
"""


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    """Who is logged in as data manager at the portal of a gateway that was started."""
    file, portal = tmp_path / "cohortium.toml", free_port()
    file.write_text(CONFIGURATION.format(portal=portal, receiver=free_port()))
    site = config.load(file).site
    keys.create(site.key)
    for name in ("ward", "share"):
        (tmp_path / name).mkdir()
    with open_store(config.load(file)).begin() as connection:
        users.create(connection, "ada", Standing.MANAGER)
        users.choose_password(connection, users.named(connection, "ada"), "four slow green turtles")
        token = logins.open_login(connection, users.named(connection, "ada"), 1)
    process = nursery.start("gateway", "run", "--config", file, stdout=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{portal}", cookies={"cohortium": token}, timeout=300) as client:
            yield client
        process.terminate()
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()


def until(client: httpx.Client, path: str, fits: Callable[[str], bool]) -> str:
    """What the path shows as soon as that fits."""
    end, text = time.monotonic() + PATIENCE, ""
    while time.monotonic() < end:
        try:
            if fits(text := client.get(path).text):
                return text
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(text)


def test_its_health_its_log_and_its_chart(client: httpx.Client, tmp_path: Path) -> None:
    until(client, "/health/gateway", "well\n".__eq__)
    (tmp_path / "ward" / "TULIPAN.dcm").write_bytes(slice_of(1))
    page = until(client, "/gateway", lambda text: "today: 1 received, 1 sent" in text)
    assert "at work" in page
    (tmp_path / "ward").rename(tmp_path / "away")
    until(client, "/health/gateway", "not well: source\n".__eq__)
    page = client.get("/gateway")
    assert "What cannot be done now" in page.text
    for what, way, words in (("probe", "pacs", "pacs listens"), ("probe", "ward", "cannot be read")):
        answer = client.post("/gateway", data={"what": what, "way": way, "form": form_of(page)})
        assert words in answer.text
    log = until(client, "/gateway/log", lambda text: "source ward" in text)
    assert not [value for value in PLANTED if value in log + page.text]
    (tmp_path / "away").rename(tmp_path / "ward")
    until(client, "/health/gateway", "well\n".__eq__)
