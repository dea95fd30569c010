"""TLS as the configuration asks for it: the other side is verified, and no key is used that others can read.

Files are named from the folder of the configuration. What is wrong with one is told when a gateway starts.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from cohortium import keys
from cohortium.errors import ConfigError

__all__ = ["Secured", "client", "server"]


class Secured(Protocol):
    """The settings of a source or destination that may speak TLS."""

    @property
    def name(self) -> str: ...
    @property
    def certificate(self) -> str: ...
    @property
    def certificate_key(self) -> str: ...
    @property
    def authority(self) -> str: ...


def client(settings: Secured, below: Path) -> ssl.SSLContext:
    """For who calls; without an `authority`, those of the system are trusted."""
    with _told(settings, "authority"):
        made = ssl.create_default_context(cafile=str(below / settings.authority) if settings.authority else None)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.certificate:
        _show(made, settings, below)
    return made


def server(settings: Secured, below: Path) -> ssl.SSLContext:
    """For who is called; with an `authority`, who calls must show a certificate of it."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    _show(made, settings, below)
    if settings.authority:
        with _told(settings, "authority"):
            made.load_verify_locations(below / settings.authority)
        made.verify_mode = ssl.CERT_REQUIRED
    return made


def _show(context: ssl.SSLContext, settings: Secured, below: Path) -> None:
    """Let it show the certificate of the settings."""
    key = below / settings.certificate_key
    keys.read_private(key, f"certificate_key of {settings.name}:")
    with _told(settings, "certificate", "certificate_key"):
        context.load_cert_chain(below / settings.certificate, key, password="")  # else a terminal is asked for one


@contextmanager
def _told(settings: Secured, *names: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # SSLError is one
        files = " and ".join(f"{name} {getattr(settings, name)}" for name in names)
        raise ConfigError(f"{settings.name}: {files} cannot be read as PEM ({type(error).__name__})") from None
