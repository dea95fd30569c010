"""A cumulative transfer to where a site cannot look by itself: a hub, an archive of somebody else, a server of SFTP."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import select

import portal_site
from cohortium import config
from cohortium.config import Project
from cohortium.deidentify.protocol import load
from cohortium.gateway.comparing import compare
from cohortium.store import schema
from outgoing import Foreign, answering, parcel
from sftp_server import serving

Run = Callable[..., subprocess.CompletedProcess[str]]
Make = Callable[..., bytes]


def other_pixels(dataset: Any) -> None:
    dataset.PixelData = b"\7" * 512


def towards(hospital: Any, destination: str, address: str) -> None:
    text = hospital.file.read_text().replace('specification = "strict.toml"', 'specification = "basic"')
    text = f'[gateway]\negress = ["{address}"]\n{text}transfer = "cumulative"\ndestinations = ["there"]\n'
    hospital.file.write_text(text + destination)


def deliver(hospital: Any, *contents: bytes) -> Any:
    for number, content in enumerate(contents):
        hospital.put(f"{number}.dcm", content)
    return hospital.run()


def test_a_hub_holds_the_newest_and_keeps_the_others(hospital: Any, make: Make, cohortium: Run, tmp_path: Path) -> None:
    hub = tmp_path / "hub"
    hub.mkdir()
    with portal_site.served(portal_site.configuration(hub)) as served:
        project = Project("study", "Study", "receipt", same_uid="version")
        served.app.state.archive.open_project(project, load("basic"))
        key = cohortium("key", "public", cwd=hospital.root).stdout.strip()
        added = cohortium("user", "add", "site", "--site", "--key", key, "--project", "study", cwd=hub)
        token = hospital.root / "hub.token"
        token.write_text(added.stdout)
        token.chmod(0o600)
        there = f'[[destination.stow]]\nname = "there"\nurl = "{served.url}/dicomweb/study"\ntoken_file = "hub.token"\n'
        towards(hospital, there, served.url.removeprefix("http://"))
        newest = []
        for content in (make(1), make(1, other_pixels), make(1)):
            assert deliver(hospital, content, make(2)).states["sent"] == 2
            with served.engine.connect() as connection:
                query = select(schema.instance.c.digest).order_by(schema.instance.c.InstanceNumber)
                newest.append(connection.scalars(query).all())
        (hospital.source / "1.dcm").unlink()
        hospital.run()
        with served.engine.connect() as connection:
            held = connection.scalars(select(schema.instance.c.digest)).all()
            earlier = connection.scalars(select(schema.earlier_version.c.digest)).all()
    assert newest[0] == newest[2]
    assert newest[0][0] != newest[1][0]
    assert newest[0][1] == newest[1][1], "what is known is skipped"
    assert set(earlier) >= {newest[1][0]}
    assert len(held) == 2, "what is absent is deleted nowhere"
    (delivery,) = compare(config.load(hospital.file), "all", "ada").values()
    assert len(delivery.absent) == 1, "and told"


def test_an_archive_that_keeps_what_came_first_is_not_believed(hospital: Any, make: Make) -> None:
    class First(Foreign):
        def store(self, body: bytes, contents: list[bytes]) -> Any:
            there = dict(self.held)
            answer = super().store(body, contents)
            self.held |= there
            return answer

    archive = First()
    with answering(archive) as url:
        there = f'[[destination.stow]]\nname = "there"\nurl = "{url}"\n'
        towards(hospital, there, url.removeprefix("http://"))
        assert deliver(hospital, make(1)).states["sent"] == 1
        summary = deliver(hospital, make(1, other_pixels))
    assert summary.quarantined == {"refused by the archive": 1}
    (aside,) = summary.set_aside
    assert "the destination holds it with 1 data elements changed" in aside.detail


def test_a_server_of_sftp_holds_the_newest_and_keeps_the_others(hospital: Any, make: Make, tmp_path: Path) -> None:
    with serving(tmp_path / "server", hospital.root) as server:
        there = '[[destination.sftp]]\nname = "there"\nhost = "127.0.0.1"\nuser = "site"\nkey_file = "id"\n'
        there += f'known_hosts = "known_hosts"\nfolder = "study"\nport = {server.port}\n'
        towards(hospital, there, f"127.0.0.1:{server.port}")
        newest = []
        for content in (make(1), make(1, other_pixels), make(1), make(1, other_pixels)):
            assert deliver(hospital, content, make(2)).states["sent"] == 2
            laid = {sha256(each.read_bytes()).hexdigest() for each in server.root.rglob("*.dcm")}
            assert {parcel(each.read_bytes()).instance.SOPInstanceUID for each in server.root.rglob("*.dcm")}
            newest.append(laid)
        kept = {sha256(each.read_bytes()).hexdigest() for each in server.root.rglob("*.earlier")}
    assert newest[0] == newest[2] != newest[1] == newest[3]
    assert kept == newest[0] ^ newest[1]
