"""The ways by which data comes to a site and leaves it, as the configuration names them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cohortium.config.sections import setting

__all__ = [
    "Curated",
    "Destination",
    "Drop",
    "Laid",
    "Pacs",
    "Receiver",
    "Scp",
    "SftpServer",
    "Source",
    "Stow",
    "Upload",
    "Watched",
]


@dataclass(frozen=True, slots=True)
class Watched:
    """One `[[source.folder]]`: whatever appears below it is taken in, and left where it is unless `remove` is set."""

    name: str = setting("", "short name: lower-case letters, digits, hyphens")
    path: Path = setting(Path(), "folder to read; relative to the configuration file")
    settle_seconds: int = setting(5, "seconds for which a file must have stayed as it is, from one look to a later one")
    look_seconds: int = setting(10, "seconds from one look to the next; ten times what a look takes, if that is more")
    remove: bool = setting(False, "remove files when what they brought is durable here; what was not taken in stays")
    mount_point: bool = setting(False, "a share is mounted there; while none is, the folder counts as away")


@dataclass(frozen=True, slots=True)
class Receiver:
    """One `[[source.receiver]]`: who sends by C-STORE."""

    name: str = setting("", "short name: lower-case letters, digits, hyphens")
    ae_title: str = setting("COHORTIUM", "its AE title; an association that calls another one is refused")
    host: str = setting("127.0.0.1", "address on which it listens")
    port: int = setting(11112, "its port")
    peers: tuple[str, ...] = setting((), "who may send: `AE_TITLE@IP_ADDRESS`; nobody else")
    certificate: str = setting("", "file of its TLS certificate chain (PEM); empty: without TLS")
    certificate_key: str = setting("", "file, mode 0600, of the certificate's key (PEM)")
    authority: str = setting("", "file of the authorities (PEM) of which each peer must show a certificate")


@dataclass(frozen=True, slots=True)
class Pacs:
    """One `[[source.pacs]]`: images are asked for, by accession number or query."""

    name: str = setting("", "short name: lower-case letters, digits, hyphens")
    ae_title: str = setting("", "AE title of the PACS")
    host: str = setting("", "its address")
    port: int = setting(104, "its port")
    calling: str = setting("COHORTIUM", "AE title under which it is asked")
    receiver: str = setting("", "name of the [[source.receiver]] that it sends to (C-MOVE); empty: by C-GET")
    hours: str = setting("", "hours of the day in which to ask, as 19-6; empty: all")
    studies_hour: int = setting(0, "studies that are asked for within any 60 minutes at most; 0: no limit")
    patience_seconds: int = setting(600, "seconds without a sign of life after which it is asked anew, later")
    certificate: str = setting("", "file of the TLS certificate chain (PEM) to show; empty: none")
    certificate_key: str = setting("", "file, mode 0600, of the certificate's key (PEM)")
    authority: str = setting("", "file of the authorities (PEM) of the PACS's certificate; empty: without TLS")


@dataclass(frozen=True, slots=True)
class Upload:
    """One `[[source.http]]`: STOW-RS and plain forms, at /intake/NAME of the site's portal."""

    name: str = setting("", "short name: lower-case letters, digits, hyphens")
    token_file: str = setting("", "file, mode 0600, of the token that senders show")


@dataclass(frozen=True, slots=True)
class Drop:
    """One `[[source.sftp]]`: a drop for files, from which nothing can be read."""

    name: str = setting("", "short name: lower-case letters, digits, hyphens")
    host: str = setting("127.0.0.1", "address on which it listens")
    port: int = setting(2222, "its port")
    keys_file: str = setting("", "file of public keys that may send, as OpenSSH's authorized_keys")


@dataclass(frozen=True, slots=True)
class Curated:
    """One `[[source.dataset]]`: a frozen dataset version of this site's archive, for the second of two steps."""

    name: str = setting("", "short name: lower-case letters, digits, hyphens")
    version: str = setting("", "identifier of the dataset version")


@dataclass(frozen=True, slots=True)
class Stow:
    """One `[[destination.stow]]`: a hub of Cohortium, or any DICOMweb archive."""

    name: str = setting("", "short name: lower-case letters, digits, hyphens")
    url: str = setting("", "address to which STOW-RS sends, up to and without /studies; https")
    token_file: str = setting("", "file, mode 0600, of the token to show")
    user: str = setting("", "name to log in with, where it is no bearer token")
    authority: str = setting("", "file of the authorities (PEM) of its certificate; empty: the system's")
    certificate: str = setting("", "file of the TLS certificate chain (PEM) to show; empty: none")
    certificate_key: str = setting("", "file, mode 0600, of the certificate's key (PEM)")


@dataclass(frozen=True, slots=True)
class Scp:
    """One `[[destination.dicom]]`: an archive that takes C-STORE."""

    name: str = setting("", "short name: lower-case letters, digits, hyphens")
    ae_title: str = setting("", "its AE title")
    host: str = setting("", "its address")
    port: int = setting(104, "its port")
    calling: str = setting("COHORTIUM", "AE title under which it is called")
    certificate: str = setting("", "file of the TLS certificate chain (PEM) to show; empty: none")
    certificate_key: str = setting("", "file, mode 0600, of the certificate's key (PEM)")
    authority: str = setting("", "file of the authorities (PEM) of its certificate; empty: without TLS")


@dataclass(frozen=True, slots=True)
class SftpServer:
    """One `[[destination.sftp]]`: a folder on a server of SFTP."""

    name: str = setting("", "short name: lower-case letters, digits, hyphens")
    host: str = setting("", "its address")
    port: int = setting(22, "its port")
    user: str = setting("", "name to log in with")
    key_file: str = setting("", "file, mode 0600, of the private key to log in with")
    known_hosts: str = setting("", "file of the server's public key, as OpenSSH's known_hosts")
    folder: str = setting("", "folder there, below which files are laid")


@dataclass(frozen=True, slots=True)
class Laid:
    """One `[[destination.folder]]`: files laid as PatientID/StudyInstanceUID/SeriesInstanceUID/SOPInstanceUID.dcm."""

    name: str = setting("", "short name: lower-case letters, digits, hyphens")
    path: Path = setting(Path(), "folder to lay them below; relative to the configuration file")
    mount_point: bool = setting(False, "a share is mounted there; while none is, nothing is laid")


Source = Watched | Receiver | Pacs | Upload | Drop | Curated
Destination = Stow | Scp | SftpServer | Laid
