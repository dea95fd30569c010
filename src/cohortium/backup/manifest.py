"""What one backup holds: a manifest, signed by the site and sealed, written only when everything it names is in place.

A target belongs to one site. What it says in the clear is that it is a target, and the fingerprint of the key.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature

from cohortium import sealed
from cohortium.backup.parts import Lines
from cohortium.backup.place import Place
from cohortium.errors import Corrupt, Refused
from cohortium.keys import SiteKey

__all__ = [
    "Manifest",
    "claim",
    "demand",
    "demanded",
    "is_target",
    "named",
    "names",
    "newest",
    "read",
    "remove",
    "seal",
    "unseal",
    "write",
]

BACKUPS = "backups/"
MARK = "cohortium-backup.json"
FORMAT = 1
LABEL = b"cohortium backup 1\n"
SUFFIX = ".manifest"
WHEN = "%Y%m%dT%H%M%S.%f%z"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One backup; `name` tells when it was made, so that names sort by age."""

    name: str
    site: str
    software: str
    revision: str  # of the store's schema
    tables: Mapping[str, Lines]
    files: Lines
    objects: Lines
    format: int = FORMAT


def claim(place: Place, key: SiteKey) -> None:
    """Make the place a target of this site if it is empty; `Refused` where it is anything but that already."""
    there = place.sizes("")
    if MARK not in there:
        if there:
            raise Refused("the target is neither empty nor a backup's target; name an empty place")
        mark = {"format": FORMAT, "key": key.fingerprint()}
        place.write(MARK, [json.dumps(mark).encode()])
        place.settle()
    demand(place, key)


def is_target(place: Place) -> bool:
    """Whether backups are kept there, whosever they are."""
    return MARK in place.sizes("")


def newest(place: Place, key: SiteKey) -> datetime | None:
    """When the newest backup there was made; None where there is none yet."""
    if not is_target(place):
        return None
    demand(place, key)
    there = names(place)
    return datetime.strptime(there[-1].partition("-")[0], WHEN) if there else None


def demand(place: Place, key: SiteKey) -> None:
    """Raise `Refused` unless the place is a target of the site whose key this is."""
    try:
        mark = json.loads(b"".join(place.read(MARK)))
        format, fingerprint = mark["format"], mark["key"]
    except (Corrupt, ValueError, KeyError, TypeError):
        raise Refused(f"no backup is kept here: there is no {MARK}, or it cannot be read") from None
    if format != FORMAT:
        raise Refused("the backup was made by a newer Cohortium; restore it with that one")
    if fingerprint != key.fingerprint():
        raise Refused(
            f"the backup belongs to the site whose key has the fingerprint {fingerprint}; this key's is "
            f"{key.fingerprint()}"
        )


def names(place: Place) -> list[str]:
    """Every whole backup there, the oldest first."""
    return sorted(name.removeprefix(BACKUPS).removesuffix(SUFFIX) for name in place.sizes(BACKUPS))


def demanded(place: Place, name: str = "") -> list[str]:
    """The name, if there is such a backup, else all there are; `Refused` where that is none."""
    there = names(place)
    if not there or (name and name not in there):
        raise Refused(f"there is no backup {name}" if name else "there is no whole backup here; make one first")
    return [name] if name else there


def named(place: Place, key: SiteKey, name: str = "") -> Manifest:
    """The backup of that name, or the newest."""
    return read(place, key, demanded(place, name)[-1])


def write(place: Place, key: SiteKey, manifest: Manifest) -> None:
    """Put the manifest in place: from now on there is this backup."""
    place.write(_path(manifest.name), [seal(key, "manifest", asdict(manifest))])
    place.settle()


def remove(place: Place, name: str) -> None:
    """Let go of the backup of that name."""
    place.delete(_path(name))


def read(place: Place, key: SiteKey, name: str) -> Manifest:
    """The manifest of that name, as the site signed it; `Corrupt` where it is not."""
    record = unseal(key, "manifest", b"".join(place.read(_path(name))), f"the manifest of backup {name}")
    if record["name"] != name or record["format"] != FORMAT:
        raise Corrupt(f"the manifest of backup {name} is another one's")
    record["tables"] = {table: _lines(lines) for table, lines in record["tables"].items()}
    return Manifest(**record | {each: _lines(record[each]) for each in ("files", "objects")})


def seal(key: SiteKey, what: str, record: Any) -> bytes:
    """The record, signed by the site and sealed; `what` tells one kind from another."""
    text = json.dumps(record, sort_keys=True)
    signature = key.signer().sign(LABEL + what.encode() + text.encode()).hex()
    signed = json.dumps({"text": text, "signature": signature}).encode()
    return b"".join(sealed.seal(key.derive("backup", what), [signed]))


def unseal(key: SiteKey, what: str, content: bytes, where: str) -> Any:
    """What was sealed; `Corrupt` where it was not, or not by this site."""
    try:
        signed = json.loads(b"".join(sealed.unseal(key.derive("backup", what), io.BytesIO(content))))
        text, signature = signed["text"], bytes.fromhex(signed["signature"])
        key.signer().public_key().verify(signature, LABEL + what.encode() + text.encode())
    except (Corrupt, InvalidSignature):
        raise Corrupt(f"{where} is damaged, or this site never signed it; delete it and make a new backup") from None
    return json.loads(text)


def _path(name: str) -> str:
    return f"{BACKUPS}{name}{SUFFIX}"


def _lines(record: Mapping[str, Any]) -> Lines:
    return Lines(record["count"], record["digest"], tuple(record["parts"]))
