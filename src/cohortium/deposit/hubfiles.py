"""A clinical table to a hub of Cohortium, by its API for files: STOW-RS carries instances of DICOM and nothing else.

Only the digest that a hub states counts. Where no hub stands behind the address, the table is refused and kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import httpx

from cohortium.deposit.parcels import NO_TABLES, Answer, Confirmed, How, TableParcel
from cohortium.errors import Refused, Unavailable

__all__ = ["LABEL", "upload"]

LABEL = "clinical"  # of the project's resource that all tables are files of
HUB = re.compile(r"(?P<hub>.+)/dicomweb/(?P<project>[a-z0-9-]+)")
NO_HUB = Refused(NO_TABLES.format("a DICOMweb archive that is no hub of Cohortium"))
NOT_THERE = (404, 405, 415, 501)


def upload(http: httpx.Client, url: str, parcel: TableParcel) -> Answer:
    """Offer the table to the hub at whose address images go; `Unavailable` is raised where nothing can be sent now."""
    address = HUB.fullmatch(url)
    if address is None:
        return NO_HUB
    fields = {"level": "project", "kind": "clinical", "label": LABEL, "receipt": json.dumps(asdict(parcel.receipt))}
    files = {"file": (parcel.name, parcel.content(), "text/csv")}
    answer = http.post(f"{address['hub']}/api/v1/projects/{address['project']}/files", data=fields, files=files)
    said = _first(answer)
    if said is not None:
        return _judged(said, parcel)
    if answer.status_code in NOT_THERE:
        return NO_HUB
    raise Unavailable(f"the destination does not take the table now ({answer.status_code})")


def _judged(said: Mapping[str, Any], parcel: TableParcel) -> Answer:
    file = said.get("file")
    if not isinstance(file, dict):
        return Refused(f"the destination refuses it: {said.get('problem', '')}")
    if file.get("digest") != parcel.digest:
        return Refused("the destination states another digest than was sent")
    return Confirmed(parcel.digest, How.STATED)


def _first(answer: httpx.Response) -> Mapping[str, Any] | None:
    """What a hub says of the one file; None where the answer is no hub's."""
    try:
        said = answer.json()
    except ValueError:
        return None
    is_upload = isinstance(said, list) and len(said) == 1 and isinstance(said[0], dict) and "problem" in said[0]
    return said[0] if is_upload else None
