"""The one address by which people and programs reach this site. Nothing of it is ever taken from a request.

A link that followed the `Host` of a request would carry an invitation to whoever forged that; so links are made of
what is configured, and a request that names another host gets no answer (421, RFC 9110 15.5.20).
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from cohortium.config import Serve

__all__ = ["Public"]

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Public:
    """`address` is without a slash at its end; `hosts` are the names under which requests are answered."""

    address: str
    hosts: frozenset[str]

    @classmethod
    def of(cls, settings: Serve) -> Public:
        """What is configured; else the address on which the site listens."""
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        scheme = "https" if settings.certificate else "http"
        address = settings.public or f"{scheme}://{host}:{settings.port}"
        return cls(address, frozenset({_host(urlsplit(address).netloc)}) | _here(settings.host))

    @property
    def is_secure(self) -> bool:
        """Whether people come by TLS, so that cookies must too."""
        return self.address.startswith("https:")

    def names(self, host: str) -> bool:
        """Whether the value of a `Host` header means this site; the port may be the one behind a proxy."""
        return _host(host) in self.hosts


def _here(host: str) -> frozenset[str]:
    """Names of the address on which the site listens: a proxy may ask for it by those."""
    try:
        is_loopback = ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    return LOOPBACK if is_loopback else frozenset({host})


def _host(netloc: str) -> str:
    try:
        return (urlsplit(f"//{netloc}").hostname or "").lower()
    except ValueError:
        return ""
