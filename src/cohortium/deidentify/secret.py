"""A project's secret: what is hashed together with a patient ID where a consortium asks for a plain hash.

What always holds: it lies in a file that its owner alone can read, and one that can be guessed works only if somebody
accepted that in writing. The file is text, so that anybody can check a pseudonym with other tools.
"""

from __future__ import annotations

import math
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cohortium import keys
from cohortium.errors import ConfigError, Refused

__all__ = ["Secret", "create", "is_weak", "load", "path_of"]

BITS = 256
ACCEPTED = "accepted although weak"
ALPHABETS = ((r"[0-9]*", 10), (r"[0-9a-f]*|[0-9A-F]*", 16), (r"[0-9a-z]*|[0-9A-Z]*", 36), (r"[0-9A-Za-z]*", 62))
PRINTABLE = 94
FEWEST_KINDS = 8  # of characters: fewer are no random text, however long


@dataclass(frozen=True, slots=True)
class Secret:
    """`value` is the bytes that are hashed before the patient ID."""

    value: bytes = field(repr=False)
    weak: bool = False


def path_of(site_key: Path, project: str) -> Path:
    """Where the secret of a project lies: beside the site's key, so outside the data root."""
    return site_key.parent / f"{project}.secret"


def create(path: Path, imported: str = "", *, accept_weak: bool = False) -> Secret:
    """Make a secret of 256 bits, or keep one that came from elsewhere; refuse a weak one, and to replace any."""
    text = imported.strip() or secrets.token_hex(BITS // 8)
    if "\n" in text or not text.isprintable():
        raise ConfigError("a secret is one line of text")
    weak = is_weak(text)
    if weak and not accept_weak:
        raise Refused(
            f"the secret is weak: less than {BITS} random bits; make a new one, or say --accept-weak to have a finding "
            "in every report"
        )
    keys.write_once(path, f"{text}\n{ACCEPTED}\n" if weak else f"{text}\n", "secret")
    return Secret(text.encode(), weak)


def load(path: Path) -> Secret | None:
    """The secret in the file at `path`; None where there is no file."""
    if not path.exists():
        return None
    text, _, note = keys.read_private(path, "the secret").partition("\n")
    weak = is_weak(text)
    if weak and note.strip() != ACCEPTED:
        raise Refused(
            f"the secret {path} is weak and nobody accepted that; run `cohortium subject secret` to import it"
        )
    return Secret(text.encode(), weak)


def is_weak(text: str) -> bool:
    """Whether the text cannot hold 256 random bits, judged by its length and the characters it uses."""
    size = next((size for pattern, size in ALPHABETS if re.fullmatch(pattern, text)), PRINTABLE)
    return len(set(text)) < FEWEST_KINDS or len(text) * math.log2(size) < BITS
