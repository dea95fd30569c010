"""What a clinical table is called: which files are taken for one, and the domains of SDTM, which names may hold."""

from __future__ import annotations

from cohortium.clinical import sdtm

__all__ = ["domains", "is_called_table"]

SUFFIXES = (".csv", ".tsv")


def is_called_table(name: str) -> bool:
    """Whether a file of that name is taken for a table, if it is no image."""
    return name.lower().endswith(SUFFIXES)


def domains() -> frozenset[str]:
    """The codes of SDTM's domains with rows about subjects."""
    return frozenset(sdtm.domains())
