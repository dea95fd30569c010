"""What a script needs besides the object: a lookup table, running numbers, the time, and how hashes are keyed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cohortium.deidentify.ctp import java
from cohortium.errors import ConfigError

__all__ = ["Tables", "read_lookup"]

INDIRECTIONS = 10


def _as_it_is(text: str) -> str:
    return text


def _never(creator: str, tag: int) -> bool:  # noqa: ARG001
    return False


@dataclass(frozen=True, slots=True)
class Tables:
    """Secrets of a site, never part of a script.

    `lookup` maps `type/key` to a replacement. `integer` gives a text its running number among those of its kind, the
    same in every run; without it `@integer` sets objects aside. `keyed` is done to every text before it is hashed:
    nothing, for hashes exactly as CTP's. `is_safe` knows the private attributes that may stay, by creator and tag.
    """

    lookup: Mapping[str, str] = field(default_factory=dict, repr=False)
    integer: Callable[[str, str], int] | None = field(default=None, repr=False)
    now: Callable[[], datetime] = datetime.now
    keyed: Callable[[str], str] = _as_it_is
    is_safe: Callable[[str, int], bool] = _never

    def look_up(self, kind: str, key: str) -> str | None:
        """The replacement of `key`; a replacement `@type/key` points to another. None where there is none."""
        value = self.lookup.get(f"{java.trim(kind)}/{java.trim(key)}")
        for _ in range(INDIRECTIONS):
            if value is None:
                return None
            value = java.trim(value)
            if not (value.startswith("@") and "/" in value):
                return value
            value = self.lookup.get(java.trim(value[1:]))
        return None

    def number(self, kind: str, text: str, width: int) -> str | None:
        """The running number of a text among those of its kind, from 1; None where no numbers are kept."""
        if self.integer is None:
            return None
        return str(self.integer(java.trim(kind), java.trim(text))).zfill(max(width, 0))


def read_lookup(source: Path | str) -> Mapping[str, str]:
    """A lookup table from a property file (in Latin-1, as Java reads them) or from its text."""
    if isinstance(source, Path):
        try:
            source = source.read_text("latin-1")
        except OSError as error:
            raise ConfigError(f"the lookup table cannot be read: {type(error).__name__}") from None
    return {key: value for _, key, value in java.properties(source)}
