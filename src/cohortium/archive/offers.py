"""What is offered to the archive, what receipt and inspection say of it, and what of it is durable without a row."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection, RowMapping

from cohortium.archive import projects
from cohortium.archive.incoming import Unfit
from cohortium.archive.index import Arrival
from cohortium.archive.inspection import inspect
from cohortium.archive.objects import Address
from cohortium.dicom import elements, meta
from cohortium.errors import Malformed, Refused
from cohortium.prove import receipts
from cohortium.values import Instance, Receipt
from cohortium.wire import dicomjson

__all__ = ["Aside", "Offer", "Read", "Stored", "Undone", "Wanted", "Whole", "check_receipt", "portions", "read"]

PORTION = 1 << 24  # bytes of offers that are in memory together, and their last one


@dataclass(frozen=True, slots=True)
class Offer:
    """A de-identified DICOM file that asks to come in, and a site's word for it, if there is one.

    It `follows` the versions of these digests: where one of them is the newest, this one becomes it, even anew.
    """

    content: bytes | memoryview
    receipt: Receipt | None
    follows: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Aside:
    """What was refused and is durable in the prearchive, without its row yet."""

    refusal: Unfit
    at: Address
    offered: int


@dataclass(frozen=True, slots=True)
class Read:
    """What receipt and inspection have nothing against."""

    instance: Instance
    header: dicomjson.Document
    follows: frozenset[str]


@dataclass(frozen=True, slots=True)
class Stored:
    """What is durable and not yet in the index."""

    arrival: Arrival
    is_new: bool  # its bytes were not there before
    follows: frozenset[str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be stored, and under which data key."""

    read: Read
    key: int

    @property
    def digest(self) -> str:
        return self.read.instance.digest

    def stored(self, at: Address, is_new: bool) -> Stored:
        """The same once its bytes are there."""
        return Stored(Arrival(self.read.instance, self.read.header, at), is_new, self.read.follows)


class Undone(Exception):
    """The transaction is to be rolled back."""


class Whole:
    """Images that are to be in all together or not at all; in memory are some hundred bytes of each."""

    def __init__(self) -> None:
        self._packed: list[bytes] = []  # headers of one session differ in little, and are packed by the portion
        self.count = 0
        self.refused: dict[int, Refused] = {}  # by place among them

    def take(self, stored: Sequence[Stored | Aside | Refused]) -> None:
        """The next portion of them."""
        self.refused |= {n: each for n, each in enumerate(stored, self.count) if isinstance(each, Refused)}
        self.count += len(stored)
        self._packed.append(zlib.compress(pickle.dumps([each for each in stored if isinstance(each, Stored)]), 1))

    def portions(self) -> Iterator[list[Stored]]:
        """What is durable of them, as it came."""
        return (pickle.loads(zlib.decompress(each)) for each in self._packed)  # noqa: S301  made here, seen by nobody

    def places(self) -> Iterator[Address]:
        """Where their bytes are."""
        return (each.arrival.at for some in self.portions() for each in some)

    def refusal(self) -> Refused:
        """What the sender hears."""
        first = next(iter(self.refused.values()))
        kind = Unfit if any(isinstance(each, Unfit) for each in self.refused.values()) else Refused
        return kind(f"{len(self.refused)} of {self.count} images were refused, and none came in. The first: {first}")


def portions(offers: Iterable[Offer]) -> Iterator[list[Offer]]:
    """Offers of which the index is asked together, few enough to be in memory together."""
    portion, size = [], 0
    for offer in offers:
        portion.append(offer)
        size += len(offer.content)
        if size >= PORTION:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def read(connection: Connection, project: RowMapping, offer: Offer) -> Read | Refused:
    """What is offered, where receipt and inspection have nothing against it."""
    digest = sha256(offer.content).hexdigest()
    try:
        check_receipt(connection, project, digest, offer.receipt)
        if project["admit"] == "trusted":
            file = elements.read(offer.content)
        else:
            vouched = offer.receipt is not None
            file = inspect(offer.content, project["protocol_digest"], project["allows"], vouched=vouched)
        return Read(meta.described(file, digest), dicomjson.document(file.elements), offer.follows)
    except Malformed as error:
        return Refused(f"not admitted: {error}")
    except Refused as refusal:
        return refusal


def check_receipt(connection: Connection, project: RowMapping, digest: str, receipt: Receipt | None) -> None:
    if receipt is None:
        if project["admit"] == "receipt":
            raise Refused(f"project {project['name']} admits nothing without the receipt of an enrolled site")
        return
    receipts.verify(receipt, projects.public_key(connection, receipt.site))
    if receipt.digest != digest:
        raise Refused("the receipt is for other bytes")
    if receipt.project != project["name"]:
        raise Refused("the receipt is for another project")
    if receipt.protocol != project["protocol_digest"]:
        raise Refused("the receipt is for another protocol than the project's")
