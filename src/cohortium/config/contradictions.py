"""What no reading of single settings shows: values that cannot be meant, and settings that contradict each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from ipaddress import ip_address, ip_network
from itertools import chain
from pathlib import Path

from cohortium.config.sections import Pipeline, Project, Serve
from cohortium.config.ways import Curated, Laid, Pacs, Receiver, Scp, SftpServer, Source, Stow, Upload, Watched
from cohortium.config.whole import ARCHIVE, LISTS, Config

__all__ = ["BUCKET_URL", "HOURS", "NAME", "contradictions", "hours_of", "overlap"]

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
RESERVED = ("studies", "series", "instances")
STORE_URL = re.compile(r"postgresql://[^\s/]*/[^\s/?]+(\?\S*)?$")
PUBLIC = re.compile(r"(https://[A-Za-z0-9.-]+|http://(127\.0\.0\.1|localhost))(:\d{1,5})?")
HUB = re.compile(r"(https://[A-Za-z0-9.-]+|http://(127\.0\.0\.1|localhost))(:\d{1,5})?(/[A-Za-z0-9._~-]+)*")
BUCKET_URL = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*/?")
PASSWORD = re.compile(r"://[^/@]*:[^/@]*@|[?&]\w*password=")
AE_TITLE = re.compile(r"[!-\[\]-~]{1,16}")  # PS3.5 6.2, without the backslash and without spaces
HEADER = re.compile(r"X-[A-Za-z0-9-]{1,60}")
HOURS = re.compile(r"([01]?\d|2[0-3])-([01]?\d|2[0-4])")
LARGEST_PORT = 65535


def contradictions(config: Config) -> Iterator[str]:
    """Every one of them, in words that begin with the setting's name."""
    rules = (_site, _serve, _people, _numbers, _store, _names, _projects, _gateway, _sources, _destinations, _pipelines)
    return chain.from_iterable(rule(config) for rule in rules)


def overlap(one: Path, other: Path) -> bool:
    """Whether one path is, or lies within, the other."""
    one, other = one.resolve(), other.resolve()
    return one.is_relative_to(other) or other.is_relative_to(one)


def hours_of(text: str) -> tuple[int, int]:
    """The hour at which a span such as `19-6` begins, and that at which it ends; empty: the whole day."""
    found = HOURS.fullmatch(text)
    return (int(found[1]), int(found[2])) if found else (0, 24)


def _site(config: Config) -> Iterator[str]:
    if not NAME.fullmatch(config.site.name):
        yield "site.name: lower-case letters, digits and hyphens, at most 63"
    if config.site.key.resolve().is_relative_to(config.site.data.resolve()):
        yield "site.key: lies inside site.data; move it outside, so that no backup holds both"


def _serve(config: Config) -> Iterator[str]:
    if not 0 <= config.serve.port <= LARGEST_PORT:
        yield f"serve.port: 0 to {LARGEST_PORT}"
    if config.serve.public and not PUBLIC.fullmatch(config.serve.public):
        yield "serve.public: an address such as https://archive.example.org is expected, without a path"
    for each in config.serve.proxies:
        if not _is_network(each):
            yield f"serve.proxies: {each!r} is no IP address or network"
    yield from _certificates(config.serve)
    if config.serve.workers < 1:
        yield "serve.workers: at least 1"
    if config.serve.login_hours < 1:
        yield "serve.login_hours: at least 1"


def _certificates(serve: Serve) -> Iterator[str]:
    yield from (f"serve: {mistake}" for mistake in _tls(serve, "certificate", "authority"))
    if serve.certificate and serve.public.startswith("http:"):
        yield "serve.public: is not https, and serve.certificate is given"
    if serve.certificate_header and not HEADER.fullmatch(serve.certificate_header):
        yield "serve.certificate_header: a name of one's own, such as X-Client-Certificate, is expected"
    if serve.certificate_header and not (serve.proxies and serve.proxy_secret_file):
        yield "serve.certificate_header: needs proxies, and proxy_secret_file; anybody could write it"


def _people(config: Config) -> Iterator[str]:
    if config.oidc.issuer and not (config.oidc.client_id and config.oidc.client_secret_file):
        yield "oidc: an issuer needs client_id and client_secret_file"
    if config.oidc.issuer and not config.oidc.issuer.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        yield "oidc.issuer: https is needed"
    if config.mail.host and not config.mail.sender:
        yield "mail.sender: is missing, and mail.host is given"
    if config.mail.user and not config.mail.starttls:
        yield "mail.starttls: a password is not sent in the clear"


def _numbers(config: Config) -> Iterator[str]:
    for section, settings in (("quota", config.quota), ("limits", config.limits), ("gateway", config.gateway)):
        for setting in fields(settings):
            value = getattr(settings, setting.name)
            if isinstance(value, int) and value < 0:
                yield f"{section}.{setting.name}: 0 or more"
    if config.limits.file_megabytes < 1:
        yield "limits.file_megabytes: at least 1"
    if config.backup.hours < 1:
        yield "backup.hours: at least 1"
    if config.backup.keep < 0:
        yield "backup.keep: 0 or more"


def _store(config: Config) -> Iterator[str]:
    if config.store.url and not STORE_URL.match(config.store.url):
        yield "store.url: `postgresql://USER@HOST/DATABASE` is expected"
    elif PASSWORD.search(config.store.url):
        yield "store.url: holds a password; leave it out, and name the file that has it with `?passfile=FILE`"
    if config.store.objects and not BUCKET_URL.fullmatch(config.store.objects):
        yield "store.objects: `s3://BUCKET` or `s3://BUCKET/PREFIX` is expected"
    for section, endpoint in (("store", config.store.endpoint), ("backup", config.backup.endpoint)):
        if endpoint and not PUBLIC.fullmatch(endpoint):
            yield f"{section}.endpoint: https is needed (http on this machine alone), and no path"
    if config.store.cold_class and not config.store.objects:
        yield "store.cold_class: a folder has no cold storage; it needs store.objects in S3"


def _names(config: Config) -> Iterator[str]:
    """Names are one of a kind; those of sources and of destinations whatever table they stand in."""
    families: dict[str, list[str]] = {}
    for table in LISTS:
        families.setdefault(table.partition(".")[0], []).extend(each.name for each in config.listed(table))
    for kind, names in families.items():
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{kind}: two are named {name!r}"
        for name in names:
            if not NAME.fullmatch(name):
                yield f"{kind}.name: {name!r} is not lower-case letters, digits and hyphens, at most 63"
    if ARCHIVE in families.get("destination", ()):
        yield f"destination.name: {ARCHIVE!r} is this site's own archive; choose another"


def _projects(config: Config) -> Iterator[str]:
    for project in config.projects:
        yield from (f"project {project.name}: {mistake}" for mistake in _project(config, project))


def _project(config: Config, project: Project) -> Iterator[str]:
    if project.name in RESERVED:
        yield "the name is a word of DICOMweb's addresses; choose another"
    if project.admit not in ("receipt", "check", "trusted"):
        yield "admit is `receipt`, `check` or `trusted`"
    if project.same_uid not in ("refuse", "version"):
        yield "same_uid is `refuse` or `version`"
    if project.cold_days and not config.store.cold_class:
        yield "cold_days needs store.cold_class"
    if project.pack_hours < 0 or project.cold_days < 0:
        yield "pack_hours and cold_days are 0 or more"
    if not 0 <= project.prearchive_days <= 3650:
        yield "prearchive_days is 0 to 3650"


def _gateway(config: Config) -> Iterator[str]:
    for each in config.gateway.egress:
        host, _, port = each.rpartition(":")
        if not host or not _is_port(port):
            yield f"gateway.egress: {each!r} is no HOST:PORT"


def _sources(config: Config) -> Iterator[str]:
    receivers = {each.name for each in config.sources if isinstance(each, Receiver)}
    for source in config.sources:
        yield from (f"source {source.name}: {mistake}" for mistake in _source(config, source, receivers))


def _source(config: Config, source: Source, receivers: set[str]) -> Iterator[str]:
    match source:
        case Watched():
            yield from _folder(config, source.path)
            yield from _removal(config, source)
            if source.settle_seconds < 0 or source.look_seconds < 1:
                yield "settle_seconds: 0 or more; look_seconds: 1 or more"
        case Receiver():
            yield from _titles(source.ae_title)
            yield from (f"peers: {each!r} is no AE_TITLE@IP_ADDRESS" for each in source.peers if not _is_peer(each))
            yield from _tls(source, "certificate", "authority")
        case Pacs():
            yield from _titles(source.ae_title, source.calling)
            yield from _tls(source, "authority", "certificate")
            yield from _egress(config, source.host, source.port)
            if source.hours and not HOURS.fullmatch(source.hours):
                yield "hours: a span such as 19-6 is expected"
            if source.receiver and source.receiver not in receivers:
                yield f"receiver: no [[source.receiver]] is named {source.receiver!r}"
            if source.studies_hour < 0:
                yield "studies_hour: 0 or more"
            if source.patience_seconds < 1:
                yield "patience_seconds: at least 1"
        case Upload():
            if not source.token_file:
                yield "token_file: is missing; nobody sends without a token"
        case Curated():
            if not source.version:
                yield "version: is missing"
        case _:
            if not source.keys_file:
                yield "keys_file: is missing; nobody sends without a key"
    port = getattr(source, "port", 0)
    if not _is_port(str(port)):
        yield f"port: 0 to {LARGEST_PORT}"


def _removal(config: Config, source: Watched) -> Iterator[str]:
    if not source.remove:
        return
    if source.settle_seconds < 1:
        yield "remove needs settle_seconds of at least 1, or what is still being written would be lost"
    if any(source.name in each.sources and each.transfer == "cumulative" for each in config.pipelines):
        yield "remove: its pipeline is cumulative, and takes what is not in the folder for absent"


def _destinations(config: Config) -> Iterator[str]:
    for destination in config.destinations:
        where = f"destination {destination.name}"
        match destination:
            case Stow():
                mistakes = _hub(config, destination)
            case Scp():
                mistakes = chain(
                    _titles(destination.ae_title, destination.calling),
                    _tls(destination, "authority", "certificate"),
                    _egress(config, destination.host, destination.port),
                )
            case SftpServer():
                mistakes = chain(_egress(config, destination.host, destination.port), _keys(destination))
            case Laid():
                mistakes = _folder(config, destination.path)
        yield from (f"{where}: {mistake}" for mistake in mistakes)


def _hub(config: Config, hub: Stow) -> Iterator[str]:
    if not HUB.fullmatch(hub.url):
        yield "url: https is needed (http on this machine alone), and no query"
        return
    scheme, _, rest = hub.url.partition("://")
    host, _, port = rest.partition("/")[0].partition(":")
    yield from _egress(config, host, int(port or (443 if scheme == "https" else 80)))
    yield from _tls(hub)


def _keys(server: SftpServer) -> Iterator[str]:
    if not (server.user and server.key_file and server.known_hosts):
        yield "user, key_file and known_hosts are needed"


def _pipelines(config: Config) -> Iterator[str]:
    projects = {project.name for project in config.projects}
    sources = {each.name for each in config.sources}
    destinations = {ARCHIVE, *(each.name for each in config.destinations)}
    peers = {each.name for each in config.destinations if isinstance(each, Scp)}
    for pipeline in config.pipelines:
        where = f"pipeline {pipeline.name}"
        if pipeline.project not in projects:
            yield f"{where}: no project {pipeline.project!r} is configured"
        yield from (f"{where}: no source {each!r} is configured" for each in pipeline.sources if each not in sources)
        for each in pipeline.destinations:
            if each not in destinations:
                yield f"{where}: no destination {each!r} is configured"
        for each in pipeline.tables:
            if each not in (pipeline.destinations or (ARCHIVE,)):
                yield f"{where}: tables go to {each!r}, which is none of its destinations"
            elif each in peers:
                yield f"{where}: tables cannot go to {each!r}: C-STORE carries images alone"
        if pipeline.transfer not in ("incremental", "cumulative"):
            yield f"{where}: transfer is `incremental` or `cumulative`"
        if pipeline.transfer == "cumulative" and not _keeps_versions(config, pipeline):
            yield f'{where}: a cumulative transfer into this site\'s archive needs same_uid = "version" of its project'
        if pipeline.transfer == "cumulative":
            for each in sorted(peers & {*pipeline.destinations}):
                yield f"{where}: by C-STORE ({each}) nobody can tell which version a peer holds; transfer incrementally"
        yield from (f"{where}: {mistake}" for mistake in _taken(config, pipeline))


def _keeps_versions(config: Config, pipeline: Pipeline) -> bool:
    into_archive = ARCHIVE in (pipeline.destinations or (ARCHIVE,))
    refusing = {each.name for each in config.projects if each.same_uid == "refuse"}
    return not (into_archive and pipeline.project in refusing)


def _taken(config: Config, pipeline: Pipeline) -> Iterator[str]:
    """What is wrong with the folder that a pipeline itself names."""
    if pipeline.source != config.file.parent:
        yield from (f"its source {mistake}" for mistake in _inside(config, pipeline.source))
    elif not pipeline.sources:
        yield "source is missing"


def _folder(config: Config, path: Path) -> Iterator[str]:
    if path == config.file.parent:
        yield "path: is missing"
    else:
        yield from (f"its path {mistake}" for mistake in _inside(config, path))


def _inside(config: Config, path: Path) -> Iterator[str]:
    for key, other in (("data", config.site.data), ("key", config.site.key)):
        if overlap(path, other):
            yield f"and site.{key} lie one inside the other; move one of them"


def _titles(*titles: str) -> Iterator[str]:
    if not all(AE_TITLE.fullmatch(each) for each in titles):
        yield "an AE title has 1 to 16 characters and no space or backslash"


def _tls(way: Serve | Receiver | Pacs | Scp | Stow, first: str = "", more: str = "") -> Iterator[str]:
    """Where the setting `first` is what asks for TLS, `more` alone would be a connection in the clear."""
    if bool(way.certificate) != bool(way.certificate_key):
        yield "certificate and certificate_key go together"
    if first and getattr(way, more) and not getattr(way, first):
        yield f"{more} is given without {first}, so there would be no TLS"


def _egress(config: Config, host: str, port: int) -> Iterator[str]:
    if not host:
        yield "host: is missing"
    elif f"{host}:{port}" not in config.gateway.egress:
        yield f"gateway.egress does not list {host}:{port}, so nothing is sent there"


def _is_port(text: str) -> bool:
    return text.isdigit() and int(text) <= LARGEST_PORT


def _is_peer(text: str) -> bool:
    """An address and no host's name, which somebody else's server would tell."""
    title, _, address = text.rpartition("@")
    try:
        ip_address(address)
    except ValueError:
        return False
    return AE_TITLE.fullmatch(title) is not None


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
