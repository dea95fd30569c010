"""New UIDs for old ones: keyed, so that only the holder of the key could make or link them.

Standard UIDs (1.2.840.10008.*) name definitions, not patients, and stay.
"""

from __future__ import annotations

import hmac
import re

__all__ = ["STANDARD", "mapped"]

STANDARD = re.compile(rb"1\.2\.840\.10008(?:\.[0-9]{1,12})+").fullmatch


def mapped(secret: bytes, value: bytes) -> bytes:
    """The UI value with each of its UIDs mapped, padded; an empty value empty.

    A UID becomes `2.25.` and a version 8 UUID (RFC 9562) made from its HMAC-SHA-256.
    """
    stripped = value.strip(b"\0 ")
    if not stripped:
        return b""
    new = b"\\".join(_mapped(secret, uid.strip(b"\0 ")) for uid in stripped.split(b"\\"))
    return new + b"\0" if len(new) % 2 else new


def _mapped(secret: bytes, uid: bytes) -> bytes:
    if not uid or STANDARD(uid):
        return uid
    number = int.from_bytes(hmac.digest(secret, uid, "sha256")[:16], "big")
    number = number & ~(0xF << 76) & ~(0x3 << 62) | 0x8 << 76 | 0x2 << 62
    return b"2.25.%d" % number
