"""CTP's hashes and its cipher. An MD5 sum as decimal digits hides nothing from who can guess, so it can be keyed."""

from __future__ import annotations

import base64
import hashlib
import re

from cryptography.hazmat.decrepit.ciphers.algorithms import Blowfish
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from cohortium.deidentify.ctp import java
from cohortium.deidentify.ctp.calls import Call
from cohortium.deidentify.ctp.context import ALL, REMOVE, Context, given

__all__ = ["decrypt", "digits_of", "encrypt", "hash_", "hashname", "hashptid", "hashuid"]

UID_LENGTH = 64
KEY_LENGTH = 22  # base 64 digits of a Blowfish key
FILLER = "tszyihnnphlyeaglle"  # with which CTP fills up a short key
BLOCK = 8


def digits_of(text: str, length: int = ALL) -> str:
    digits = str(int.from_bytes(hashlib.md5(text.encode("utf-8", "replace"), usedforsecurity=False).digest(), "big"))
    return digits[:length] if length >= 1 else digits


def _length(call: Call, context: Context, number: int, default: int) -> int:
    try:
        return java.integer(context.parameter(call.arguments[number])) if number < len(call.arguments) else default
    except ValueError:
        return default


def hash_(call: Call, context: Context) -> str:
    text = context.contents(call.arguments[0])
    if text is None:
        return REMOVE
    if len(call.arguments) > 1 and context.parameter(call.arguments[1]) is None:
        return call.list
    return digits_of(context.tables.keyed(text), _length(call, context, 1, ALL))


def hashname(call: Call, context: Context) -> str:
    if len(call.arguments) < 2:
        return call.list
    count = _length(call, context, 2, ALL)
    words = java.split(given(context, call.arguments[0]), "^")
    name = re.sub(r"[\s,'^.]", "", "".join(words[: count if count > 0 else ALL]), flags=re.ASCII).upper()
    return digits_of(context.tables.keyed(name), _length(call, context, 1, 4))


def hashptid(call: Call, context: Context) -> str:
    if len(call.arguments) < 2:
        return call.list
    site = java.trim(context.parameter(call.arguments[0]) or "")
    patient = java.trim(given(context, call.arguments[1]))
    return digits_of(context.tables.keyed(f"[{site}]{patient}"), _length(call, context, 2, ALL))


def hashuid(call: Call, context: Context) -> str:
    if len(call.arguments) < 2:
        return call.list
    prefix, uid = context.parameter(call.arguments[0]), context.contents(call.arguments[1])
    if uid is None:
        return REMOVE
    if prefix is None:
        return call.list
    if len(call.arguments) > 2:
        uid += context.result_for(call.arguments[2]) or ""
    prefix = java.trim(prefix if prefix.endswith(".") else f"{prefix}.")
    digits = digits_of(context.tables.keyed(uid))
    return f"{prefix}{'9' if digits.startswith('0') else ''}{digits}"[:UID_LENGTH]


def _cipher(key: str | None) -> Cipher[modes.ECB]:
    digits = re.sub("[^a-zA-Z0-9+/]", "", key or "")
    while len(digits) < KEY_LENGTH:
        digits += FILLER
    return Cipher(Blowfish(base64.b64decode(f"{digits[:KEY_LENGTH]}==")), modes.ECB())  # noqa: S305


def encrypt(call: Call, context: Context) -> str:
    if len(call.arguments) < 2:
        return call.list
    plain = given(context, call.arguments[0]).encode("utf-8", "replace")
    padding = BLOCK - len(plain) % BLOCK
    encryptor = _cipher(context.parameter(call.arguments[1])).encryptor()
    return base64.b64encode(encryptor.update(plain + bytes([padding]) * padding) + encryptor.finalize()).decode("ascii")


def decrypt(call: Call, context: Context) -> str:
    if len(call.arguments) < 2:
        return call.list
    decryptor = _cipher(context.parameter(call.arguments[1])).decryptor()
    try:
        secret = base64.b64decode(given(context, call.arguments[0]))
        plain = decryptor.update(secret) + decryptor.finalize()
    except ValueError:
        return call.list
    padding = plain[-1] if plain else 0
    if plain and not (0 < padding <= BLOCK and plain.endswith(bytes([padding]) * padding)):
        return call.list
    return plain[: len(plain) - padding].decode("utf-8", "replace")
