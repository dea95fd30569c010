"""Which protocols a site may work under: drafted by one person, approved by another, retired when their time is over.

What always holds: an approval counts only as the site's key signed it, for exactly these rules, author and approver. A
row that somebody wrote, changed or brought back in the database approves nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import Connection, RowMapping, func, insert, select, update

from cohortium.errors import Refused
from cohortium.govern.roles import Standing
from cohortium.govern.users import User
from cohortium.prove import audit
from cohortium.prove.canonical import canonical
from cohortium.store import now
from cohortium.store.schema import protocol_approval

__all__ = ["Approval", "Phase", "any_submitted", "approve", "approved", "listed", "retire", "submit"]

LABEL = b"cohortium protocol approval 1\n"
APPROVERS = (Standing.ADMINISTRATOR, Standing.COMMITTEE)
SHORTEST = 8  # characters of a digest that may stand for it
COLUMNS = ("digest", "name", "author", "created", "approver", "approved", "retirer", "retired")


class Phase(StrEnum):
    """How far a protocol is."""

    DRAFT = "draft"
    APPROVED = "approved"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Approval:
    """What is said about the protocol of this digest, by whom and when; empty where nobody has said it."""

    digest: str
    name: str
    author: str
    created: str
    approver: str = ""
    approved: str = ""
    retirer: str = ""
    retired: str = ""

    @property
    def phase(self) -> Phase:
        return Phase.RETIRED if self.retired else Phase.APPROVED if self.approved else Phase.DRAFT


def submit(connection: Connection, digest: str, name: str, author: User) -> None:
    """Offer a protocol for approval; `Refused` where it was offered before."""
    if connection.scalar(select(protocol_approval.c.digest).where(protocol_approval.c.digest == digest)):
        raise Refused("exactly these rules were submitted before; see `cohortium protocol list`")
    made = Approval(digest, name, author.name, now())
    connection.execute(insert(protocol_approval).values(**asdict(made), signature=""))
    audit.record(connection, author.name, "submit protocol", digest)


def approve(connection: Connection, signer: Ed25519PrivateKey, digest: str, approver: User) -> Approval:
    """Approve a draft, signed by the site's key; `Refused` to its author, and to who has not the standing."""
    made = _one(connection, digest)
    if made.phase is not Phase.DRAFT:
        raise Refused(f"{made.name} is {made.phase}; only a draft is approved")
    if approver.name == made.author:
        raise Refused(f"{approver.name} wrote {made.name}; somebody else has to approve it")
    _demand_standing(approver)
    return _write(connection, signer, replace(made, approver=approver.name, approved=now()), "approve protocol")


def retire(connection: Connection, signer: Ed25519PrivateKey, digest: str, who: User) -> Approval:
    """Let nothing more go on under the protocol, for ever."""
    made = _one(connection, digest)
    if made.phase is Phase.RETIRED:
        raise Refused(f"{made.name} is retired already")
    _demand_standing(who)
    return _write(connection, signer, replace(made, retirer=who.name, retired=now()), "retire protocol")


def listed(connection: Connection) -> list[Approval]:
    """Every protocol that was submitted, the newest first."""
    rows = connection.execute(select(protocol_approval).order_by(protocol_approval.c.created.desc())).mappings()
    return [_approval(row) for row in rows]


def any_submitted(connection: Connection) -> bool:
    """Whether anybody ever submitted a protocol here."""
    return bool(connection.scalar(select(func.count()).select_from(protocol_approval)))


def approved(connection: Connection, key: Ed25519PublicKey, digests: Collection[str]) -> frozenset[str]:
    """Those of the digests whose approval holds."""
    wanted = select(protocol_approval).where(protocol_approval.c.digest.in_(digests))
    rows = connection.execute(wanted).mappings()
    return frozenset(row["digest"] for row in rows if _approval(row).phase is Phase.APPROVED and _is_signed(row, key))


def _write(connection: Connection, signer: Ed25519PrivateKey, made: Approval, what: str) -> Approval:
    values = asdict(made) | {"signature": signer.sign(_text(asdict(made))).hex()}
    connection.execute(update(protocol_approval).where(protocol_approval.c.digest == made.digest).values(**values))
    audit.record(connection, made.retirer or made.approver, what, made.digest)
    return made


def _one(connection: Connection, digest: str) -> Approval:
    """The protocol whose digest begins so."""
    begins = protocol_approval.c.digest.startswith(digest, autoescape=True)
    rows = connection.execute(select(protocol_approval).where(begins).limit(2)).mappings().all()
    if len(digest) < SHORTEST or len(rows) != 1:
        raise Refused("no single submitted protocol has a digest that begins so; see `cohortium protocol list`")
    return _approval(rows[0])


def _demand_standing(who: User) -> None:
    if who.standing not in APPROVERS:
        raise Refused(f"{who.name} is no {' or '.join(APPROVERS)} of this site, and these alone decide about protocols")


def _approval(row: RowMapping) -> Approval:
    return Approval(**{name: row[name] for name in COLUMNS})


def _is_signed(row: RowMapping, key: Ed25519PublicKey) -> bool:
    try:
        key.verify(bytes.fromhex(row["signature"]), _text({name: row[name] for name in COLUMNS}))
    except (InvalidSignature, ValueError):
        return False
    return bool(row["author"] != row["approver"])


def _text(record: Mapping[str, str]) -> bytes:
    return LABEL + canonical(record).encode()
