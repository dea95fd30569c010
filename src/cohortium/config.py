"""cohortium.toml and the environment, read once, into frozen dataclasses.

Each scalar comes from the environment (`COHORTIUM_SECTION__KEY`), else the file, else its default, and remembers
which. All mistakes are reported together. No other module reads an environment variable.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any, get_type_hints

from cohortium.errors import ConfigError

__all__ = [
    "BUCKET_URL",
    "EXAMPLE",
    "Backup",
    "Config",
    "Pipeline",
    "Project",
    "Serve",
    "Site",
    "Store",
    "backup_of_environment",
    "example",
    "in_force",
    "load",
    "overlap",
    "settings",
]

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
RESERVED = ("studies", "series", "instances")
STORE_URL = re.compile(r"postgresql://[^\s/]*/[^\s/?]+(\?\S*)?$")
PUBLIC = re.compile(r"(https://[A-Za-z0-9.-]+|http://(127\.0\.0\.1|localhost))(:\d{1,5})?")
BUCKET_URL = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*/?")
PASSWORD = re.compile(r"://[^/@]*:[^/@]*@|[?&]\w*password=")


def _setting(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True)
class Site:
    name: str = _setting("site", "name of this site in receipts and provenance: lower-case letters, digits, hyphens")
    data: Path = _setting(Path("data"), "data root: store, spool and archive; relative to the configuration file")
    key: Path = _setting(Path("keys/site.key"), "the site's key, outside the data root, mode 0600")
    issuer: str = _setting("", "issuer of patient IDs that is the hospital's own: to name it is to name none")


@dataclass(frozen=True, slots=True)
class Store:
    url: str = _setting("", "`postgresql://USER@HOST/DATABASE`, without the password; empty: SQLite below site.data")
    objects: str = _setting("", "`s3://BUCKET/PREFIX` for the archive's sealed bytes; empty: a folder below site.data")
    endpoint: str = _setting("", "address of the server that speaks S3; empty: Amazon's")
    region: str = _setting("", "its region; empty: us-east-1")
    cold_class: str = _setting("", "storage class for packs that go cold, such as GLACIER; empty: none goes")
    credentials_file: str = _setting("", "file, mode 0600, as AWS's own; empty: AWS_ACCESS_KEY_ID and so on")


@dataclass(frozen=True, slots=True)
class Backup:
    """Where the worker backs the site up to, and how often; the last three are for a target in a bucket."""

    target: str = _setting("", "folder, relative to the configuration file, or `s3://BUCKET/PREFIX`; empty: none")
    hours: int = _setting(24, "hours from one backup to the next")
    keep: int = _setting(0, "how many of the newest backups stay; 0: all")
    endpoint: str = _setting("", "address of the server that speaks S3; empty: Amazon's")
    region: str = _setting("", "its region; empty: us-east-1")
    credentials_file: str = _setting("", "file, mode 0600, as AWS's own; empty: AWS_ACCESS_KEY_ID and so on")

    def store(self, target: str) -> Store:
        """The settings of a bucket at which backups are kept."""
        return Store(objects=target, endpoint=self.endpoint, region=self.region, credentials_file=self.credentials_file)


@dataclass(frozen=True, slots=True)
class Serve:
    host: str = _setting("127.0.0.1", "address on which `cohortium serve` listens")
    port: int = _setting(8765, "its port")
    public: str = _setting("", "address by which people reach it, as https://archive.example.org; empty: the above")
    proxies: tuple[str, ...] = _setting((), "addresses or networks of proxies that are believed whose request it is")
    workers: int = _setting(1, "processes that answer; each takes a core when it is busy")
    login_hours: int = _setting(12, "hours after which a login ends")
    guests: bool = _setting(False, "let who is not logged in read public projects")
    projects: str = _setting(
        "", "protocol, by name or path, of projects that administrators make through XNAT's clients; empty: none are"
    )
    terms: str = _setting("", "text file of the terms of use, which everybody accepts, and again when it changes")
    ohif: str = _setting("", "folder of a static build of the viewer OHIF (@ohif/app), opened at /ohif/; empty: none")


@dataclass(frozen=True, slots=True)
class Oidc:
    """A provider of OpenID Connect; without an issuer, none is called."""

    issuer: str = _setting("", "address of the OpenID provider; empty: people log in with passwords alone")
    client_id: str = _setting("", "what the provider calls this site")
    client_secret_file: str = _setting("", "file, mode 0600, that holds the secret shared with the provider")
    label: str = _setting("Log in with your institution", "what the button says")


@dataclass(frozen=True, slots=True)
class Mail:
    """Where invitations are handed in; without a host, who invites passes the link on."""

    host: str = _setting("", "server that takes mail (SMTP); empty: no mail is sent")
    port: int = _setting(587, "its port")
    starttls: bool = _setting(True, "refuse to send in the clear")
    sender: str = _setting("", "address that invitations come from")
    user: str = _setting("", "name to log in with; empty: without")
    password_file: str = _setting("", "file, mode 0600, that holds the password")


@dataclass(frozen=True, slots=True)
class Limits:
    file_megabytes: int = _setting(2048, "larger files are set aside unread")
    intake_megabytes: int = _setting(4096, "bytes of uploads to one process in memory at once; more are asked to wait")
    free_megabytes: int = _setting(1024, "nothing is uploaded while less is free on the disk of `site.data`; 0: any")
    person_requests: int = _setting(30_000, "requests a minute of one person to one process; 0: no limit")
    address_requests: int = _setting(60_000, "requests a minute from one address to one process; 0: no limit")


@dataclass(frozen=True, slots=True)
class Quota:
    """What one person may read of one project, unless the grant says otherwise; and what is told as unusual."""

    gigabytes_day: int = _setting(0, "gigabytes a day; 0: no limit")
    instances_day: int = _setting(0, "images a day; 0: no limit")
    gigabytes_total: int = _setting(0, "gigabytes altogether; 0: no limit")
    instances_total: int = _setting(0, "images altogether; 0: no limit")
    alarm_instances: int = _setting(1000, "fewer images than these, in a week or a day, are never unusual")
    alarm_share: int = _setting(50, "percent of a project's images, read by one person in a week, that is unusual")
    alarm_times: int = _setting(10, "times what a person reads on other days that is unusual")


@dataclass(frozen=True, slots=True)
class Project:
    """One `[[project]]`: where data is deposited."""

    name: str = _setting("", "short name: lower-case letters, digits, hyphens")
    title: str = _setting("", "what people read")
    admit: str = _setting(
        "receipt",
        "`receipt`: only what an enrolled site signed for; `check`: the archive's own check; `trusted`: unchecked",
    )
    same_uid: str = _setting("refuse", "other bytes under a UID that is there: `refuse` them, or keep a `version`")
    readmit: bool = _setting(False, "take in again what was removed; never who was withdrawn")
    pack_hours: int = _setting(24, "hours without a new instance after which a series becomes one pack; 0: never")
    cold_days: int = _setting(0, "days after which a pack goes to cold storage; 0: never")
    prearchive_days: int = _setting(30, "days for which what the check refuses can be mended; 0: it is not kept")


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One `[[pipeline]]`: from a folder through a protocol and checks into a project."""

    name: str = _setting("", "short name: lower-case letters, digits, hyphens")
    source: Path = _setting(Path(), "folder to read; relative to the configuration file")
    project: str = _setting("", "project that receives what comes out")
    protocol: str = _setting("basic", "shipped protocol by name, or path of a protocol file")
    level: str = _setting("", "level of privacy, of a protocol that offers some")
    modalities: tuple[str, ...] = _setting((), "take these modalities only; empty: all that earlier pipelines left")
    gate: bool = _setting(True, "hold a series in which a check found an error")
    specification: str = _setting("dragon", "specification to check against")


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration; `origin` tells for each `section.key` where its value came from."""

    file: Path
    site: Site
    store: Store
    backup: Backup
    serve: Serve
    mail: Mail
    oidc: Oidc
    limits: Limits
    quota: Quota
    projects: tuple[Project, ...]
    pipelines: tuple[Pipeline, ...]
    origin: Mapping[str, str]

    def project(self, name: str) -> Project:
        return next(project for project in self.projects if project.name == name)


SECTIONS: Mapping[str, type] = {
    "site": Site,
    "store": Store,
    "backup": Backup,
    "serve": Serve,
    "mail": Mail,
    "oidc": Oidc,
    "limits": Limits,
    "quota": Quota,
}
LISTS: Mapping[str, type] = {"project": Project, "pipeline": Pipeline}

EXAMPLE: Mapping[str, Mapping[str, str]] = {
    "project": {"name": "study", "title": "Our study"},
    "pipeline": {
        "name": "incoming",
        "source": "incoming",
        "project": "study",
        "protocol": "basic",
        "specification": "basic",
    },
}


def load(file: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Read `file` and the environment; raise one `ConfigError` that names every mistake."""
    problems: list[str] = []
    origin: dict[str, str] = {}
    document = _document(file)
    for name in sorted(document.keys() - SECTIONS.keys() - LISTS.keys()):
        problems.append(f"[{name}]: no such section; known: {', '.join([*SECTIONS, *LISTS])}")
    for name in sorted(environment):
        if name.startswith("COHORTIUM_") and not _is_setting(name):
            problems.append(f"{name}: no such setting; see `cohortium config show`")
    sections = {
        name: _section(kind, name, document.get(name, {}), environment, file.parent, problems, origin)
        for name, kind in SECTIONS.items()
    }
    lists = {
        name: tuple(
            _section(kind, f"{name}[{n}]", table, {}, file.parent, problems, origin)
            for n, table in enumerate(_tables(name, document, problems))
        )
        for name, kind in LISTS.items()
    }
    config = Config(file=file, **sections, projects=lists["project"], pipelines=lists["pipeline"], origin=origin)
    problems += _contradictions(config)
    if problems:
        raise ConfigError(f"{file}:\n" + "\n".join(f"  {problem}" for problem in problems))
    return config


def backup_of_environment(folder: Path, environment: Mapping[str, str] = os.environ) -> Backup:
    """The section `[backup]` for who restores, and has no configuration yet."""
    problems: list[str] = []
    found: Backup = _section(Backup, "backup", {}, environment, folder, problems, {})
    if problems:
        raise ConfigError("\n".join(problems))
    return found


def settings() -> Iterator[tuple[str, Any, str]]:
    """(name, default, help) of every setting, for `config show` and the reference."""
    for section, kind in {**SECTIONS, **{f"[{name}]": kind for name, kind in LISTS.items()}}.items():
        for each in fields(kind):
            yield f"{section}.{each.name}", each.default, each.metadata["help"]


def in_force(config: Config) -> Iterator[tuple[str, Any, str]]:
    """(name, value, origin) of every setting as `config` has it; a path as text."""
    for section in SECTIONS:
        yield from _rows(section, getattr(config, section), config.origin)
    for kind, entries in (("project", config.projects), ("pipeline", config.pipelines)):
        for n, entry in enumerate(entries):
            yield from _rows(f"{kind}[{n}]", entry, config.origin)


def example() -> str:
    """A commented configuration file: every setting with its default, and a first project and pipeline."""
    head = "# The configuration of one Cohortium site. A setting that is commented out has the value shown.\n"
    sections = [_example(f"[{name}]", kind, {}) for name, kind in SECTIONS.items()]
    lists = [_example(f"[[{name}]]", kind, EXAMPLE[name]) for name, kind in LISTS.items()]
    return "\n".join([head, *sections, *lists])


def _rows(section: str, values: Any, origin: Mapping[str, str]) -> Iterator[tuple[str, Any, str]]:
    for each in fields(values):
        value = getattr(values, each.name)
        yield (
            f"{section}.{each.name}",
            str(value) if isinstance(value, Path) else value,
            origin[f"{section}.{each.name}"],
        )


def _example(header: str, kind: type, chosen: Mapping[str, str]) -> str:
    lines = [header]
    for each in fields(kind):
        value = chosen.get(each.name, each.default)
        text = json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)
        lines += [f"# {each.metadata['help']}", f"{'' if each.name in chosen else '# '}{each.name} = {text}"]
    return "\n".join(lines) + "\n"


def _document(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no configuration at {file}; `cohortium init` makes one") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {type(error).__name__}") from None


def _is_setting(variable: str) -> bool:
    section, _, key = variable.removeprefix("COHORTIUM_").lower().partition("__")
    return section in SECTIONS and key in {each.name for each in fields(SECTIONS[section])}


def _tables(name: str, document: Mapping[str, Any], problems: list[str]) -> list[Any]:
    tables = document.get(name, [])
    if isinstance(tables, list):
        return tables
    problems.append(f"[{name}]: write [[{name}]], for there may be several")
    return []


def _section(
    kind: type,
    name: str,
    table: Any,
    environment: Mapping[str, str],
    folder: Path,
    problems: list[str],
    origin: dict[str, str],
) -> Any:
    if not isinstance(table, dict):
        problems.append(f"{name}: a table is expected")
        table = {}
    known = {each.name: each for each in fields(kind)}
    for key in sorted(table.keys() - known.keys()):
        problems.append(f"{name}.{key}: no such setting; known: {', '.join(known)}")
    hints = get_type_hints(kind)
    values = {}
    for key, each in known.items():
        variable = f"COHORTIUM_{name}__{key}".upper()
        if variable in environment:
            value, source = _from_text(environment[variable], hints[key]), variable
        elif key in table:
            value, source = table[key], "file"
        else:
            value, source = each.default, "default"
        origin[f"{name}.{key}"] = source
        try:
            values[key] = _typed(value, hints[key], folder)
        except TypeError as error:
            problems.append(f"{name}.{key}: {error}")
    return kind(**values)


def _from_text(text: str, hint: Any) -> Any:
    if hint is int:
        try:
            return int(text)
        except ValueError:
            return text
    if hint is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    if hint == tuple[str, ...]:
        return tuple(each.strip() for each in text.split(",") if each.strip())
    return text


def _typed(value: Any, hint: Any, folder: Path) -> Any:
    if hint is Path and isinstance(value, str | Path):
        return folder / value
    if hint == tuple[str, ...] and isinstance(value, list | tuple) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if hint in (str, int, bool) and type(value) is hint:
        return value
    expected = {Path: "a path", str: "text", int: "a whole number", bool: "true or false"}
    raise TypeError(f"{expected.get(hint, 'a list of texts')} is expected")


def _contradictions(config: Config) -> Iterator[str]:
    if not NAME.fullmatch(config.site.name):
        yield "site.name: lower-case letters, digits and hyphens, at most 63"
    if not 0 <= config.serve.port <= 65535:
        yield "serve.port: 0 to 65535"
    if config.serve.public and not PUBLIC.fullmatch(config.serve.public):
        yield "serve.public: an address such as https://archive.example.org is expected, without a path"
    for each in config.serve.proxies:
        if not _is_network(each):
            yield f"serve.proxies: {each!r} is no IP address or network"
    if config.serve.workers < 1:
        yield "serve.workers: at least 1"
    if config.serve.login_hours < 1:
        yield "serve.login_hours: at least 1"
    if config.oidc.issuer and not (config.oidc.client_id and config.oidc.client_secret_file):
        yield "oidc: an issuer needs client_id and client_secret_file"
    if config.oidc.issuer and not config.oidc.issuer.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        yield "oidc.issuer: https is needed"
    if config.mail.host and not config.mail.sender:
        yield "mail.sender: is missing, and mail.host is given"
    if config.mail.user and not config.mail.starttls:
        yield "mail.starttls: a password is not sent in the clear"
    for section, settings in (("quota", config.quota), ("limits", config.limits)):
        for setting in fields(settings):
            if getattr(settings, setting.name) < 0:
                yield f"{section}.{setting.name}: 0 or more"
    if config.limits.file_megabytes < 1:
        yield "limits.file_megabytes: at least 1"
    if config.site.key.resolve().is_relative_to(config.site.data.resolve()):
        yield "site.key: lies inside site.data; move it outside, so that no backup holds both"
    if config.store.url and not STORE_URL.match(config.store.url):
        yield "store.url: `postgresql://USER@HOST/DATABASE` is expected"
    elif PASSWORD.search(config.store.url):
        yield "store.url: holds a password; leave it out, and name the file that has it with `?passfile=FILE`"
    if config.store.objects and not BUCKET_URL.fullmatch(config.store.objects):
        yield "store.objects: `s3://BUCKET` or `s3://BUCKET/PREFIX` is expected"
    for section, endpoint in (("store", config.store.endpoint), ("backup", config.backup.endpoint)):
        if endpoint and not PUBLIC.fullmatch(endpoint):
            yield f"{section}.endpoint: https is needed (http on this machine alone), and no path"
    if config.backup.hours < 1:
        yield "backup.hours: at least 1"
    if config.backup.keep < 0:
        yield "backup.keep: 0 or more"
    if config.store.cold_class and not config.store.objects:
        yield "store.cold_class: a folder has no cold storage; it needs store.objects in S3"
    for kind, entries in (("project", config.projects), ("pipeline", config.pipelines)):
        names = [entry.name for entry in entries]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{kind}: two are named {name!r}"
        for name in names:
            if not NAME.fullmatch(name):
                yield f"{kind}.name: {name!r} is not lower-case letters, digits and hyphens, at most 63"
    projects = {project.name for project in config.projects}
    for project in config.projects:
        if project.name in RESERVED:
            yield f"project.name: {project.name!r} is a word of DICOMweb's addresses; choose another"
        if project.admit not in ("receipt", "check", "trusted"):
            yield f"project {project.name}: admit is `receipt`, `check` or `trusted`"
        if project.same_uid not in ("refuse", "version"):
            yield f"project {project.name}: same_uid is `refuse` or `version`"
        if project.cold_days and not config.store.cold_class:
            yield f"project {project.name}: cold_days needs store.cold_class"
        if project.pack_hours < 0 or project.cold_days < 0:
            yield f"project {project.name}: pack_hours and cold_days are 0 or more"
        if not 0 <= project.prearchive_days <= 3650:
            yield f"project {project.name}: prearchive_days is 0 to 3650"
    for pipeline in config.pipelines:
        if pipeline.project not in projects:
            yield f"pipeline {pipeline.name}: no project {pipeline.project!r} is configured"
        if pipeline.source == config.file.parent:
            yield f"pipeline {pipeline.name}: source is missing"
        for key, path in (("data", config.site.data), ("key", config.site.key)):
            if overlap(pipeline.source, path):
                yield f"pipeline {pipeline.name}: its source and site.{key} lie one inside the other; move one of them"


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def overlap(one: Path, other: Path) -> bool:
    """Whether one path is, or lies within, the other."""
    one, other = one.resolve(), other.resolve()
    return one.is_relative_to(other) or other.is_relative_to(one)
