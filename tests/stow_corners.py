"""Requests to store that carry a name in every corner that a request, a part and a DICOM file have.

The archive may refuse them or take what is de-identified in them; the name itself must be nowhere afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.uid import generate_uid

import portal_site

__all__ = ["Posted", "corners", "harmless"]

PIXEL_DATA_GROUP_AFTER = 0x7FE10010


@dataclass(frozen=True)
class Posted:
    """What to POST to `/dicomweb/PROJECT` + `path`; `stored`: the name was in the wrapping alone."""

    corner: str
    body: bytes
    path: str = "/studies"
    headers: dict[str, str] = field(default_factory=dict)
    boundary: str = "b"
    stored: bool = False

    @property
    def all_headers(self) -> dict[str, str]:
        kind = f'multipart/related; type="application/dicom"; boundary="{self.boundary}"'
        return {"Content-Type": kind, **self.headers}


def corners(name: str, protocol_digest: str = portal_site.PROTOCOL.digest) -> Iterator[Posted]:
    """Every corner; `name` is written as a person name, in letters that a header field may hold."""
    clean = _file(protocol_digest)
    for corner, content in _files(name, protocol_digest):
        yield Posted(corner, _body(content))
        yield Posted(f"{corner}, into a study", _body(content), path="/studies/2.25.1")
    yield Posted("no DICOM", _body(f"the letter of {name}".encode()))
    for corner, fields in _part_headers(name):
        yield Posted(corner, _body(_file(protocol_digest), **fields), stored="receipt" not in corner)
    yield Posted("content type of the part", _body(clean, **{"Content-Type": f"text/{name}"}))
    yield Posted("multipart preamble and epilogue", name.encode() + b"\r\n" + _body(clean) + name.encode(), stored=True)
    yield Posted("boundary", _body(_file(protocol_digest), boundary=name), boundary=name)
    yield Posted("cut", _body(clean)[:-9] + name.encode())
    yield Posted("query", _body(_file(protocol_digest)), path=f"/studies?patient={name}", stored=True)
    yield Posted("study of the address", _body(clean), path=f"/studies/{name}")
    for key in ("User-Agent", "Referer", "X-File-Name", "Content-Disposition"):
        yield Posted(f"{key} of the request", _body(_file(protocol_digest)), headers={key: name}, stored=True)
    yield Posted("Accept of the request", _body(clean), headers={"Accept": f"text/{name}"})


def _part_headers(name: str) -> Iterator[tuple[str, dict[str, str]]]:
    yield "file name", {"Content-Disposition": f'attachment; filename="{name}.dcm"'}
    yield "location", {"Content-Location": f"../ward/{name}/1.dcm"}
    yield "parameter of the part's type", {"Content-Type": f'application/dicom; name="{name}"'}
    yield "unknown field", {"X-Patient": name}
    yield "receipt that is none", {"Cohortium-Receipt": name}
    receipt = dict.fromkeys(["site", "project", "digest", "protocol", "software", "created", "signature"], name)
    yield "receipt of such values", {"Cohortium-Receipt": json.dumps(receipt)}


def _files(name: str, protocol_digest: str) -> Iterator[tuple[str, bytes]]:
    def changed(change: Callable[[Dataset], None]) -> bytes:
        return _file(protocol_digest, change)

    def value(keyword: str, text: Any = name) -> bytes:
        return changed(lambda dataset: setattr(dataset, keyword, text))

    for keyword in ("PatientName", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "SOPClassUID"):
        yield keyword, value(keyword)
    yield "PatientName without the mark", changed(lambda dataset: _identified(dataset, name))
    yield "PatientIdentityRemoved", value("PatientIdentityRemoved")
    yield "DeidentificationMethod", value("DeidentificationMethod")
    yield "preamble", value("preamble", name.encode().ljust(128, b"\0"))
    yield "private element", changed(lambda d: d.private_block(0x9, name, create=True).add_new(1, "LO", name))
    yield "behind the pixels", changed(lambda d: d.add(DataElement(PIXEL_DATA_GROUP_AFTER, "LO", name)))
    yield "behind the last element", _file(protocol_digest) + name.encode()
    clean = _file(protocol_digest)
    yield "cut", clean[: len(clean) // 2] + name.encode()
    yield "transfer syntax", clean.replace(b"1.2.840.10008.1.2.1\0", name.encode().ljust(20, b"\0")[:20])
    yield "without a head", name.encode() + clean[132:]


def harmless(protocol_digest: str = portal_site.PROTOCOL.digest) -> Posted:
    """A request that is taken: one new object, with nothing planted."""
    return Posted("none", _body(_file(protocol_digest)), stored=True)


def _identified(dataset: Dataset, name: str) -> None:
    dataset.PatientID = dataset.PatientName = dataset.AccessionNumber = dataset.StudyDescription = name
    del dataset.PatientIdentityRemoved


def _file(protocol_digest: str, change: Callable[[Dataset], None] = lambda dataset: None) -> bytes:
    dataset = portal_site.ct_slice(1, "S-PLANTED", generate_uid(), generate_uid())
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = ["Cohortium", f"sha256:{protocol_digest[:48]}"]
    change(dataset)
    return portal_site.encode(dataset)


def _body(content: bytes, boundary: str = "b", **fields: str) -> bytes:
    lines = {"Content-Type": "application/dicom", **fields}
    head = "".join(f"{key}: {text}\r\n" for key, text in lines.items())
    return f"--{boundary}\r\n{head}\r\n".encode() + content + f"\r\n--{boundary}--\r\n".encode()
