"""A site by its client certificate: what it opens, what opens nothing, and what nobody can write into a header."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import Engine, select, update

import portal_site
from certificates import Certificates
from cohortium import keys
from cohortium.archive import Archive, storage_of
from cohortium.cli.serve import in_a_thread
from cohortium.config import Config, Project, Stow
from cohortium.deposit import StowRs
from cohortium.errors import ConfigError, Malformed, Refused, Unavailable
from cohortium.govern import grants, tokens, users
from cohortium.govern.grants import Role
from cohortium.govern.roles import Scope
from cohortium.govern.users import State
from cohortium.store import open_store, schema
from outgoing import SIGNER, made, parcel
from waiting import free_port, listens, until

HEADER, SECRET = "X-Client-Certificate", "c0ffee" * 8
STUDIES = "dicomweb/lung/studies"


@dataclass(frozen=True)
class Hub:
    """A hub whose one site, `north`, shows `pair`; nothing listens yet."""

    settings: Config
    engine: Engine
    issuer: Certificates
    pair: tuple[Path, Path]

    @contextmanager
    def open(self, **serve: object) -> Iterator[str]:
        settings = replace(self.settings, serve=replace(self.settings.serve, **{"port": 0, **serve}))
        with in_a_thread(settings, behind_proxy=False) as url:
            wait_for(url)
            yield url

    def tls(self) -> dict[str, str]:
        of = self.issuer
        return {"certificate": str(of.certificate), "certificate_key": str(of.key), "authority": str(of.authority)}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("hub")
    settings = portal_site.configuration(folder)
    engine = open_store(settings)
    archive = Archive(engine, storage_of(settings), keys.load(settings.site.key, settings.site.data))
    project = archive.open_project(Project("lung", "Lung study", "receipt"), portal_site.PROTOCOL)
    archive.enrol("north", SIGNER.public_key().public_bytes_raw().hex())
    issuer = Certificates(folder / "tls")
    pair = issuer.make(folder / "tls" / "north.pem")
    with engine.begin() as connection:
        users.create_site(connection, "north")
        grants.give(connection, users.named(connection, "north").id, project, Role.MEMBER)
    pin(engine, "gateway", pair[0])
    yield Hub(settings, engine, issuer, pair)
    engine.dispose()


@pytest.fixture(scope="module")
def url(hub: Hub) -> Iterator[str]:
    """Where it listens, with TLS of its own."""
    with hub.open(**hub.tls()) as url:
        yield url


def pin(engine: Engine, label: str, certificate: Path, name: str = "north") -> str:
    with engine.begin() as connection:
        return tokens.pin(connection, users.named(connection, name), label, Scope.WRITE, certificate.read_bytes())


def wait_for(url: str) -> None:
    until(lambda: listens(int(url.rstrip("/").rpartition(":")[2])))


def client(hub: Hub, url: str, pair: tuple[Path, Path] | None = None, **more: object) -> httpx.Client:
    context = ssl.create_default_context(cafile=str(hub.issuer.authority))
    if pair:
        context.load_cert_chain(*pair)
    return httpx.Client(base_url=url, verify=context, trust_env=False, **more)


def deposit(through: httpx.Client, number: int = 1) -> int:
    content = made(number)[number - 1]
    word = json.dumps(asdict(parcel(content, site="north").receipt))
    head = f"--b\r\nContent-Type: application/dicom\r\nCohortium-Receipt: {word}\r\n\r\n".encode()
    kind = {"Content-Type": "multipart/related; type=application/dicom; boundary=b"}
    return through.post(STUDIES, content=head + content + b"\r\n--b--", headers=kind).status_code


def test_it_opens_what_the_sites_token_would_and_the_audit_says_by_what(hub: Hub, url: str) -> None:
    assert url.startswith("https://")
    with client(hub, url, hub.pair) as north:
        assert deposit(north) == 200
        assert north.get("data/auth").text == "User 'north' is logged in"
        assert north.get(STUDIES).status_code in (204, 401, 403, 404), "it sees nothing, not even its own"
        assert north.get("api/v1/tokens").status_code in (403, 404)
        assert north.get("", headers={"User-Agent": "xnatpy/0.8"}).status_code < 500
    with hub.engine.connect() as connection:
        bases = set(connection.scalars(select(schema.audit.c.basis).where(schema.audit.c.who == "north")))
    assert bases == {"member by certificate"}


def test_without_one_and_with_a_strangers_nothing_opens(hub: Hub, url: str, tmp_path: Path) -> None:
    stranger = hub.issuer.make(tmp_path / "stranger.pem")  # of the same authority, but nobody's
    for pair in (None, stranger):
        with client(hub, url, pair) as nobody:
            assert deposit(nobody) == 401
            assert nobody.get("login").status_code == 200


@pytest.mark.parametrize(("alone", "days"), [(True, 1), (False, -1)], ids=["another authority's", "ended"])
def test_one_that_does_not_verify_ends_the_connection(
    hub: Hub, url: str, tmp_path: Path, alone: bool, days: int
) -> None:
    pair = hub.issuer.make(tmp_path / "bad.pem", alone=alone, days=days)
    with client(hub, url, pair) as nobody, pytest.raises(httpx.TransportError):
        nobody.get("login")


def test_a_gateway_says_what_is_wrong_with_it(hub: Hub, url: str, tmp_path: Path) -> None:
    bad = Certificates(tmp_path / "elsewhere")
    settings = Stow("hub", f"{url}dicomweb/lung", authority=str(hub.issuer.authority))
    settings = replace(settings, certificate=str(bad.certificate), certificate_key=str(bad.key))
    sender = StowRs(settings, tmp_path)
    answers = sender.send("lung", [parcel(content, site="north") for content in made(2)])
    sender.close()
    assert {str(each) for each in answers if isinstance(each, Unavailable)} == {
        "the connection to the destination broke off; does it take this site's certificate?"
    }


def test_the_sites_own_certificate_is_authority_enough(hub: Hub, tmp_path: Path) -> None:
    """Pinned by itself; what it may have signed is not, though it verifies nothing but itself."""
    pair = hub.issuer.make(tmp_path / "own.pem", alone=True)
    pin(hub.engine, "own", pair[0])
    with hub.open(**hub.tls() | {"authority": str(pair[0])}) as url:
        with client(hub, url, pair) as north:
            assert deposit(north) == 200
        with client(hub, url, hub.pair) as other, pytest.raises(httpx.TransportError):
            other.get("login")


def test_revoked_disabled_or_over_it_ends_at_once_on_a_connection_that_stands(
    hub: Hub, url: str, tmp_path: Path
) -> None:
    def end(label: str) -> None:
        with hub.engine.begin() as connection:
            of = schema.token.c.name == label
            connection.execute(update(schema.token).where(of).values(expires="2026-01-01T00:00:00.000000+00:00"))

    def revoke(label: str) -> None:
        with hub.engine.begin() as connection:
            who = users.named(connection, "north")
            tokens.revoke(connection, who, next(each.id for each in tokens.of(connection, who) if each.name == label))

    def disable(_: str) -> None:
        with hub.engine.begin() as connection:
            users.make(connection, "south", State.DISABLED)

    with hub.engine.begin() as connection:
        users.create_site(connection, "south")
    for label, name, stop in (("over", "north", end), ("revoked", "north", revoke), ("shut", "south", disable)):
        pair = hub.issuer.make(tmp_path / f"{label}.pem")
        pin(hub.engine, label, pair[0], name)
        with client(hub, url, pair) as site:
            assert site.get("data/auth").text == f"User '{name}' is logged in"
            stop(label)
            assert site.get("data/auth").status_code == 401, label


def test_what_is_shown_beside_it_counts_alone(hub: Hub, url: str) -> None:
    """A wrong token never reads as the certificate's site, nor does a login that has ended."""
    shown = ({"Authorization": "Bearer cohortium_none"}, {"Cookie": "cohortium=none"}, {"Cookie": "JSESSIONID=none"})
    for headers in shown:
        with client(hub, url, hub.pair, headers=headers) as north:
            assert north.get("data/auth").status_code == 401


def test_a_browser_that_has_it_is_not_led_to_use_it_from_elsewhere(hub: Hub, url: str) -> None:
    with client(hub, url, hub.pair, headers={"Sec-Fetch-Site": "cross-site"}) as north:
        refused = north.post(STUDIES)
        assert refused.status_code == 409
        assert "form is out of date" in refused.json()["detail"]


def test_no_session_is_resumed_and_nothing_older_than_tls_1_3_is_spoken(hub: Hub, url: str) -> None:
    """The certificate is shown anew with each connection."""
    host, _, port = url.rstrip("/").rpartition("/")[2].partition(":")
    context = ssl.create_default_context(cafile=str(hub.issuer.authority))
    context.load_cert_chain(*hub.pair)
    earlier = None
    for _ in range(4):
        with (
            socket.create_connection((host, int(port))) as plain,
            context.wrap_socket(plain, server_hostname=host, session=earlier) as secured,
        ):
            secured.sendall(f"GET /data/auth HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
            said = b"".join(iter(lambda: secured.recv(1 << 16), b""))
            assert b"User 'north' is logged in" in said
            assert not secured.session_reused
            assert not (secured.session and secured.session.has_ticket)
            earlier = secured.session
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection((host, int(port))) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain, server_hostname=host)


def written(form: str, pem: bytes) -> str:
    der = ssl.PEM_cert_to_DER_cert(pem.decode())
    return {
        "nginx": quote(pem.decode(), safe=""),
        "apache": " ".join(pem.decode().split("\n")).strip(),
        "haproxy": base64.b64encode(der).decode(),
        "rfc9440": f":{base64.b64encode(der).decode()}:",
    }[form]


@pytest.fixture
def secret_file(tmp_path: Path) -> str:
    file = tmp_path / "proxy.secret"
    keys.write_once(file, SECRET, "secret")
    return str(file)


def test_a_proxy_hands_it_on_in_a_header(hub: Hub, secret_file: str) -> None:
    by_proxy = {"certificate_header": HEADER, "proxy_secret_file": secret_file, "proxies": ("127.0.0.1",)}
    pem = hub.pair[0].read_bytes()
    with hub.open(**by_proxy) as url:
        for form in ("nginx", "apache", "haproxy", "rfc9440"):
            told = {HEADER: f"{SECRET} {written(form, pem)}", "X-Forwarded-For": "198.51.100.7"}
            with httpx.Client(base_url=url, headers=told) as proxy:
                assert deposit(proxy) == 200, form
        with hub.engine.connect() as connection:
            row = connection.execute(select(schema.audit).order_by(schema.audit.c.id.desc()).limit(1)).one()
        assert (row.who, row.address, row.basis) == ("north", "198.51.100.7", "member by certificate")


def test_nobody_but_the_proxy_can_write_it(hub: Hub, secret_file: str, url: str) -> None:
    pem = written("nginx", hub.pair[0].read_bytes())
    good = f"{SECRET} {pem}"
    by_proxy = {"certificate_header": HEADER, "proxy_secret_file": secret_file, "proxies": ("127.0.0.1",)}
    wrong = [pem, f"{SECRET[:-1]} {pem}", f"{SECRET}x {pem}", f"{SECRET}{pem}", SECRET, f"{SECRET} %%", ""]
    with hub.open(**by_proxy) as open_to_proxy:
        for value in wrong:
            assert httpx.get(f"{open_to_proxy}data/auth", headers={HEADER: value}).status_code == 401, value
        twice = [(HEADER, good), (HEADER, f"{SECRET} AAAA")]
        assert httpx.get(f"{open_to_proxy}data/auth", headers=twice).status_code == 401
        assert httpx.get(f"{open_to_proxy}data/auth", headers={HEADER: good}).status_code == 200
    with hub.open(**by_proxy | {"proxies": ("192.0.2.7",)}) as elsewhere:
        forged = {HEADER: good, "X-Forwarded-For": "192.0.2.7"}
        assert httpx.get(f"{elsewhere}data/auth", headers=forged).status_code == 401
    with hub.open(proxies=("127.0.0.1",)) as without:
        assert httpx.get(f"{without}data/auth", headers={HEADER: good}).status_code == 401
    with client(hub, url, headers={HEADER: good}) as secured:
        assert secured.get("data/auth").status_code == 401


def test_a_secret_that_could_be_guessed_is_refused(hub: Hub, tmp_path: Path) -> None:
    keys.write_once(tmp_path / "short", "hospital", "secret")
    by_proxy = {"certificate_header": HEADER, "proxy_secret_file": str(tmp_path / "short"), "proxies": ("127.0.0.1",)}
    from cohortium.web.app import create

    with pytest.raises(ConfigError, match="less than 32"):
        create(replace(hub.settings, serve=replace(hub.settings.serve, **by_proxy)))


NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {tls.certificate};
    ssl_certificate_key {tls.key};
    ssl_client_certificate {tls.authority};
    ssl_verify_client optional;
    location / {{
      proxy_pass {url};
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Client-Certificate "{secret} $ssl_client_escaped_cert";
    }}
  }}
}}
"""


@pytest.mark.skipif(shutil.which("nginx") is None, reason="no nginx on this machine; apt-get install nginx-light")
def test_behind_a_real_nginx(hub: Hub, secret_file: str, tmp_path: Path) -> None:
    by_proxy = {"certificate_header": HEADER, "proxy_secret_file": secret_file, "proxies": ("127.0.0.1",)}
    port, file = free_port(), tmp_path / "nginx.conf"
    stranger = hub.issuer.make(tmp_path / "stranger.pem")
    pem = written("nginx", hub.pair[0].read_bytes())
    with ExitStack() as open_ones:
        inner = open_ones.enter_context(hub.open(**by_proxy))
        file.write_text(NGINX.format(folder=tmp_path, port=port, tls=hub.issuer, url=inner.rstrip("/"), secret=SECRET))
        nginx = open_ones.enter_context(subprocess.Popen(["nginx", "-c", file, "-e", tmp_path / "error.log"]))
        open_ones.callback(nginx.terminate)
        url = f"https://127.0.0.1:{port}/"
        wait_for(url)
        with client(hub, url, hub.pair) as north:
            assert deposit(north) == 200
        for pair in (None, stranger):
            with client(hub, url, pair, headers={HEADER: f"{SECRET} {pem}"}) as nobody:
                assert nobody.get("data/auth").status_code == 401, "what a client writes there is replaced"


def test_what_cannot_be_pinned(hub: Hub, tmp_path: Path) -> None:
    ended = hub.issuer.make(tmp_path / "ended.pem", days=-1)[0]
    with pytest.raises(Refused, match="has ended"):
        pin(hub.engine, "ended", ended)
    with pytest.raises(Refused, match="already"):
        pin(hub.engine, "again", hub.pair[0])
    with pytest.raises(Malformed, match="no certificate"):
        pin(hub.engine, "key", hub.pair[1])
    with hub.engine.begin() as connection:
        users.create(connection, "ada")
    with pytest.raises(Refused, match="a person logs in"):
        pin(hub.engine, "ada", hub.issuer.make(tmp_path / "ada.pem")[0], "ada")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "own.key").chmod(0o640),
        lambda folder: (folder / "own.key").write_text("no key"),
        lambda folder: (folder / "authority.pem").unlink(),
    ],
    ids=["readable", "no key", "no authority"],
)
def test_files_that_cannot_be_used_stop_it_before_it_listens(
    hub: Hub, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    other = replace(hub, issuer=Certificates(tmp_path / "tls"))
    spoil(tmp_path / "tls")
    with pytest.raises((ConfigError, Refused)), other.open(**other.tls()):
        pass
