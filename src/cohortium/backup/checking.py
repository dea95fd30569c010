"""Reading backups at their target whole, every byte against its digest, as a restore would."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cohortium.backup import apart, manifest
from cohortium.backup.copying import at_once, damaged, digest_of
from cohortium.backup.parts import Parts
from cohortium.backup.place import OBJECTS, Missing, Place
from cohortium.errors import Corrupt
from cohortium.keys import SiteKey

__all__ = ["Checked", "check"]

Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Checked:
    """The backups that were read, how much they hold together, and what is wrong."""

    backups: list[str] = field(default_factory=list)
    parts: int = 0
    objects: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)


def check(place: Place, key: SiteKey, progress: Progress, backup: str = "") -> Checked:
    """Read the backup of that name, or all that there are; everything once, however many hold it."""
    manifest.demand(place, key)
    checked, parts = Checked(), Parts(place, key)
    held: dict[str, bool] = {}  # parts, and whether they are compressed
    objects: dict[str, str] = {}
    for name in manifest.demanded(place, backup):
        checked.backups.append(name)
        with _noted(checked, f"backup {name}: "):
            made = manifest.read(place, key, name)
            for lines in (*made.tables.values(), made.files, made.objects):
                held |= dict.fromkeys(lines.parts, True)
                for _ in parts.get_lines(lines):
                    pass
            for line in parts.get_lines(made.files):
                held |= dict.fromkeys(json.loads(line)["parts"], False)
            objects |= {name: digest for name, _, digest in map(json.loads, parts.get_lines(made.objects))}
    with _noted(checked):
        apart.read(place, key)
    total = len(held) + len(objects)
    for part, squeezed in held.items():
        with _noted(checked):
            checked.bytes += len(parts.get(part, squeezed=squeezed))
        checked.parts += 1
        progress("files", checked.parts, total)
    for (name, digest), found in at_once(objects.items(), lambda each: _found(place, each[0])):
        if found != digest:
            checked.problems.append(damaged(OBJECTS + name))
        checked.objects += 1
        progress("files", checked.parts + checked.objects, total)
    return checked


def _found(place: Place, name: str) -> str:
    try:
        return digest_of(place.read(OBJECTS + name))
    except Missing:
        return ""


@contextmanager
def _noted(checked: Checked, where: str = "") -> Iterator[None]:
    """Keep what is wrong within the block, and go on."""
    try:
        yield
    except Corrupt as error:
        checked.problems.append(f"{where}{error}")
