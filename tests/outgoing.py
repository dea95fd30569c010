"""What leaves a site, and servers that misbehave as asked: what the tests of the ways out share."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydicom.uid import generate_uid

import portal_site
from cohortium.deposit import Parcel
from cohortium.dicom import meta
from cohortium.prove import receipts
from cohortium.wire.multipart import Reader

__all__ = ["JSON", "PROTOCOL", "SIGNER", "Foreign", "answering", "made", "parcel", "parcels", "stored", "uids_in"]

PROTOCOL = portal_site.PROTOCOL.digest
JSON = {"Content-Type": "application/dicom+json"}
SIGNER = Ed25519PrivateKey.generate()


def made(count: int, *, subject: str = "S-0001", **changes: Any) -> list[bytes]:
    """De-identified slices of one series."""
    study, series = generate_uid(), generate_uid()
    contents = []
    for n in range(count):
        dataset = portal_site.ct_slice(n, subject, study, series)
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = ["Cohortium", f"sha256:{PROTOCOL[:48]}"]
        for keyword, value in changes.items():
            setattr(dataset, keyword, value)
        contents.append(portal_site.encode(dataset))
    return contents


def parcel(content: bytes, project: str = "lung", signer: Ed25519PrivateKey = SIGNER, site: str = "north") -> Parcel:
    """The content with the site's word for it."""
    digest = sha256(content).hexdigest()
    word = receipts.sign(signer, site=site, project=project, digest=digest, protocol=PROTOCOL)
    return Parcel(meta.describe(content, digest), lambda: content, word)


def parcels(contents: Iterable[bytes], **of: Any) -> list[Parcel]:
    """The same for several."""
    return [parcel(each, **of) for each in contents]


Answering = Callable[[str, str, bytes], tuple[int, dict[str, str], bytes] | None]
"""Method, path and body to status, header fields and body; None breaks the connection off."""


@contextmanager
def answering(answer: Answering, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of an HTTP server that answers as told."""

    class Asked(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told = answer(self.command, self.path, body)
            if told is None:
                self.close_connection = True
                return
            status, fields, content = told
            self.send_response(status)
            for name, value in {**fields, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Asked)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def uids_in(body: bytes) -> list[str]:
    reader = Reader(body.split(b"\r\n", 2)[1][2:].decode(), 1 << 24)
    return [parcel(part.content).instance.SOPInstanceUID for part in reader.feed(body)]


def stored(body: bytes, *, failed: dict[str, int] | None = None) -> bytes:
    """A response that says so of all that the body holds, but for those that failed."""
    failed = failed or {}
    said: dict[str, Any] = {
        "00081199": {"vr": "SQ", "Value": [_item(each) for each in uids_in(body) if each not in failed]},
        "00081198": {
            "vr": "SQ",
            "Value": [
                _item(each) | {"00081197": {"vr": "US", "Value": [failed[each]]}}
                for each in uids_in(body)
                if each in failed
            ],
        },
    }
    return json.dumps({tag: each for tag, each in said.items() if each["Value"]}).encode()


def _item(uid: str) -> dict[str, Any]:
    return {"00081155": {"vr": "UI", "Value": [uid]}}


def shown(content: bytes) -> tuple[int, dict[str, str], bytes]:
    body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--b--"
    return 200, {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}, body


class Foreign:
    """An archive that stores, and shows what it stored after `rewrite` had its way with it."""

    def __init__(self, rewrite: Any = lambda content: content) -> None:
        self.held: dict[str, bytes] = {}
        self.requests: list[int] = []
        self.rewrite = rewrite

    def __call__(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes] | None:
        if method == "GET":
            uid = path.rpartition("/")[2]
            return shown(self.rewrite(self.held[uid])) if uid in self.held else (404, {}, b"")
        parts = list(Reader(body.split(b"\r\n", 2)[1][2:].decode(), 1 << 24).feed(body))
        self.requests.append(len(parts))
        return self.store(body, [part.content for part in parts])

    def store(self, body: bytes, contents: list[bytes]) -> tuple[int, dict[str, str], bytes] | None:
        for content in contents:
            self.held[parcel(content).instance.SOPInstanceUID] = content
        return 200, JSON, stored(body)
