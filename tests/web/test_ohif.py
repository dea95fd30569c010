"""The mount of OHIF, over a build of a few lines that is made as its own is; the real one is in tests/browser."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

import portal_site
from cohortium.errors import ConfigError
from cohortium.govern import users
from cohortium.web.ohif import Viewer
from portal_site import Served

PAGE = """<html><link rel="icon" href="/assets/icon.ico"><script>window.PUBLIC_URL="/"</script>
<script src="/app-config.js"></script><script defer src="/app.bundle.0f61.js"></script><div id="root"></div></html>"""


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    (folder / "assets").mkdir()
    (folder / "assets" / "icon.ico").write_bytes(b"icon")
    (folder / "index.html").write_text(PAGE, "utf-8")
    (folder / "app.bundle.0f61.js").write_text('__webpack_require__.p = "/";', "utf-8")
    (folder / "app.css").write_text("@font-face{src:url(/inter.woff2)}", "utf-8")
    (folder / "app-config.js").write_text("window.config = {wadoRoot: 'https://elsewhere.example'}", "utf-8")
    (folder / "init-service-worker.js").write_text("importScripts('https://elsewhere.example')", "utf-8")
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, build: Path) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"), sections=f'[serve]\nohif = "{build}"\n')
    with portal_site.served(settings) as served:
        yield served


@pytest.fixture(scope="module")
def client(site: Served) -> Iterator[httpx.Client]:
    password = users.ensure_administrator(site.engine)
    assert password
    with httpx.Client(base_url=site.url) as client:
        portal_site.become(client, "admin", password)
        yield client


def test_only_who_is_logged_in_opens_it(site: Served) -> None:
    for path in ("", "app-config.js", "viewer"):
        answer = httpx.get(f"{site.url}/ohif/{path}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")


@pytest.mark.parametrize("path", ["", "index.html", "viewer?StudyInstanceUIDs=1.2"])
def test_an_address_within_the_viewer_is_its_page(client: httpx.Client, path: str) -> None:
    answer = client.get(f"/ohif/{path}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert 'src="/ohif/app.bundle.0f61.js"' in answer.text
    assert 'href="/ohif/assets/icon.ico"' in answer.text
    assert 'window.PUBLIC_URL="/ohif/"' in answer.text


def test_its_configuration_and_workers_are_ours(client: httpx.Client) -> None:
    configuration = client.get("/ohif/app-config.js").text
    assert '"wadoRoot": "/dicomweb"' in configuration
    assert "elsewhere" not in configuration + client.get("/ohif/init-service-worker.js").text
    assert client.get("/ohif/app.bundle.0f61.js").text == '__webpack_require__.p = "/ohif/";'
    assert client.get("/ohif/app.css").text == "@font-face{src:url(/ohif/inter.woff2)}"
    assert client.get("/ohif/assets/icon.ico").content == b"icon"


def test_its_policy_lets_it_call_this_server_alone(client: httpx.Client) -> None:
    inline = base64.b64encode(sha256(b'window.PUBLIC_URL="/ohif/"').digest()).decode()
    for path in ("", "assets/icon.ico", "app.bundle.0f61.js"):
        policy = client.get(f"/ohif/{path}").headers["content-security-policy"]
        assert f"script-src 'self' 'wasm-unsafe-eval' 'sha256-{inline}';" in policy
        assert "connect-src 'self' blob: data:;" in policy
        assert "http" not in policy
    assert "wasm" not in client.get("/").headers["content-security-policy"]


@pytest.mark.parametrize(
    "path", ["no-such.js", "..%2fcohortium.toml", "assets/..%2f..%2fcohortium.toml", "%2fetc%2fhosts.x"]
)
def test_nothing_else_is_served(client: httpx.Client, path: str) -> None:
    assert client.get(f"/ohif/{path}").status_code == 404


def test_without_a_build_there_is_nothing(tmp_path: Path) -> None:
    with portal_site.served(portal_site.configuration(tmp_path)) as served, httpx.Client(base_url=served.url) as client:
        password = users.ensure_administrator(served.engine)
        assert password
        portal_site.become(client, "admin", password)
        assert client.get("/ohif/").status_code == 404


def test_what_is_no_build_is_refused(tmp_path: Path, build: Path) -> None:
    with pytest.raises(ConfigError, match="no build of OHIF"):
        Viewer(tmp_path)
    (tmp_path / "index.html").write_text(PAGE, "utf-8")
    (tmp_path / "app.bundle.1.js").write_text("elsewhere", "utf-8")
    with pytest.raises(ConfigError, match="root of a server"):
        Viewer(tmp_path)
