"""The certificate that a client of the site's own server showed: known from the connection, never by its word.

What always holds: `shown` tells a certificate whose holder proved to have its key, to this process or to a proxy that
is configured, calls from its own address, and writes a secret before it. Whose it is, `govern.tokens` tells.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import ssl
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cohortium import tls
from cohortium.config import Serve

__all__ = ["Connection", "Proxied", "context", "shown"]

MARK = "-----{} CERTIFICATE-----"


def context(settings: Serve, below: Path) -> ssl.SSLContext:
    """TLS as `serve` does it. A client may show a certificate; one that does not verify ends the connection.

    Where it may, no session is resumed: the certificate is looked at anew with each connection.
    """
    made = tls.server(settings, below)
    made.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    made.num_tickets = 0
    if settings.authority:
        made.minimum_version = ssl.TLSVersion.TLSv1_3  # of TLS 1.2, OpenSSL keeps sessions, and Python cannot forbid it
        made.verify_mode = ssl.CERT_OPTIONAL
        made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a site's own certificate is its own authority
    return made


class Connection(HttpToolsProtocol):
    """Tells the application the peer's certificate as the TLS extension of ASGI does, which uvicorn does not yet."""

    _certificate: bytes | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`; by now the peer's certificate is verified."""
        super().connection_made(transport)
        secured = transport.get_extra_info("ssl_object")
        self._certificate = secured.getpeercert(binary_form=True) if secured else None

    def on_message_begin(self) -> None:
        """A request begins; its scope is new."""
        super().on_message_begin()
        if self._certificate:
            _tell(self.scope, self._certificate)


class Proxied:
    """ASGI middleware, before any that believes a proxy whose request it is: reads `header` from `proxies` alone."""

    def __init__(self, app: ASGIApp, header: str, secret: str, proxies: Sequence[str]) -> None:
        self._app = app
        self._header, self._secret = header.lower().encode(), secret.encode()
        self._proxies = [ip_network(each) for each in proxies]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (certificate := self._handed_on(scope)):
            _tell(scope, certificate)
        await self._app(scope, receive, send)

    def _handed_on(self, scope: Scope) -> bytes:
        values = [value for name, value in scope["headers"] if name == self._header]
        if len(values) != 1 or not self._is_proxy(scope):
            return b""
        secret, _, certificate = values[0].partition(b" ")
        return _der(certificate) if hmac.compare_digest(secret, self._secret) else b""

    def _is_proxy(self, scope: Scope) -> bool:
        host = scope["client"][0] if scope.get("client") else ""
        try:
            return any(ip_address(host) in each for each in self._proxies)
        except ValueError:
            return False


def shown(request: Request) -> bytes:
    """The certificate (DER) that came with the connection; empty where none did."""
    chain = request.scope.get("extensions", {}).get("tls", {}).get("client_cert_chain", ())
    return ssl.PEM_cert_to_DER_cert(chain[0]) if chain else b""


def _tell(scope: Any, certificate: bytes) -> None:
    scope["extensions"] = {"tls": {"client_cert_chain": (ssl.DER_cert_to_PEM_cert(certificate),)}}


def _der(text: bytes) -> bytes:
    """What nginx (escaped PEM), Apache (PEM), HAProxy (base64) and RFC 9440 (base64 between colons) write."""
    body = unquote(text.decode("latin-1"))
    for word in ("BEGIN", "END"):
        body = body.replace(MARK.format(word), "")
    try:
        return base64.b64decode("".join(body.split()).strip(":"), validate=True)
    except (binascii.Error, ValueError):
        return b""
