"""What a client takes: media types, and the transfer syntax within them (PS3.18 8.7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import Request
from starlette.exceptions import HTTPException

from cohortium.web.errors import BadRequest
from cohortium.wire.multipart import media_type

__all__ = ["ANY", "EXPLICIT", "Taken", "demand_json", "range_of", "taken"]

EXPLICIT = "1.2.840.10008.1.2.1"
ANY = "*"
JSON = "application/dicom+json"


@dataclass(frozen=True, slots=True)
class Taken:
    """One thing that the client takes: `name`, within a multipart body or alone, in the transfer syntax `syntax`."""

    name: str
    multipart: bool
    syntax: str


def taken(request: Request, default: Taken) -> list[Taken]:
    """What the client takes, what it likes best first; the `default` where it says nothing or anything."""
    text = request.query_params.get("accept") or ",".join(request.headers.getlist("accept"))
    if not text.strip():
        return [default]
    found = sorted(_ranges(text, default), key=lambda each: -each[0])
    return [each for quality, each in found if quality > 0]


def demand_json(request: Request) -> None:
    """406 unless the client takes DICOM JSON."""
    if not any(each.name in (JSON, "application/json") for each in taken(request, Taken(JSON, False, ANY))):
        raise HTTPException(406)


def range_of(request: Request, size: int) -> tuple[int, int] | None:
    """The bytes [start, end) that are asked for of `size`; None: all. 416 where there are none such."""
    unit, _, text = request.headers.get("range", "").partition("=")
    first, dash, last = text.strip().partition("-")
    if unit.strip() != "bytes" or not dash or not (first + last).isdigit() or "," in text:
        return None
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
    if start >= end:
        raise HTTPException(416, headers={"Content-Range": f"bytes */{size}"})
    return start, end


def _ranges(text: str, default: Taken) -> Iterator[tuple[float, Taken]]:
    for part in _split(text):
        found = media_type(part)
        parameters = found.parameters
        try:
            quality = float(parameters.get("q", "1"))
        except ValueError:
            raise BadRequest("the Accept header has a weight that is no number") from None
        multipart = found.name == "multipart/related"
        name = parameters.get("type", default.name).lower() if multipart else found.name
        if name == "multipart/*" or (name.endswith("/*") and default.name.startswith(name.rstrip("*").lstrip("*/"))):
            yield quality, default
        else:
            yield quality, Taken(name, multipart, parameters.get("transfer-syntax", default.syntax))


def _split(text: str) -> Iterator[str]:
    """At commas outside of quotes."""
    part, quoted = "", False
    for letter in text:
        quoted ^= letter == '"'
        if letter == "," and not quoted:
            yield part
            part = ""
        else:
            part += letter
    if part.strip():
        yield part
