"""One spelling of a record, so that equal records have equal digests and signatures."""

from __future__ import annotations

import json
from collections.abc import Mapping

__all__ = ["canonical"]


def canonical(record: Mapping[str, str | int]) -> str:
    """JSON with sorted keys, no spaces, ASCII only (RFC 8785 for the strings and whole numbers used here)."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
