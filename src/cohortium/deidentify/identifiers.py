"""New identifiers for old ones: keyed, so that only the holder of the site's key could make or link them.

The same input gives the same output within one project and an unrelated one in any other. Standard UIDs
(1.2.840.10008.*) name definitions, not patients, and stay.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import unicodedata
from collections.abc import Callable
from functools import lru_cache, partial

from cohortium.dicom import uids
from cohortium.dicom.charset import normalised
from cohortium.keys import SiteKey

__all__ = ["Hashes", "Pseudonyms", "Shifts", "Tokens", "UidMap", "Uids"]

UidMap = Callable[[bytes], bytes]
"""Makes of a UI value another one."""

REMEMBERED = 4096  # bounded, so that memory does not grow with the number of files
TITLE = 14  # characters behind AE; an AE title has at most 16
SEPARATOR = "\x1f"
TOKEN = 32  # characters of base 32: 160 bits


class Uids:
    """Maps UI values as `dicom.uids` does, in one project."""

    def __init__(self, key: SiteKey, project: str) -> None:
        secret = key.derive("uids", project)
        self._mapped = lru_cache(maxsize=REMEMBERED)(partial(uids.mapped, secret))

    def __call__(self, value: bytes) -> bytes:
        """The mapped value, padded; every UID of a multiple value on its own, an empty value empty."""
        return self._mapped(value)


class Pseudonyms:
    """Gives each patient of a project a pseudonym: letters and digits of base 32, `length` of them."""

    def __init__(self, key: SiteKey, project: str, length: int, label: str = "pseudonyms") -> None:
        self._secret = key.derive(label, project)
        self._marks = key.derive("subject marks", project)
        self._length = length

    def pseudonym(self, patient_id: str, issuer: str = "") -> str:
        """The pseudonym of the patient whom `issuer` (default: none) knows as `patient_id`."""
        digest = hmac.digest(self._secret, _identity(patient_id, issuer), "sha256")
        return base64.b32encode(digest).decode("ascii")[: self._length]

    def mark(self, patient_id: str, issuer: str = "") -> str:
        """A full-length keyed digest of the same patient: tells whether two patients got one pseudonym."""
        return hmac.digest(self._marks, _identity(patient_id, issuer), "sha256").hex()

    def identity(self, patient_id: str, issuer: str = "") -> str:
        """Identifier and issuer in the one spelling that counts."""
        return _identity(patient_id, issuer).decode()


class Hashes:
    """Gives each patient SHA-512/256(secret + patient ID), FIPS 180-4, as 64 hex characters."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def pseudonym(self, patient_id: str, issuer: str = "") -> str:
        """The hash of the trimmed ID in UTF-8, behind its issuer and 0x1F where there is one; spaces within count."""
        parts = (unicodedata.normalize("NFC", text).strip() for text in (issuer, patient_id))
        text = SEPARATOR.join(part for part in parts if part)
        return hashlib.new("sha512_256", self._secret + text.encode()).hexdigest()


class Tokens:
    """Hashes other identifiers of a subject together with its pseudonym: with a key, or (`keyed` false) as CTP does.

    Without a key anybody who can guess an identifier can check the guess.
    """

    def __init__(self, key: SiteKey, project: str, *, keyed: bool = True) -> None:
        self._secret = key.derive("hashed identifiers", project)
        self._titles = key.derive("titles of application entities", project)
        self._keyed = keyed

    def title(self, text: str) -> str:
        """Another title for an application entity, the same for all subjects; always with a key."""
        if not text.strip(" \0"):
            return ""
        digest = hmac.digest(self._titles, normalised(text.strip(" \0")).encode(), "sha256")
        return "AE" + base64.b32encode(digest).decode("ascii")[:TITLE]

    def __call__(self, pseudonym: str, text: str, length: int) -> str:
        """At most `length` characters: of base 32, or without a key the decimal digits of MD5(pseudonym + text)."""
        if not self._keyed:
            digest = hashlib.md5((pseudonym + text.strip()).encode(), usedforsecurity=False).digest()
            return str(int.from_bytes(digest, "big"))[:length]
        content = SEPARATOR.join((pseudonym, normalised(text))).encode()
        return base64.b32encode(hmac.digest(self._secret, content, "sha256")).decode("ascii")[: min(length, TOKEN)]


class Shifts:
    """Gives each patient of a project the days, `earliest` to `latest`, by which all of their dates move."""

    def __init__(self, key: SiteKey, project: str, earliest: int, latest: int) -> None:
        self._secret = key.derive("date shifts", project)
        self._earliest = earliest
        self._count = latest - earliest + 1

    def days(self, patient_id: str, issuer: str = "") -> int:
        digest = hmac.digest(self._secret, _identity(patient_id, issuer), "sha256")
        return self._earliest + int.from_bytes(digest, "big") % self._count


def _identity(patient_id: str, issuer: str) -> bytes:
    parts = [normalised(issuer), normalised(patient_id)] if normalised(issuer) else [normalised(patient_id)]
    return SEPARATOR.join(parts).encode()
