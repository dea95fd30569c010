"""All checks there are, by id: those of the families below, and those that installed packages bring.

A package brings a family as an entry point of the group `cohortium.checks` that names a module like these.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points

from cohortium.check import (
    accuracy,
    chronology,
    completeness,
    conformance,
    core,
    geometry,
    layout,
    metadata,
    pixels,
    privacy,
    quality,
    sdtm,
    structure,
    subjects,
    together,
    uniformity,
    uniqueness,
)
from cohortium.check.rule import Check
from cohortium.errors import ConfigError

__all__ = ["checks"]

FAMILIES = (
    accuracy,
    chronology,
    completeness,
    conformance,
    core,
    geometry,
    layout,
    metadata,
    pixels,
    privacy,
    quality,
    sdtm,
    structure,
    subjects,
    together,
    uniformity,
    uniqueness,
)
GROUP = "cohortium.checks"


@cache
def checks() -> Mapping[str, Check]:
    """Every check by its id."""
    families = [*FAMILIES, *(each.load() for each in entry_points(group=GROUP))]
    found: dict[str, Check] = {}
    for check in (check for family in families for check in family.CHECKS):
        if check.id in found:
            raise ConfigError(f"two families bring a check {check.id}; uninstall one of the packages")
        found[check.id] = check
    return found
