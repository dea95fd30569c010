"""TLS towards a destination: always verified, with a certificate of this site's where one is configured."""

from __future__ import annotations

import ssl
from pathlib import Path

from cohortium.errors import ConfigError

__all__ = ["context"]


def context(below: Path, authority: str, certificate: str, certificate_key: str) -> ssl.SSLContext:
    """Files are named from the folder `below`; without an `authority`, those of the system are trusted."""
    try:
        made = ssl.create_default_context(cafile=str(below / authority) if authority else None)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate:
            made.load_cert_chain(below / certificate, below / certificate_key)
    except (OSError, ssl.SSLError):
        raise ConfigError("the files of authority, certificate and certificate_key cannot be read as PEM") from None
    return made
