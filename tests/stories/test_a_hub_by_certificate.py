"""A hospital's gateway and a hub, each a process, over TLS: the site shows its certificate, and sends until it ends."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

import portal_site
from certificates import Certificates
from cohortium import config, keys
from cohortium.archive import Archive, storage_of
from cohortium.config import Project
from cohortium.deidentify.protocol import load
from cohortium.gateway.state import state_of
from cohortium.store import open_store, schema
from gateway_service import Service
from hospital import PLANTED, slice_of
from waiting import PATIENCE, free_port, until

Run = Callable[..., "subprocess.CompletedProcess[str]"]
SITE = """
[site]
name = "north"
[gateway]
egress = ["127.0.0.1:{hub}"]
quiet_seconds = 0
[limits]
free_megabytes = 0
[[project]]
name = "study"
[[source.receiver]]
name = "pacs"
port = {port}
peers = ["SENDER@127.0.0.1"]
[[source.folder]]
name = "ward"
path = "ward"
settle_seconds = 0
[[destination.stow]]
name = "hub"
url = "https://127.0.0.1:{hub}/dicomweb/study"
authority = "tls/authority.pem"
certificate = "tls/north.pem"
certificate_key = "tls/north.key"
[[pipeline]]
name = "ct"
sources = ["pacs", "ward"]
project = "study"
destinations = ["hub"]
specification = "basic"
"""


HUB = """
[serve]
port = {port}
certificate = "tls/own.pem"
certificate_key = "tls/own.key"
authority = "tls/authority.pem"
"""


def made_hub(folder: Path, port: int) -> Engine:
    """A hub with a project, and TLS of its own; no site is known to it yet."""
    settings = portal_site.configuration(folder, sections=HUB.format(port=port))
    engine = open_store(settings)
    archive = Archive(engine, storage_of(settings), keys.load(settings.site.key, settings.site.data))
    archive.open_project(Project("study", "Study", "receipt"), load("basic"))
    return engine


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Of the site `north`, which sends to the folder `hub` beside it; both have certificates of one authority."""
    hub, site, port, own = tmp_path / "hub", tmp_path / "north", free_port(), free_port()
    for folder in (hub, site / "ward", site / "tls"):
        folder.mkdir(parents=True)
    issuer = Certificates(hub / "tls")
    issuer.make(site / "tls" / "north.pem")
    (site / "tls" / "authority.pem").write_bytes(issuer.authority.read_bytes())
    made_hub(hub, port).dispose()
    keys.create(site / "keys" / "site.key")
    (site / "cohortium.toml").write_text(SITE.format(hub=port, port=own))
    made = Service(site / "cohortium.toml", own)
    yield made
    if made.process and made.process.poll() is None:
        made.kill()


@contextmanager
def serving(hub: Path) -> Iterator[None]:
    command = [str(Path(sys.executable).with_name("cohortium")), "serve", "--workers", "2"]
    with subprocess.Popen(command, cwd=hub, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert re.match(r"Cohortium is at https://127\.0\.0\.1:\d+/", process.stdout.readline())
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)


def test_from_the_hospital_to_the_hub(service: Service, cohortium: Run, tmp_path: Path) -> None:
    hub, site = tmp_path / "hub", tmp_path / "north"
    certificate = site / "tls" / "north.pem"
    key = cohortium("key", "public", cwd=site).stdout.strip()
    shown = ("--certificate", certificate)
    added = cohortium("user", "add", "north", "--site", "--key", key, "--project", "study", *shown, cwd=hub)
    assert re.fullmatch("[0-9a-f]{64}\n", added.stdout), added.stderr

    def states() -> dict[str, int]:
        return dict(state_of(config.load(service.file)).states["ct"])

    def put(number: int) -> None:
        (site / "ward" / f"{number}.dcm").write_bytes(slice_of(number))

    with serving(hub):
        put(1)
        service.start()
        until(lambda: states() == {"sent": 1})
        assert cohortium("user", "token", "revoke", "north", "gateway", cwd=hub).returncode == 0
        put(2)
        until(lambda: "destination hub" in state_of(config.load(service.file)).trouble)
        assert states() == {"sent": 1, "outbox": 1}
        again = cohortium("user", "token", "make", "north", "next", "--scope", "write", *shown, cwd=hub)
        assert again.stdout == added.stdout, again.stderr
        until(lambda: states() == {"sent": 2})
        service.stop()
    engine = open_store(hub / "data")
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.instance)) == 2
        said = connection.execute(select(schema.audit.c.what, schema.audit.c.basis, schema.audit.c.who)).all()
    engine.dispose()
    assert {row.basis for row in said if row.who == "north"} == {"member by certificate"}
    assert {"add site", "revoke token", "pin certificate"} <= {row.what for row in said}
    stored = b"".join(path.read_bytes() for path in (hub / "data").rglob("*") if path.is_file())
    assert not [value for value in PLANTED if value.encode() in stored]
