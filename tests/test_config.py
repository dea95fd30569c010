"""The configuration: where values come from, and every mistake at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from cohortium import config
from cohortium.errors import ConfigError

FOLDER = '[[source.folder]]\nname = "in"\npath = "incoming"\n'
CUMULATIVE = '[[pipeline]]\nname = "all"\nsources = ["in"]\ntransfer = "cumulative"\n'
RECEIVER = '[[source.receiver]]\nname = "in"\n'
ARCHIVE = '[[destination.dicom]]\nname = "out"\nae_title = "A"\nhost = "127.0.0.1"\n'
PIPELINE = """
[[project]]
name = "lung"
[[pipeline]]
name = "ct"
source = "incoming"
project = "lung"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cohortium.toml"
    path.write_text(PIPELINE, "utf-8")
    return path


def problems(file: Path, text: str, **environment: str) -> str:
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        config.load(file, environment)
    return str(caught.value)


def test_defaults_file_and_environment_in_rising_order(file: Path) -> None:
    file.write_text("[serve]\nport = 1\nlogin_hours = 2\n", "utf-8")
    loaded = config.load(file, {"COHORTIUM_SERVE__PORT": "3"})
    assert (loaded.serve.host, loaded.serve.login_hours, loaded.serve.port) == ("127.0.0.1", 2, 3)
    assert [loaded.origin[f"serve.{key}"] for key in ("host", "login_hours", "port")] == [
        "default",
        "file",
        "COHORTIUM_SERVE__PORT",
    ]


def test_paths_start_at_the_folder_of_the_file(file: Path) -> None:
    loaded = config.load(file, {})
    assert loaded.site.data == file.parent / "data"
    assert loaded.pipelines[0].source == file.parent / "incoming"


def test_an_absolute_path_stays_as_it_is(file: Path) -> None:
    file.write_text(f"[site]\ndata = '{file.parent}/elsewhere'\n", "utf-8")
    assert config.load(file, {}).site.data == file.parent / "elsewhere"


def test_every_mistake_is_reported_at_once(file: Path) -> None:
    text = '[serve]\nport = "x"\nhots = 1\n[site]\nname = "St. Mary"\n[nonsense]\n[pipeline]\nname = "ct"\n'
    message = problems(file, text, COHORTIUM_SERVE__HOTS="1", COHORTIUM_LIMITS__FILE_MEGABYTES="many")
    for part in (
        "serve.port: a whole number",
        "serve.hots: no such setting",
        "site.name:",
        "[nonsense]: no such section",
        "[pipeline]: write [[pipeline]]",
        "COHORTIUM_SERVE__HOTS: no such setting",
        "limits.file_megabytes: a whole number",
    ):
        assert part in message


TLS = 'certificate = "own.pem"\ncertificate_key = "own.key"\n'


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("[serve]\nport = 65536\n", "serve.port"),
        ("[serve]\nport = true\n", "serve.port"),
        ("[serve]\nlogin_hours = 0\n", "serve.login_hours"),
        ("[serve]\nworkers = 0\n", "serve.workers"),
        ('[serve]\npublic = "http://archive.example.org"\n', "serve.public"),
        ('[serve]\npublic = "https://archive.example.org/"\n', "serve.public"),
        ('[serve]\nproxies = ["*"]\n', "serve.proxies"),
        ('[serve]\ncertificate = "own.pem"\n', "serve: certificate and certificate_key go together"),
        ('[serve]\nauthority = "sites.pem"\n', "serve: authority is given without certificate"),
        ('[serve]\ncertificate_header = "X-Certificate"\n', "serve.certificate_header: needs proxies"),
        ('[serve]\ncertificate_header = "X-Certificate"\nproxies = ["::1"]\n', "serve.certificate_header: needs"),
        ('[serve]\ncertificate_header = "Host"\n', "serve.certificate_header: a name of one's own"),
        (f'[serve]\n{TLS}public = "http://localhost"\n', "serve.public: is not https"),
        ("[limits]\nfile_megabytes = 0\n", "limits.file_megabytes"),
        ("[backup]\nhours = 0\n", "backup.hours"),
        ("[backup]\nkeep = -1\n", "backup.keep"),
        ('[backup]\nendpoint = "http://s3.example"\n', "backup.endpoint: https"),
        ("[site]\nkey = 'data/site.key'\n", "site.key: lies inside site.data"),
        ("site = 1\n", "site: a table"),
        ("project = [1]\n", "project[0]: a table"),
        ("[[project]]\nname = 'a'\n[[project]]\nname = 'a'\n", "two are named 'a'"),
        ("[[project]]\nname = 'A b'\n", "'A b' is not lower-case"),
        ("[[project]]\nname = 'studies'\n", "a word of DICOMweb's addresses"),
        ("[[project]]\nname = 'a'\nadmit = 'all'\n", "admit is"),
        (PIPELINE.replace('project = "lung"', 'project = "liver"'), "no project 'liver'"),
        (PIPELINE.replace('source = "incoming"', ""), "source is missing"),
        (PIPELINE.replace("incoming", "data/spool"), "its source and site.data lie"),
        (PIPELINE.replace("incoming", "keys"), "its source and site.key lie"),
        (PIPELINE + "modalities = 'CT'\n", "pipeline[0].modalities: a list of texts"),
        (PIPELINE + "gate = 1\n", "pipeline[0].gate: true or false"),
        (RECEIVER + 'certificate = "a.pem"\n', "source in: certificate and certificate_key go together"),
        (RECEIVER + 'authority = "a.pem"\n', "source in: authority is given without certificate"),
        (RECEIVER + 'peers = ["PACS@pacs.example"]\n', "is no AE_TITLE@IP_ADDRESS"),
        (FOLDER + "look_seconds = 0\n", "source in: settle_seconds: 0 or more; look_seconds: 1 or more"),
        (FOLDER + "remove = true\nsettle_seconds = 0\n", "source in: remove needs settle_seconds of at least 1"),
        (FOLDER + "remove = true\n" + CUMULATIVE, "source in: remove: its pipeline is cumulative"),
        (ARCHIVE + 'certificate = "a.pem"\ncertificate_key = "a.key"\n', "certificate is given without authority"),
        (ARCHIVE, "gateway.egress does not list 127.0.0.1:104"),
        ("[site\n", "cohortium.toml"),
    ],
)
def test_a_mistake_is_named(file: Path, text: str, mistake: str) -> None:
    assert mistake in problems(file, text)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://anna:tulipan@localhost/x",
        "postgresql://anna:tuli/tulipan@localhost/x",
        "postgresql://anna:tulipan?@localhost/x",
        "postgresql://anna@localhost/x?password=tulipan",
        "postgresql://anna@localhost/x?host=a&sslpassword=tulipan",
        "postgresql+psycopg://anna:tulipan@localhost/x",
        "postgresql://anna:tulipan@localhost",
        "mysql://anna:tulipan@localhost/x",
        "tulipan",
    ],
)
def test_an_address_of_the_store_with_a_password_is_refused_and_not_repeated(file: Path, url: str) -> None:
    for message in (problems(file, f'[store]\nurl = "{url}"'), problems(file, "", COHORTIUM_STORE__URL=url)):
        assert "store.url" in message
        assert "tulipan" not in message


@pytest.mark.parametrize(
    "url", ["", "postgresql:///x", "postgresql://u@/x?host=/run/p", "postgresql://u@[::1]:5433/x?passfile=/etc/p:a@b"]
)
def test_an_address_of_the_store_without_one_is_taken(file: Path, url: str) -> None:
    assert config.load(file, {"COHORTIUM_STORE__URL": url}).store.url == url


def test_where_backups_are_is_known_without_a_file(tmp_path: Path) -> None:
    found = config.backup_of_environment(tmp_path, {"COHORTIUM_BACKUP__ENDPOINT": "https://s3.example"})
    assert found == config.Backup(endpoint="https://s3.example")
    assert found.store("s3://there/in") == config.Store(objects="s3://there/in", endpoint="https://s3.example")
    with pytest.raises(ConfigError, match=r"backup\.hours: a whole number is expected"):
        config.backup_of_environment(tmp_path, {"COHORTIUM_BACKUP__HOURS": "often"})


def test_a_file_that_is_not_text(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(file, {})


def test_a_folder_instead_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path, {})


def test_in_force_lists_every_setting_with_its_origin(file: Path) -> None:
    loaded = config.load(file, {})
    rows = {name: (value, origin) for name, value, origin in config.in_force(loaded)}
    assert rows.keys() == loaded.origin.keys()
    assert rows["pipeline[0].project"] == ("lung", "file")
    assert rows["pipeline[0].gate"] == (True, "default")


def test_the_example_holds_every_setting_and_loads(file: Path) -> None:
    text = config.example()
    file.write_text(text, "utf-8")
    as_commented = config.load(file, {})
    file.write_text(
        "\n".join(line.removeprefix("# ") if " = " in line else line for line in text.splitlines()), "utf-8"
    )
    as_written = config.load(file, {})
    assert (as_written.site, as_written.serve, as_written.limits) == (
        as_commented.site,
        as_commented.serve,
        as_commented.limits,
    )
    assert (as_written.projects, as_written.pipelines) == (as_commented.projects, as_commented.pipelines)
    assert set(as_written.origin.values()) == {"file"}


def test_what_a_project_name_leads_to(file: Path) -> None:
    assert config.load(file, {}).project("lung").admit == "receipt"
