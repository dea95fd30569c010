"""What a clinical table is called: which files are taken for one, and the domains of SDTM, which names may hold."""

from __future__ import annotations

from functools import cache
from pathlib import Path

__all__ = ["domains", "is_called_table"]

DOMAINS = Path(__file__).with_name("data") / "sdtm_domains.txt"
SUFFIXES = (".csv", ".tsv")


def is_called_table(name: str) -> bool:
    """Whether a file of that name is taken for a table, if it is no image."""
    return name.lower().endswith(SUFFIXES)


@cache
def domains() -> frozenset[str]:
    """The codes of SDTM's domains with rows about subjects."""
    lines = DOMAINS.read_text("utf-8").splitlines()
    return frozenset(domain for line in lines if not line.startswith("#") for domain in line.split())
