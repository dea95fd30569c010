"""The one door into the archive: nothing is stored or indexed but by `Archive.admit_all` and `Archive.attach`.

A receipt says that an enrolled site vouches for exactly these bytes; the archive's own inspection is made in any case.
Bytes are durable before a row names them, and all rows of an instance are written in one transaction, so that a
crash leaves at most an object that nothing refers to and that the next try adopts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Connection, Engine, RowMapping

from cohortium.archive import (
    attaching,
    collection,
    consents,
    incoming,
    index,
    packs,
    prearchive,
    projects,
    removal,
    resources,
    withdrawal,
)
from cohortium.archive.arrivals import Arriving
from cohortium.archive.datakeys import DataKeys
from cohortium.archive.incoming import Unfit
from cohortium.archive.index import Arrival
from cohortium.archive.inspection import inspect
from cohortium.archive.objects import Address, Objects
from cohortium.archive.removal import Removed
from cohortium.archive.resources import Destination, ResourceFile
from cohortium.archive.storage import Folder, Storage
from cohortium.archive.tombstones import Removable, reason_of
from cohortium.archive.withdrawal import Withdrawal
from cohortium.config import Project
from cohortium.dicom import elements, meta
from cohortium.errors import Malformed, Refused, Unavailable
from cohortium.keys import SiteKey
from cohortium.prove import audit, receipts
from cohortium.store import now, scrub
from cohortium.store.schema import data_key
from cohortium.values import Finding, Instance, Protocol, Receipt
from cohortium.wire import dicomjson

__all__ = ["Archive", "Offer"]

LARGEST = 2_048_000_000  # bytes of a file, unless the caller says otherwise
PORTION = 1 << 24  # bytes of offers that are in memory together, and their last one


@dataclass(frozen=True, slots=True)
class Offer:
    """A de-identified DICOM file that asks to come in, and a site's word for it, if there is one."""

    content: bytes | memoryview
    receipt: Receipt | None


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


@dataclass(frozen=True, slots=True)
class Stored:
    """What is durable and not yet in the index."""

    arrival: Arrival
    is_new: bool  # its bytes were not there before


class Archive:
    """The archive that is indexed in the store behind `engine`, its objects sealed under the site's key.

    They are in the storage, or below the data root of that path.
    """

    def __init__(self, engine: Engine, where: Storage | Path, key: SiteKey) -> None:
        self.engine = engine
        storage = Folder(where / "objects") if isinstance(where, Path) else where
        self.objects = Objects(storage, DataKeys(engine, key))

    def enrol(self, site: str, public_key: str) -> None:
        """Accept receipts of this site from now on (`public_key`: Ed25519, hex)."""
        with self.engine.begin() as connection:
            projects.enrol(connection, site, public_key)

    def open_project(self, project: Project, protocol: Protocol) -> int:
        """Make the project, or bring its row up to date; returns its id."""
        with self.engine.begin() as connection:
            return projects.open_project(connection, project, protocol)

    def admit_all(
        self, offers: Iterable[Offer], project: str, who: str, *, aside: bool = False
    ) -> list[Instance | Refused]:
        """Store and index what is offered to the project, on the word of `who`; the same bytes again: no change.

        One answer each, in order: `Refused` where the receipt, the inspection or the index says no. Takes about
        `PORTION` bytes of offers at a time, and writes the index once. `aside`: what the check refuses waits in the
        project's prearchive.
        """
        with self.engine.execution_options(reading=True).begin() as connection:
            row = projects.project_named(connection, project)
            stored = [each for some in _portions(offers) for each in self._store(connection, row, some, aside)]
        with self.engine.begin() as connection:
            answers = self._indexed(connection, row, stored, who)
            series = {each.SeriesInstanceUID for each in answers if isinstance(each, Instance)}
            index.touch(connection, row["id"], series)
            return answers

    def put_aside(self, contents: Iterable[bytes], project: str, who: str, moment: str) -> int:
        """Let DICOM files wait in the project's prearchive, unlooked at, for an owner's word; returns how many.

        What bears the same `moment` came together.
        """
        with self.engine.execution_options(reading=True).begin() as connection:
            row = projects.project_named(connection, project)
            _check_receipt(connection, row, "", None)
            if not row["prearchive_days"]:
                raise Refused(f"project {project} has no prearchive")
        held = [(prearchive.sealed(self.objects, row["id"], each, None), len(each)) for each in contents]
        with self.engine.begin() as connection:
            for at, size in held:
                entry = prearchive.add(connection, row, at, prearchive.DICOM, prearchive.WISHED, who, size, moment)
                audit.record(connection, who, "put in prearchive", f"{project}/{entry}")
        return len(held)

    def admit(self, content: bytes | memoryview, project: str, receipt: Receipt | None, who: str) -> Instance:
        """`admit_all` for a single file; a refusal is raised."""
        (answer,) = self.admit_all([Offer(content, receipt)], project, who)
        if isinstance(answer, Refused):
            raise answer
        return answer

    def attach(
        self,
        content: BinaryIO | Path,
        to: Destination,
        project: str,
        who: str,
        receipt: Receipt | None = None,
        limit: int = LARGEST,
        *,
        aside: bool = False,
    ) -> ResourceFile:
        """Store a file beside the images; `Refused`, or `TooLarge` over `limit` bytes, where it may not come in.

        The same name with other bytes is a new version; with the newest version's bytes it changes nothing.
        `aside`: what the check refuses waits in the project's prearchive.
        """
        found = incoming.read(content, limit)
        digest = sha256(found).hexdigest()
        with self.engine.execution_options(reading=True).begin() as connection:
            row = projects.project_named(connection, project)
            _check_receipt(connection, row, digest, receipt)
            vouched = "trusted" if row["admit"] == "trusted" else "check" if receipt is None else "receipt"
            try:
                checked: attaching.Checked | Aside | Unfit = attaching.check(connection, row, to, found, vouched)
            except Unfit as refusal:
                checked = self._aside(row, found, to, refusal) if aside else refusal
        if not isinstance(checked, attaching.Checked):
            with self.engine.begin() as connection:
                told = _refusal(connection, row, checked, prearchive.FILE, who, now())
            raise told
        at, is_new = self.objects.keep(self.objects.keys.of(row["id"], checked.key_of), found, digest)
        file: dict[str, Any] = {"key_id": at.key, "admitted": vouched, "site": receipt.site if receipt else ""}
        file |= {"digest": digest, "size": len(found), "media_type": checked.media_type, "by": who}
        with self.engine.begin() as connection:
            if not is_new:
                self.objects.demand(at)
            added = resources.add(connection, row["id"], to, file, checked.consent)
            audit.record(connection, who, "attach", f"{project}/{digest}")
        return added

    def remove(
        self, project: str, level: Removable, name: str, *, who: str, reason: str, address: str = "", basis: str = ""
    ) -> Removed:
        """Let what the project holds under that name (PatientID or UID) go; see `removal`. The caller may delete.

        The audit tells from which `address` it was asked, and under which grant (`basis`).
        """
        reason = reason_of(reason)
        with self.engine.begin() as connection:
            row = projects.project_named(connection, project)
            removed = removal.remove(connection, row["id"], level, name, who=who, reason=reason)
            audit.record(connection, who, f"remove {level}", f"{project}/{name}", address=address, basis=basis)
        self._collect_now()
        return removed

    def detach(
        self, resource_id: int, name: str | None = None, *, who: str, reason: str, address: str = "", basis: str = ""
    ) -> int:
        """Let a resource go, or its files of that name; returns how many went. The caller may delete."""
        reason = reason_of(reason)
        with self.engine.begin() as connection:
            count = removal.remove_files(connection, resource_id, name, who=who, reason=reason)
            about = f"{resource_id}/{name or ''}"
            audit.record(connection, who, "remove resource", about, address=address, basis=basis)
        self._collect_now()
        return count

    def withdraw(self, project: str, PatientID: str, *, who: str, reason: str) -> None:
        """Destroy the subject's key, for ever; see `withdrawal`. `Refused` where the project knows no such subject."""
        with self.engine.execution_options(reading=True).begin() as connection:
            row = projects.project_named(connection, project, closed=True)
            withdrawal.demand_known(connection, row["id"], PatientID)
        self._withdraw(Withdrawal(project, PatientID, reason_of(reason), who, now()), "withdraw subject")

    def withdraw_consent(self, project: str, reference: str, *, who: str, reason: str) -> None:
        """End a consent record and destroy the key of its videos; `Refused` where the project has no such record."""
        with self.engine.execution_options(reading=True).begin() as connection:
            consents.demand(connection, projects.project_named(connection, project, closed=True)["id"], reference)
        entry = Withdrawal(project, consents.key_name(reference), reason_of(reason), who, now())
        self._withdraw(entry, "withdraw consent")

    def _withdraw(self, entry: Withdrawal, what: str) -> None:
        with self.engine.begin() as connection:
            key = withdrawal.withdraw(connection, entry)
            audit.record(connection, entry.who, what, f"{entry.project}/{entry.PatientID}")
        if key is not None:
            self.objects.keys.forget(key)
        self._collect_now()
        scrub(self.engine, data_key)

    def collect(self) -> int:
        """Remove bytes that nothing refers to any more, as far as they were noted; returns how many."""
        packs.trim(self.engine, self.objects)
        return collection.collect(self.engine, self.objects)

    def _collect_now(self) -> None:
        """Collect, unless the storage is away: then a worker does it later, and what was decided stands."""
        with suppress(Unavailable):
            self.collect()

    def note(self, project_id: int, SeriesInstanceUID: str, findings: Iterable[Finding]) -> None:
        """Let these be the findings of the series, in place of earlier ones."""
        with self.engine.begin() as connection:
            index.replace_findings(connection, project_id, SeriesInstanceUID, findings)

    def reoffer(self, entry: int, who: str, to: Destination | None = None) -> Instance | ResourceFile:
        """Offer what waits in the prearchive again, a file perhaps elsewhere; `Refused` as before, or it is in."""
        with self.engine.execution_options(reading=True).begin() as connection:
            held = prearchive.held(connection, entry)
            project = projects.name_of(connection, held.project_id)
        before, content = prearchive.opened(self.objects, held.address)
        done: Instance | ResourceFile
        if before is None:
            done = self.admit(content, project, None, who)
        else:
            done = self.attach(BytesIO(content), to or before, project, who)
        self.drop(entry, who)
        return done

    def drop(self, entry: int, who: str) -> None:
        """Let an entry of the prearchive go, with its bytes."""
        with self.engine.begin() as connection:
            held = prearchive.held(connection, entry)
            prearchive.drop(connection, [held])
            about = f"{projects.name_of(connection, held.project_id)}/{entry}"
            audit.record(connection, who, "drop from prearchive", about)
        self.collect()

    def expire(self) -> int:
        """Let go of what has waited in the prearchive for its time; returns how much that was."""
        with self.engine.begin() as connection:
            count = prearchive.drop(connection, prearchive.expired(connection))
        self.collect()
        return count

    def _aside(
        self, project: RowMapping, content: bytes | memoryview, to: Destination | None, refusal: Unfit
    ) -> Aside | Unfit:
        """The refusal, with the bytes in the prearchive where the project has one."""
        if not project["prearchive_days"]:
            return refusal
        return Aside(refusal, prearchive.sealed(self.objects, project["id"], content, to), len(content))

    def _store(
        self, connection: Connection, project: RowMapping, offers: Sequence[Offer], aside: bool
    ) -> list[Stored | Aside | Refused]:
        read = [_read(connection, project, offer) for offer in offers]
        arriving = Arriving(connection, project, [each.instance for each in read if isinstance(each, Read)])
        return [self._kept(project, offer, each, arriving, aside) for offer, each in zip(offers, read, strict=True)]

    def _kept(
        self, project: RowMapping, offer: Offer, read: Read | Refused, arriving: Arriving, aside: bool
    ) -> Stored | Aside | Refused:
        if isinstance(read, Unfit) and aside:
            return self._aside(project, offer.content, None, read)
        if isinstance(read, Refused):
            return read
        try:
            arriving.news(read.instance)
            key = self.objects.keys.of(project["id"], read.instance.PatientID)
        except Refused as refusal:
            return refusal
        at, is_new = self.objects.keep(key, offer.content, read.instance.digest)
        return Stored(Arrival(read.instance, read.header, at), is_new)

    def _indexed(
        self, connection: Connection, row: RowMapping, stored: Sequence[Stored | Aside | Refused], who: str
    ) -> list[Instance | Refused]:
        found = Arriving(connection, row, [each.arrival.instance for each in stored if isinstance(each, Stored)])
        answers: list[Instance | Refused] = []
        said, moment = [], now()
        for each in stored:
            if not isinstance(each, Stored):
                answers.append(_refusal(connection, row, each, prearchive.DICOM, who, moment))
                continue
            try:
                instance = each.arrival.instance
                if news := found.news(instance):
                    if not each.is_new:
                        self.objects.demand(each.arrival.at)
                    found.take(each.arrival, news)
                    said.append((news.value, f"{row['name']}/{instance.digest}"))
                answers.append(instance)
            except Refused as refusal:
                answers.append(refusal)
        found.finish()
        audit.record_all(connection, who, said)
        return answers


def _portions(offers: Iterable[Offer]) -> Iterator[list[Offer]]:
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


def _read(connection: Connection, project: RowMapping, offer: Offer) -> Read | Refused:
    """What is offered, where receipt and inspection have nothing against it."""
    digest = sha256(offer.content).hexdigest()
    try:
        _check_receipt(connection, project, digest, offer.receipt)
        if project["admit"] == "trusted":
            file = elements.read(offer.content)
        else:
            file = inspect(offer.content, project["protocol_digest"], allows=project["allows"])
        return Read(meta.described(file, digest), dicomjson.document(file.elements))
    except Malformed as error:
        return Refused(f"not admitted: {error}")
    except Refused as refusal:
        return refusal


def _refusal(
    connection: Connection, project: RowMapping, outcome: Aside | Refused, kind: str, who: str, moment: str
) -> Refused:
    """What the sender hears; the row of what was put aside is written."""
    if isinstance(outcome, Refused):
        return outcome
    entry = prearchive.add(connection, project, outcome.at, kind, str(outcome.refusal), who, outcome.offered, moment)
    audit.record(connection, who, "put in prearchive", f"{project['name']}/{entry}")
    return Unfit(f"{outcome.refusal}. It waits in the prearchive for {project['prearchive_days']} days.")


def _check_receipt(connection: Connection, project: RowMapping, digest: str, receipt: Receipt | None) -> None:
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
