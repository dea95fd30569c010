"""The sections of the configuration but for the ways in and out: each setting with its default and what it means."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = [
    "Backup",
    "Gateway",
    "Limits",
    "Mail",
    "Oidc",
    "Pipeline",
    "Project",
    "Quota",
    "Serve",
    "Site",
    "Store",
    "setting",
]


def setting(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True)
class Site:
    name: str = setting("site", "name of this site in receipts and provenance: lower-case letters, digits, hyphens")
    data: Path = setting(Path("data"), "data root: store, spool and archive; relative to the configuration file")
    key: Path = setting(Path("keys/site.key"), "the site's key, outside the data root, mode 0600")
    issuer: str = setting("", "issuer of patient IDs that is the hospital's own: to name it is to name none")


@dataclass(frozen=True, slots=True)
class Store:
    url: str = setting("", "`postgresql://USER@HOST/DATABASE`, without the password; empty: SQLite below site.data")
    objects: str = setting("", "`s3://BUCKET/PREFIX` for the archive's sealed bytes; empty: a folder below site.data")
    endpoint: str = setting("", "address of the server that speaks S3; empty: Amazon's")
    region: str = setting("", "its region; empty: us-east-1")
    cold_class: str = setting("", "storage class for packs that go cold, such as GLACIER; empty: none goes")
    credentials_file: str = setting("", "file, mode 0600, as AWS's own; empty: AWS_ACCESS_KEY_ID and so on")


@dataclass(frozen=True, slots=True)
class Backup:
    """Where the worker backs the site up to, and how often; the last three are for a target in a bucket."""

    target: str = setting("", "folder, relative to the configuration file, or `s3://BUCKET/PREFIX`; empty: none")
    hours: int = setting(24, "hours from one backup to the next")
    keep: int = setting(0, "how many of the newest backups stay; 0: all")
    endpoint: str = setting("", "address of the server that speaks S3; empty: Amazon's")
    region: str = setting("", "its region; empty: us-east-1")
    credentials_file: str = setting("", "file, mode 0600, as AWS's own; empty: AWS_ACCESS_KEY_ID and so on")

    def store(self, target: str) -> Store:
        """The settings of a bucket at which backups are kept."""
        return Store(objects=target, endpoint=self.endpoint, region=self.region, credentials_file=self.credentials_file)


@dataclass(frozen=True, slots=True)
class Serve:
    host: str = setting("127.0.0.1", "address on which `cohortium serve` listens")
    port: int = setting(8765, "its port")
    public: str = setting("", "address by which people reach it, as https://archive.example.org; empty: the above")
    proxies: tuple[str, ...] = setting((), "addresses or networks of proxies that are believed whose request it is")
    workers: int = setting(1, "processes that answer; each takes a core when it is busy")
    login_hours: int = setting(12, "hours after which a login ends")
    guests: bool = setting(False, "let who is not logged in read public projects")
    projects: str = setting(
        "", "protocol, by name or path, of projects that administrators make through XNAT's clients; empty: none are"
    )
    terms: str = setting("", "text file of the terms of use, which everybody accepts, and again when it changes")
    metrics_token_file: str = setting(
        "", "file, mode 0600, of the token that Prometheus shows at /metrics; empty: it asks from this machine"
    )
    certificate: str = setting("", "file of its TLS certificate chain (PEM); empty: without TLS")
    certificate_key: str = setting("", "file, mode 0600, of the certificate's key (PEM)")
    authority: str = setting(
        "", "file of the authorities, or of sites' own certificates (PEM), by which sites may show one; empty: none may"
    )
    certificate_header: str = setting(
        "", "header in which a proxy of `proxies` hands on the certificate that a site shows; empty: none does"
    )
    proxy_secret_file: str = setting("", "file, mode 0600, of the secret that the proxy writes before it")
    ohif: str = setting("", "folder of a static build of the viewer OHIF (@ohif/app), opened at /ohif/; empty: none")

    @property
    def name(self) -> str:
        """What speaks TLS, as sources and destinations have names."""
        return "serve"


@dataclass(frozen=True, slots=True)
class Oidc:
    """A provider of OpenID Connect; without an issuer, none is called."""

    issuer: str = setting("", "address of the OpenID provider; empty: people log in with passwords alone")
    client_id: str = setting("", "what the provider calls this site")
    client_secret_file: str = setting("", "file, mode 0600, that holds the secret shared with the provider")
    label: str = setting("Log in with your institution", "what the button says")


@dataclass(frozen=True, slots=True)
class Mail:
    """Where invitations are handed in; without a host, who invites passes the link on."""

    host: str = setting("", "server that takes mail (SMTP); empty: no mail is sent")
    port: int = setting(587, "its port")
    starttls: bool = setting(True, "refuse to send in the clear")
    sender: str = setting("", "address that invitations come from")
    user: str = setting("", "name to log in with; empty: without")
    password_file: str = setting("", "file, mode 0600, that holds the password")


@dataclass(frozen=True, slots=True)
class Limits:
    file_megabytes: int = setting(2048, "larger files are set aside unread")
    intake_megabytes: int = setting(4096, "bytes of uploads to one process in memory at once; more are asked to wait")
    free_megabytes: int = setting(1024, "nothing is taken in while less is free on the disk of `site.data`; 0: any")
    person_requests: int = setting(30_000, "requests a minute of one person to one process; 0: no limit")
    address_requests: int = setting(60_000, "requests a minute from one address to one process; 0: no limit")


@dataclass(frozen=True, slots=True)
class Quota:
    """What one person may read of one project, unless the grant says otherwise; and what is told as unusual."""

    gigabytes_day: int = setting(0, "gigabytes a day; 0: no limit")
    instances_day: int = setting(0, "images a day; 0: no limit")
    gigabytes_total: int = setting(0, "gigabytes altogether; 0: no limit")
    instances_total: int = setting(0, "images altogether; 0: no limit")
    alarm_instances: int = setting(1000, "fewer images than these, in a week or a day, are never unusual")
    alarm_share: int = setting(50, "percent of a project's images, read by one person in a week, that is unusual")
    alarm_times: int = setting(10, "times what a person reads on other days that is unusual")


@dataclass(frozen=True, slots=True)
class Gateway:
    """What holds for everything that comes in and goes out."""

    egress: tuple[str, ...] = setting((), "HOST:PORT of every other machine that may be called; no other ever is")
    quiet_seconds: int = setting(60, "seconds without a new instance after which a series counts as complete")
    keep_days: int = setting(30, "days for which the bytes of what was set aside are kept; 0: until somebody decides")
    require_approval: bool = setting(True, "hold what was made under a protocol that nobody but its author approved")
    log: str = setting("", "file of the log, relative to the configuration file; empty: standard error")
    log_megabytes: int = setting(10, "megabytes of that file at which a new one is begun; 0: none ever is")
    log_files: int = setting(10, "how many older ones are kept")
    log_json: bool = setting(False, "write each line as one JSON object")


@dataclass(frozen=True, slots=True)
class Project:
    """One `[[project]]`: where data is deposited."""

    name: str = setting("", "short name: lower-case letters, digits, hyphens")
    title: str = setting("", "what people read")
    admit: str = setting(
        "receipt",
        "`receipt`: only what an enrolled site signed for; `check`: the archive's own check; `trusted`: unchecked",
    )
    same_uid: str = setting("refuse", "other bytes under a UID that is there: `refuse` them, or keep a `version`")
    readmit: bool = setting(False, "take in again what was removed; never who was withdrawn")
    pack_hours: int = setting(24, "hours without a new instance after which a series becomes one pack; 0: never")
    cold_days: int = setting(0, "days after which a pack goes to cold storage; 0: never")
    prearchive_days: int = setting(30, "days for which what the check refuses can be mended; 0: it is not kept")
    specification: str = setting("dragon", "specification that what it holds is checked by: a shipped one, or a file")


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One `[[pipeline]]`: from its sources through a protocol and checks to its destinations, for a project."""

    name: str = setting("", "short name: lower-case letters, digits, hyphens")
    source: Path = setting(Path(), "folder to read; relative to the configuration file")
    sources: tuple[str, ...] = setting((), "names of [[source.…]] that it takes from, too")
    project: str = setting("", "project that receives what comes out")
    destinations: tuple[str, ...] = setting((), "names of [[destination.…]], or `archive`; empty: this site's archive")
    tables: tuple[str, ...] = setting((), "those of its destinations that clinical tables go to; empty: all of them")
    transfer: str = setting(
        "incremental", "`incremental`: what is new; `cumulative`: other bytes of a path are a new version"
    )
    filter: str = setting("", "take only what this filter accepts, in CTP's language of filters; empty: all")
    hold: bool = setting(False, "let every series wait until somebody has looked at it")
    protocol: str = setting("basic", "shipped protocol by name, or path of a protocol file")
    level: str = setting("", "level of privacy, of a protocol that offers some")
    modalities: tuple[str, ...] = setting((), "take these modalities only; empty: all that earlier pipelines left")
    gate: bool = setting(True, "hold a series in which a check found an error")
    thorough: bool = setting(False, "check the files of each series, too, not its headers alone: that takes seconds")
    specification: str = setting("dragon", "specification to check against")
