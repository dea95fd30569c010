"""What was found of the series that are finished, kept so that a check that was stopped does not begin anew.

What always holds: what is kept is sealed under a key made of the delivery itself, so that who has the folder of kept
files alone reads nothing in it; and it counts only for the same files (name, size, time of change), rules and software.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from cohortium import sealed
from cohortium.check import scan
from cohortium.check.answers import Answers, Looked
from cohortium.check.delivery import Delivery, Place
from cohortium.check.outline import Outline
from cohortium.check.pictures import Picture
from cohortium.check.report import Spot
from cohortium.errors import Corrupt
from cohortium.values import Finding, Instance, Severity

__all__ = ["Kept"]

SUFFIX = ".looked"
LABEL = b"cohortium check --resume\0"


class Kept:
    """What is kept of a delivery's series in a folder; `context` is all besides the files that decides an outcome."""

    def __init__(self, folder: Path, delivery: Delivery, context: str) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder, self._root = folder, delivery.root
        self._key = _key(delivery)
        self._context = context

    def get(self, place: Place) -> Looked | None:
        """What was found of a series, if it is as it was."""
        try:
            return _opened(sealed.opened_whole(self._key, self._path(place).read_bytes()))
        except (OSError, Corrupt):
            return None  # not there, or cut as its writer was killed: it is looked at again

    def put(self, place: Place, looked: Looked) -> None:
        """Keep what was found of a series."""
        try:
            path = self._path(place)
        except OSError:
            return  # a file of it went away meanwhile
        sealed.write(path, self._key, [_closed(looked)], sync_name=False)

    def clear(self) -> None:
        """Forget everything, for the check is done."""
        for path in self._folder.glob(f"*{SUFFIX}"):
            path.unlink(missing_ok=True)

    def _path(self, place: Place) -> Path:
        digest = hmac.new(self._key, self._context.encode(), hashlib.sha256)
        for name in (place.SeriesInstanceUID, *place.names()):
            digest.update(f"\0{name}".encode("utf-8", "surrogateescape"))
        for name in place.names():
            status = (self._root / name).lstat()
            digest.update(f"\0{status.st_size} {status.st_mtime_ns}".encode())
        return self._folder / f"{digest.hexdigest()}{SUFFIX}"


def _key(delivery: Delivery) -> bytes:
    """Of the bytes of one object: who has the delivery has it, and nobody else."""
    digest = hashlib.sha256(LABEL)
    for name in (name for place in delivery.places[:1] for name in islice(place.names(), 1)):
        with scan.opened(delivery.root / name) as content:
            digest.update(content)
    return digest.digest()


def _closed(looked: Looked) -> bytes:
    answers = looked.answers
    document = {
        "left_out": dict(answers.left_out),
        "findings": [asdict(each) for each in answers.findings],
        "unlisted": [[*spot, count] for spot, count in answers.unlisted.items()],
        "asked": answers.asked,
        "skipped": answers.skipped,
        "outline": asdict(looked.outline) if looked.outline else None,
        "broken": [asdict(each) for each in looked.broken],
        "pictures": [asdict(each) for each in looked.pictures],
    }
    return json.dumps(document, default=lambda octets: octets.hex()).encode()


def _opened(content: bytes) -> Looked:
    document = json.loads(content)
    answers = Answers(
        document["left_out"],
        [Finding(**each | {"severity": Severity(each["severity"])}) for each in document["findings"]],
        Counter({Spot(*spot): count for *spot, count in document["unlisted"]}),
        Counter(document["asked"]),
        {id: Counter(why) for id, why in document["skipped"].items()},
    )
    return Looked(
        answers=answers,
        outline=_outline(document["outline"]) if document["outline"] else None,
        broken=tuple(scan.Broken(**each) for each in document["broken"]),
        pictures=tuple(Picture(**each | {"png": bytes.fromhex(each["png"])}) for each in document["pictures"]),
    )


def _outline(document: Mapping[str, Any]) -> Outline:
    told: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in document.items()}
    told |= {"first": Instance(**document["first"]), "marks": bytes.fromhex(document["marks"])}
    return Outline(**told)
