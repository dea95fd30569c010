"""Letting go of old backups, and of what no other backup holds.

Manifests go first. Killed anywhere, what is left is whole backups and things that nothing names, for the next to clear.
"""

from __future__ import annotations

import json

from cohortium.backup import manifest
from cohortium.backup.parts import PARTS, Parts, name_of
from cohortium.backup.place import OBJECTS, Place
from cohortium.keys import SiteKey

__all__ = ["prune"]


def prune(place: Place, key: SiteKey, keep: int) -> int:
    """Keep the `keep` newest backups; returns how many went."""
    there = manifest.names(place)
    old, kept = there[:-keep], there[-keep:]
    for name in old:
        manifest.remove(place, name)
    place.settle()
    held = {name for each in kept for name in _held(place, key, each)}
    for name in (*place.sizes(PARTS), *place.sizes(OBJECTS)):
        if name not in held:
            place.delete(name)
    return len(old)


def _held(place: Place, key: SiteKey, backup: str) -> set[str]:
    """Everything that the backup needs at its place."""
    made, parts = manifest.read(place, key, backup), Parts(place, key)
    lists = [*made.tables.values(), made.files, made.objects]
    held = {name_of(part) for lines in lists for part in lines.parts}
    for line in parts.get_lines(made.files):
        held.update(map(name_of, json.loads(line)["parts"]))
    for line in parts.get_lines(made.objects):
        held.add(OBJECTS + json.loads(line)[0])
    return held
