"""Passwords as argon2id hashes. Checking one costs the same whether or not the account exists."""

from __future__ import annotations

import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from cohortium.errors import Refused

__all__ = ["LONGEST", "SHORTEST", "demand", "digest", "one_time", "verify"]

SHORTEST, LONGEST = 12, 256
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # nothing that is misread from a screen: no l, o, 0, 1

_hasher = PasswordHasher()  # argon2id, RFC 9106 low-memory parameters


def one_time() -> str:
    """A password of 80 random bits, in groups that can be read out."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))


def digest(password: str) -> str:
    """What is stored of a password."""
    return _hasher.hash(password)


def verify(stored: str | None, password: str) -> bool:
    """Whether the password is the one stored; `stored` is None for an account that does not exist."""
    nobody = _nobody()  # in any case, or the first unknown name would take longer
    try:
        matches = _hasher.verify(stored or nobody, password[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False
    return matches and stored is not None


def demand(password: str, again: str, name: str) -> None:
    """Raise `Refused` unless the password may be chosen (NIST SP 800-63B: length, not composition)."""
    if password != again:
        raise Refused("The two entries differ. Please type the new password twice.")
    if not SHORTEST <= len(password) <= LONGEST:
        raise Refused(f"Please choose {SHORTEST} to {LONGEST} characters.")
    if name.lower() in password.lower() or len(set(password)) < 5:
        raise Refused("This one is easily guessed. Please choose another.")


@cache
def _nobody() -> str:
    return digest(secrets.token_hex())
