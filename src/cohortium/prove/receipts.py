"""Receipts: a site's Ed25519 signature over what it de-identified, how, and for which project.

The signed text is canonical JSON behind a label of its own, so that no other signature of the site can
pass for a receipt.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, fields

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cohortium import __version__
from cohortium.errors import Refused
from cohortium.prove.canonical import canonical
from cohortium.store import now
from cohortium.values import Receipt

__all__ = ["HEADER", "parse", "sign", "verify"]

HEADER = "cohortium-receipt"  # the header field of a multipart's part in which it travels with its bytes

DIGEST = re.compile(r"[0-9a-f]{64}")
SIGNATURE = re.compile(r"[0-9a-f]{128}")
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")  # as in a configuration
TEXT = re.compile(r"[ -~]{1,64}")
FORMS = {"site": NAME, "project": NAME, "digest": DIGEST, "protocol": DIGEST, "signature": SIGNATURE}
FIELDS = frozenset(each.name for each in fields(Receipt))

LABEL = b"cohortium receipt 1\n"


def sign(signer: Ed25519PrivateKey, *, site: str, project: str, digest: str, protocol: str) -> Receipt:
    """A receipt for the bytes named `digest`, de-identified under the protocol of digest `protocol`."""
    fields = {"site": site, "project": project, "digest": digest, "protocol": protocol}
    fields |= {"software": f"Cohortium {__version__}", "created": now()}
    return Receipt(**fields, signature=signer.sign(_text(fields)).hex())


def parse(text: str) -> Receipt:
    """A receipt as it travels, as JSON; `Refused` unless it has a receipt's fields and each is of its form."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused("the receipt is not JSON") from None
    if not isinstance(found, dict) or found.keys() != FIELDS:
        raise Refused("the receipt has not the fields of a receipt")
    for name, value in found.items():
        if not isinstance(value, str) or not FORMS.get(name, TEXT).fullmatch(value):
            raise Refused(f"the receipt's {name} is not what a receipt has there")
    return Receipt(**found)


def verify(receipt: Receipt, public_key: str) -> None:
    """Raise `Refused` unless the site that owns `public_key` (hex) signed exactly this receipt."""
    fields = asdict(receipt)
    try:
        signature = bytes.fromhex(fields.pop("signature"))
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(signature, _text(fields))
    except (InvalidSignature, ValueError):
        raise Refused(f"the receipt was not signed by the site {receipt.site!r} as enrolled") from None


def _text(fields: dict[str, str]) -> bytes:
    return LABEL + canonical(fields).encode()
