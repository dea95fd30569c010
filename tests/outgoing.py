"""What leaves a site, and servers that misbehave as asked: what the tests of the ways out share."""

from __future__ import annotations

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

__all__ = ["PROTOCOL", "Answering", "answering", "made", "parcel", "parcels"]

PROTOCOL = portal_site.PROTOCOL.digest
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
def answering(answer: Answering) -> Iterator[str]:
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
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
