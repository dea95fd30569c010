"""What a store of Cohortium's says of an instance beyond the standard, as private attributes of a DICOM JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["digest_in", "reason_in", "with_digest", "with_reason"]

CREATOR = {"00090010": {"vr": "LO", "Value": ["COHORTIUM"]}}
DIGEST, REASON = "00091001", "00091002"
LONGEST = 1024  # characters of a short text (ST)


def with_digest(digest: str) -> dict[str, Any]:
    """Attributes that say: the SHA-256 of what is stored."""
    return {**CREATOR, DIGEST: {"vr": "LO", "Value": [digest]}}


def with_reason(text: str) -> dict[str, Any]:
    """Attributes that say in words why something was refused."""
    return {**CREATOR, REASON: {"vr": "ST", "Value": [text[:LONGEST]]}}


def digest_in(item: Mapping[str, Any]) -> str:
    """The digest that the item names; empty where it names none."""
    return _text(item, DIGEST)


def reason_in(item: Mapping[str, Any]) -> str:
    """The words of the item; empty where it has none."""
    return _text(item, REASON)


def _text(item: Mapping[str, Any], tag: str) -> str:
    if item.get("00090010") != CREATOR["00090010"]:
        return ""
    value = item.get(tag, {}).get("Value", [""])
    return str(value[0])[:LONGEST]
