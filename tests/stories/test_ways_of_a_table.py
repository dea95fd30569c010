"""A clinical table by each kind of source that can carry one, and to each kind of destination."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import asyncssh
import httpx
import pytest
from sqlalchemy import select

import portal_site
from cohortium import config, keys
from cohortium.acquire.drop import Drop
from cohortium.acquire.intake import Intake
from cohortium.acquire.watching import Watch
from cohortium.config import Project
from cohortium.deidentify.protocol import load
from cohortium.spool import Came, Spool
from cohortium.store import open_store, schema
from outgoing import Foreign, answering
from sftp_server import serving
from waiting import free_port

TABLE = b"STUDYID,DOMAIN,USUBJID,SEX\nS,DM,PAT-TULIPAN,F\nS,DM,PAT-0816,M\n"
NAME = "OTTILIE_dm.csv"
PROTOCOL = """
name = "study"
version = "1"
title = "Images and tables"
edition = "2026c"
base = "basic"
[clinical]
base = "sdtm"
"""


@pytest.fixture
def site(hospital: Any) -> Any:
    (hospital.root / "study.toml").write_text(PROTOCOL)
    (hospital.root / "share").mkdir()
    (hospital.root / "ward.token").touch(mode=0o600)
    (hospital.root / "ward.token").write_text("0123456789abcdef" * 2)
    text = hospital.file.read_text().replace(
        'specification = "strict.toml"',
        'specification = "basic"\nprotocol = "study.toml"\nsources = ["way"]\ndestinations = ["there"]',
    )
    hospital.file.write_text(text)
    return hospital


def configured(site: Any, *tables: str) -> config.Config:
    with site.file.open("a") as file:
        file.write("\n".join(tables))
    return config.load(site.file)


FOLDER = '[[destination.folder]]\nname = "there"\npath = "share"\n'
UPLOAD = '[[source.http]]\nname = "way"\ntoken_file = "ward.token"\n'


@pytest.fixture
def arrives(site: Any) -> Callable[[], None]:
    """To be called when the table was brought: it goes out once, and a second time changes nothing."""

    def check() -> None:
        assert site.run().states["sent"] == 1
        (path,) = (site.root / "share").iterdir()
        assert path.name == "site_dm.csv"
        (row,) = [row for row in site.rows(schema.delivery) if row["destination"] == "there"]
        assert row["receipt"] == f"{sha256(path.read_bytes()).hexdigest()} read back, same digest"
        kept = b"".join(each.read_bytes() for each in site.root.rglob("*") if each.is_file())
        assert not [each for each in (b"TULIPAN", b"OTTILIE", b"PAT-0816") if each in kept]

    return check


def spooled(settings: config.Config) -> Spool:
    return Spool(open_store(settings), settings.site.data / "spool", keys.load(settings.site.key, settings.site.data))


def zipped() -> bytes:
    package = io.BytesIO()
    with ZipFile(package, "w") as file:
        file.writestr(f"OTTILIE/{NAME}", TABLE)
    return package.getvalue()


def test_by_a_watched_folder(site: Any, arrives: Callable[[], None], tmp_path: Path) -> None:
    (tmp_path / "ward").mkdir()
    (tmp_path / "ward" / NAME).write_bytes(TABLE)
    way = f'[[source.folder]]\nname = "way"\npath = "{tmp_path}/ward"\nsettle_seconds = 0\n'
    settings = configured(site, way, FOLDER)
    (watched,) = settings.sources
    assert isinstance(watched, config.Watched)
    with spooled(settings) as spool:
        watch = Watch(watched, Intake(spool, Came("way", "all"), 1 << 20, 0))
        for _ in range(3):
            list(watch.look())
    arrives()


@pytest.mark.parametrize("packed", [False, True], ids=["as it is", "in a zip"])
def test_by_http(site: Any, arrives: Callable[[], None], packed: bool) -> None:
    settings = configured(site, UPLOAD, FOLDER)
    with portal_site.served(settings) as served:
        for _ in range(2):
            part = ("ward.zip", zipped()) if packed else (NAME, TABLE)
            token = {"Authorization": f"Bearer {'0123456789abcdef' * 2}"}
            answer = httpx.post(f"{served.url}/intake/way", files={"file": part}, headers=token)
            assert (answer.status_code, answer.json()["files"]) == (200, [{"taken": 1, "problem": ""}])
    arrives()


def test_by_http_a_half_table_is_none(site: Any) -> None:
    settings = configured(site, UPLOAD, FOLDER)
    with portal_site.served(settings) as served:
        head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{NAME}"\r\n\r\n'.encode()
        kind = {"Content-Type": "multipart/form-data; boundary=x", "Authorization": f"Bearer {'0123456789abcdef' * 2}"}
        assert httpx.post(f"{served.url}/intake/way", content=head + TABLE[:40], headers=kind).status_code == 400
    assert site.run().files == 0


def test_by_sftp(site: Any, arrives: Callable[[], None], tmp_path: Path) -> None:
    ours = asyncssh.generate_private_key("ssh-ed25519")
    (site.root / "senders").write_bytes(ours.export_public_key())
    way = f'[[source.sftp]]\nname = "way"\nport = {free_port()}\nkeys_file = "senders"\n'
    settings = configured(site, way, FOLDER)
    (source,) = settings.sources
    assert isinstance(source, config.Drop)

    async def put(port: int, name: str, content: bytes) -> None:
        options: dict[str, Any] = {"known_hosts": None, "client_keys": [ours], "config": None, "username": "ward"}
        async with (
            asyncssh.connect("127.0.0.1", port, **options) as connection,
            connection.start_sftp_client() as client,
            client.open(name, "wb") as file,
        ):
            await file.write(content)

    with spooled(settings) as spool, Drop(source, settings, Intake(spool, Came("way", "all"), 1 << 20, 0)) as drop:
        asyncio.run(put(drop.port, NAME, TABLE))
        asyncio.run(put(drop.port, "again.csv", TABLE))
        spool.list_accepted()
    arrives()


def test_to_a_hub(site: Any, cohortium: Any, tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    with portal_site.served(portal_site.configuration(tmp_path / "hub")) as served:
        text = site.file.read_text().replace('sources = ["way"]\n', "")
        site.file.write_text(text.replace('destinations = ["there"]', ""))
        protocol = load(site.root / "study.toml")
        served.app.state.archive.open_project(Project("study", "Study", "receipt"), protocol)
        key = cohortium("key", "public", cwd=site.root).stdout.strip()
        added = cohortium("user", "add", "site", "--site", "--key", key, "--project", "study", cwd=tmp_path / "hub")
        token = site.root / "hub.token"
        token.write_text(added.stdout)
        token.chmod(0o600)
        there = f'[[destination.stow]]\nname = "there"\nurl = "{served.url}/dicomweb/study"\ntoken_file = "hub.token"\n'
        egress = f'[gateway]\negress = ["{served.url.removeprefix("http://")}"]\n'
        site.file.write_text(egress + text + there)
        site.put(NAME, TABLE)
        assert site.run().states["sent"] == 1
        with served.engine.begin() as connection:
            (file,) = connection.execute(schema.resource_file.select()).mappings()
            (resource,) = connection.execute(schema.resource.select()).mappings()
        site.put("other_dm.csv", TABLE.replace(b"PAT-0816", b"PAT-0817"))
        assert site.run().states["sent"] == 2
        with served.engine.begin() as connection:
            names = sorted(connection.scalars(select(schema.resource_file.c.name)))
    assert (file["name"], file["admitted"], file["site"]) == ("site_dm.csv", "receipt", "site")
    assert (resource["kind"], resource["level"]) == ("clinical", "project")
    assert names == ["site_dm.csv", "site_dm_2.csv"]
    first, second = sorted(site.rows(schema.item), key=lambda row: row["number"])
    assert file["digest"] == first["digest"] != second["digest"]
    receipts = {row["receipt"] for row in site.rows(schema.delivery)}
    assert receipts == {f"{each['digest']} digest stated by the receiver" for each in (first, second)}


@pytest.mark.parametrize("below", ["", "/dicomweb/study"])
def test_an_archive_of_somebody_else_takes_no_table_and_it_waits(site: Any, below: str) -> None:
    class NoFiles(Foreign):
        def __call__(self, method: str, path: str, body: bytes) -> Any:
            return (404, {}, b"not here") if path.endswith("/files") else super().__call__(method, path, body)

    with answering(NoFiles()) as url:
        egress = f'[gateway]\negress = ["{url.removeprefix("http://")}"]\n'
        there = f'[[destination.stow]]\nname = "there"\nurl = "{url}{below}"\n'
        site.file.write_text(egress + site.file.read_text().replace('sources = ["way"]\n', "") + there)
        site.put(NAME, TABLE)
        summary = site.run()
    (aside,) = summary.set_aside
    assert (aside.state, aside.reason) == ("quarantined", "refused by the archive")
    assert aside.detail.startswith("a DICOMweb archive that is no hub of Cohortium takes images and no tables")
    assert list((site.root / "data" / "spool" / "incoming").iterdir()), "never lost"


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ((201, {}, json.dumps([{"number": 1, "file": {"digest": "0" * 64}, "problem": ""}]).encode()), "quarantined"),
        ((201, {}, b"welcome"), "outbox"),
        ((503, {}, b""), "outbox"),
        (None, "outbox"),
    ],
)
def test_only_the_digest_that_a_hub_states_counts(site: Any, answer: Any, state: str) -> None:
    with answering(lambda *_: answer) as url:
        egress = f'[gateway]\negress = ["{url.removeprefix("http://")}"]\n'
        there = f'[[destination.stow]]\nname = "there"\nurl = "{url}/dicomweb/study"\n'
        site.file.write_text(egress + site.file.read_text().replace('sources = ["way"]\n', "") + there)
        site.put(NAME, TABLE)
        assert site.run().states[state] == 1


def test_to_a_server_of_sftp(site: Any, tmp_path: Path) -> None:
    with serving(tmp_path / "server", site.root) as server:
        there = '[[destination.sftp]]\nname = "there"\nhost = "127.0.0.1"\nuser = "site"\nkey_file = "id"\n'
        there += f'known_hosts = "known_hosts"\nfolder = "study"\nport = {server.port}\n'
        egress = f'[gateway]\negress = ["127.0.0.1:{server.port}"]\n'
        site.file.write_text(egress + site.file.read_text().replace('sources = ["way"]\n', "") + there)
        site.put(NAME, TABLE)
        assert site.run().states["sent"] == 1
        (path,) = [each for each in server.root.rglob("*") if each.is_file()]
        content = path.read_bytes()
    assert path.relative_to(server.root).as_posix() == "study/site_dm.csv"
    (row,) = site.rows(schema.delivery)
    assert row["receipt"] == f"{sha256(content).hexdigest()} read back, same digest"
