"""The one door into the archive: nothing is stored or indexed but by `Archive.admit_all` and `Archive.attach`.

A receipt says that an enrolled site vouches for exactly these bytes; the archive's own inspection is made in any case.
Bytes are durable before a row names them, and all rows of an instance are written in one transaction, so that a
crash leaves at most an object that nothing refers to and that the next try adopts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from io import BytesIO
from itertools import chain
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
from cohortium.archive.clinical import loading, renewing, tables
from cohortium.archive.datakeys import DataKeys
from cohortium.archive.incoming import Unfit
from cohortium.archive.index import NUMBERED, Called
from cohortium.archive.objects import Objects
from cohortium.archive.offers import Aside, Offer, Read, Stored, Undone, Wanted, Whole, check_receipt, portions, read
from cohortium.archive.prearchive import Held
from cohortium.archive.removal import Removed
from cohortium.archive.resources import Destination, Kind, ResourceFile
from cohortium.archive.storage import Folder, Storage
from cohortium.archive.tombstones import Removable, reason_of
from cohortium.archive.wishes import AS_THEY_ARE, Relabelling, Wish
from cohortium.archive.withdrawal import Withdrawal
from cohortium.config import Project
from cohortium.errors import Corrupt, Refused, Unavailable
from cohortium.keys import SiteKey
from cohortium.prove import audit
from cohortium.store import now, scrub
from cohortium.store.schema import data_key
from cohortium.values import Finding, Instance, Protocol, Receipt

__all__ = ["Archive", "Offer"]

AT_ONCE = 32_000_000  # bytes of a clinical table that is read while its sender waits
LARGEST = 2_048_000_000  # bytes of a file, unless the caller says otherwise


class Archive:
    """The archive that is indexed in the store behind `engine`, its objects sealed under the site's key.

    They are in the storage, or below the data root of that path.
    """

    def __init__(self, engine: Engine, where: Storage | Path, key: SiteKey) -> None:
        self.engine = engine
        self._key = key
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
        self,
        offers: Iterable[Offer],
        project: str,
        who: str,
        *,
        aside: bool = False,
        called: Called = NUMBERED,
        address: str = "",
        basis: str = "",
    ) -> list[Instance | Refused]:
        """Store and index what is offered to the project, on the word of `who`; the same bytes again: no change.

        One answer each, in order: `Refused` where the receipt, the inspection or the index says no. Takes about
        `PORTION` bytes of offers at a time, and writes the index once. `aside`: what the check refuses waits in the
        project's prearchive. From where and by which right it is offered is for the audit.
        """
        with self.engine.execution_options(reading=True).begin() as connection:
            row = projects.project_named(connection, project)
            stored = [each for some in portions(offers) for each in self._store(connection, row, some, aside)]
        with self.engine.begin() as connection:
            said: list[tuple[str, str]] = []
            answers = self._indexed(connection, row, stored, who, said, called)
            audit.record_all(connection, who, said, address=address, basis=basis)
            return answers

    def admit_whole(
        self, images: Iterable[bytes], project: str, who: str, wish: Wish = AS_THEY_ARE, *, aside: bool = False
    ) -> frozenset[str]:
        """Store and index all of the images or, where one is refused, none; returns their StudyInstanceUIDs.

        New sessions are called as XNAT does. `images` may be gone through twice. `aside`: where the check refuses one,
        all of them wait in the project's prearchive.
        """
        with self.engine.execution_options(reading=True).begin() as connection:
            row = projects.project_named(connection, project)
            relabelling = Relabelling(connection, self._key, row, wish)
        whole = Whole()
        for portion in portions(Offer(each, None) for each in relabelling(images)):
            with self.engine.execution_options(reading=True).begin() as connection:
                whole.take(self._store(connection, row, portion, False))
        if not whole.refused:
            with suppress(Undone), self.engine.begin() as connection:
                return self._index_whole(connection, row, whole, who, wish, relabelling)
        with self.engine.begin() as connection:
            collection.discard(connection, whole.places())
        self._collect_now()
        told = whole.refusal()
        if aside and row["prearchive_days"] and isinstance(told, Unfit):
            reasons = {number: str(refusal) for number, refusal in whole.refused.items()}
            self.put_aside(images, project, who, now(), wish, reasons)
            raise Unfit(f"{told}. All wait in the prearchive for {row['prearchive_days']} days.")
        raise told

    def put_aside(
        self,
        images: Iterable[bytes],
        project: str,
        who: str,
        moment: str,
        wish: Wish = AS_THEY_ARE,
        reasons: Mapping[int, str] | None = None,
    ) -> int:
        """Let DICOM files wait in the project's prearchive, unlooked at, for an owner's word; returns how many.

        What bears the same `moment` came together, and is one session there. `reasons`: why, by place among them,
        where it was not only their sender's wish.
        """
        with self.engine.execution_options(reading=True).begin() as connection:
            row = projects.project_named(connection, project)
            check_receipt(connection, row, "", None)
            if not row["prearchive_days"]:
                raise Refused(f"project {project} has no prearchive")
            relabelling = Relabelling(connection, self._key, row, wish)
        held = [
            (prearchive.sealed(self.objects, row["id"], each, None, wish.subject), len(each))
            for each in relabelling.demanded(images)
        ]
        with self.engine.begin() as connection:
            said = []
            for number, (at, size) in enumerate(held):
                why = (reasons or {}).get(number, prearchive.BESIDE if reasons else prearchive.WISHED)
                entry = prearchive.add(connection, row, at, prearchive.DICOM, why, who, size, moment, wish)
                said.append(("put in prearchive", f"{project}/{entry}"))
            audit.record_all(connection, who, said)
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
            check_receipt(connection, row, digest, receipt)
            vouched = "trusted" if row["admit"] == "trusted" else "check" if receipt is None else "receipt"
            try:
                checked: attaching.Checked | Aside | Refused = attaching.check(
                    connection, row, to, found, vouched, receipt.site if receipt else ""
                )
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
            held, is_news = resources.add(connection, row["id"], to, file, checked.consent)
            if to.kind is Kind.CLINICAL:
                tables.note(connection, row["id"], digest, to.name, later=len(found) <= AT_ONCE)
            if is_news:
                audit.record(connection, who, "attach", f"{project}/{digest}")
        if to.kind is Kind.CLINICAL and len(found) <= AT_ONCE:
            loading.load(self.engine, row["id"], digest, found, checked.media_type)
        return held

    def remove(
        self,
        project: str,
        level: Removable,
        name: str,
        keep: Removable | None = None,
        /,
        *,
        who: str,
        reason: str,
        address: str = "",
        basis: str = "",
    ) -> Removed:
        """Let what the project holds under that name (PatientID or UID) go; see `removal`. The caller may delete.

        The audit tells from which `address` it was asked, and under which grant (`basis`).
        """
        reason = reason_of(reason)
        with self.engine.begin() as connection:
            row = projects.project_named(connection, project)
            removed = removal.remove(connection, row["id"], level, name, keep, who=who, reason=reason)
            audit.record(connection, who, f"remove {level}", f"{project}/{name}", address=address, basis=basis)
        self._make_tables_anew()
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
            waiting = self.objects.keys.waiting(row["id"], PatientID)
            withdrawal.demand_known(connection, row["id"], PatientID, waiting)
        self._withdraw(Withdrawal(project, PatientID, reason_of(reason), who, now()), "withdraw subject")

    def withdrawn(self, project: str) -> frozenset[str]:
        """The pseudonyms of the subjects who withdrew from the project."""
        with self.engine.execution_options(reading=True).begin() as connection:
            return withdrawal.withdrawn(connection, projects.project_named(connection, project)["id"])

    def withdraw_consent(self, project: str, reference: str, *, who: str, reason: str) -> None:
        """End a consent record and destroy the key of its videos; `Refused` where the project has no such record."""
        with self.engine.execution_options(reading=True).begin() as connection:
            consents.demand(connection, projects.project_named(connection, project, closed=True)["id"], reference)
        entry = Withdrawal(project, consents.key_name(reference), reason_of(reason), who, now())
        self._withdraw(entry, "withdraw consent")

    def _withdraw(self, entry: Withdrawal, what: str) -> None:
        with self.engine.begin() as connection:
            id = projects.project_named(connection, entry.project, closed=True)["id"]
            destroyed = withdrawal.withdraw(connection, entry, self.objects.keys.waiting(id, entry.PatientID))
            audit.record(connection, entry.who, what, f"{entry.project}/{entry.PatientID}")
        self.objects.keys.forget(destroyed)
        self._make_tables_anew()
        self._collect_now()
        scrub(self.engine, data_key)

    def collect(self) -> int:
        """Remove bytes that nothing refers to any more, as far as they were noted; returns how many."""
        packs.trim(self.engine, self.objects)
        return collection.collect(self.engine, self.objects)

    def keep_up_tables(self) -> None:
        """End what a process that was killed left of clinical tables, and what an earlier release did not read."""
        loading.keep_up(self.engine, self.objects)
        renewing.renew(self.engine, self.objects)
        self.collect()

    def _make_tables_anew(self) -> None:
        """Let files go that hold rows of who has gone, unless their bytes cannot be read: then a worker tries."""
        with suppress(Unavailable, Corrupt):
            renewing.renew(self.engine, self.objects)

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
            done = self._admit_as(held.wish, content, project, who)
        else:
            done = self.attach(BytesIO(content), to or before, project, who)
        self.drop(entry, who)
        return done

    def reoffer_whole(self, held: Sequence[Held], who: str, wish: Wish = AS_THEY_ARE) -> frozenset[str]:
        """Offer images that wait again, all or none, as `admit_whole` does; what is not wished now is as it was."""
        with self.engine.execution_options(reading=True).begin() as connection:
            project = projects.name_of(connection, held[0].project_id)
        wish = Wish(wish.subject or held[0].subject, wish.session or held[0].session)
        images = (prearchive.opened(self.objects, each.address)[1] for each in held)
        studies = self.admit_whole(images, project, who, wish)
        self.drop_all((each.id for each in held), who)
        return studies

    def drop(self, entry: int, who: str) -> None:
        """Let an entry of the prearchive go, with its bytes."""
        self.drop_all([entry], who)

    def drop_all(self, entries: Iterable[int], who: str) -> None:
        """The same for several, together."""
        with self.engine.begin() as connection:
            held = [prearchive.held(connection, entry) for entry in entries]
            prearchive.drop(connection, held)
            names = {each.project_id: projects.name_of(connection, each.project_id) for each in held}
            said = [("drop from prearchive", f"{names[each.project_id]}/{each.id}") for each in held]
            audit.record_all(connection, who, said)
        self.collect()

    def expire(self) -> int:
        """Let go of what has waited in the prearchive for its time; returns how much that was."""
        with self.engine.begin() as connection:
            count = prearchive.drop(connection, prearchive.expired(connection))
        self.collect()
        return count

    def _admit_as(self, wish: Wish, content: bytes, project: str, who: str) -> Instance:
        """`admit` for an image that waited, as its sender wished."""
        if wish == AS_THEY_ARE:
            return self.admit(content, project, None, who)
        with self.engine.execution_options(reading=True).begin() as connection:
            relabelling = Relabelling(connection, self._key, projects.project_named(connection, project), wish)
        offers = [Offer(each, None) for each in relabelling([content])]
        (answer,) = self.admit_all(offers, project, who, called=Called.by_sender(wish.session))
        if isinstance(answer, Refused):
            raise answer
        return answer

    def _aside(
        self, project: RowMapping, content: bytes | memoryview, to: Destination | None, refusal: Unfit
    ) -> Aside | Refused:
        """The refusal, with the bytes in the prearchive where the project has one, unless their subject withdrew."""
        if not project["prearchive_days"]:
            return refusal
        try:
            return Aside(refusal, prearchive.sealed(self.objects, project["id"], content, to), len(content))
        except Refused as withdrawn:
            return withdrawn

    def _store(
        self, connection: Connection, project: RowMapping, offers: Sequence[Offer], aside: bool
    ) -> list[Stored | Aside | Refused]:
        seen = [read(connection, project, offer) for offer in offers]
        arriving = Arriving(connection, project, [each.instance for each in seen if isinstance(each, Read)])
        judged = [self._judged(project, offer, each, arriving, aside) for offer, each in zip(offers, seen, strict=True)]
        wanted = [(offer, each) for offer, each in zip(offers, judged, strict=True) if isinstance(each, Wanted)]
        kept = iter(self.objects.keep_all([(each.key, offer.content, each.digest) for offer, each in wanted]))
        return [each.stored(*next(kept)) if isinstance(each, Wanted) else each for each in judged]

    def _judged(
        self, project: RowMapping, offer: Offer, read: Read | Refused, arriving: Arriving, aside: bool
    ) -> Wanted | Aside | Refused:
        if isinstance(read, Unfit) and aside:
            return self._aside(project, offer.content, None, read)
        if isinstance(read, Refused):
            return read
        try:
            arriving.news(read.instance, read.follows)
            return Wanted(read, self.objects.keys.of(project["id"], read.instance.PatientID))
        except Refused as refusal:
            return refusal

    def _index_whole(
        self, connection: Connection, row: RowMapping, whole: Whole, who: str, wish: Wish, relabelling: Relabelling
    ) -> frozenset[str]:
        """The rows of all of them; `Undone` where one is refused."""
        said: list[tuple[str, str]] = []
        studies: set[str] = set()
        called = Called.by_sender(wish.session)
        answers = (self._indexed(connection, row, stored, who, said, called) for stored in whole.portions())
        for number, answer in enumerate(chain.from_iterable(answers)):
            if isinstance(answer, Refused):
                whole.refused[number] = answer
            else:
                studies.add(answer.StudyInstanceUID)
        if whole.refused:
            raise Undone
        if relabelling.count:
            said.append(("relabel images", f"{row['name']}/{wish.subject}: {relabelling.count}"))
        audit.record_all(connection, who, said)  # last: nobody else of this process can write there meanwhile
        return frozenset(studies)

    def _indexed(
        self,
        connection: Connection,
        row: RowMapping,
        stored: Sequence[Stored | Aside | Refused],
        who: str,
        said: list[tuple[str, str]],
        called: Called = NUMBERED,
    ) -> list[Instance | Refused]:
        """Write the rows of what is durable; one answer each, in order. What the audit is to say is added to `said`."""
        instances = [each.arrival.instance for each in stored if isinstance(each, Stored)]
        found = Arriving(connection, row, instances, called)
        answers: list[Instance | Refused] = []
        moment = now()
        for each in stored:
            if not isinstance(each, Stored):
                answers.append(_refusal(connection, row, each, prearchive.DICOM, who, moment))
                continue
            try:
                instance = each.arrival.instance
                if news := found.news(instance, each.follows):
                    if not each.is_new:
                        self.objects.demand(each.arrival.at)
                    found.take(each.arrival, news)
                    said.append((news.value, f"{row['name']}/{instance.digest}"))
                answers.append(instance)
            except Refused as refusal:
                answers.append(refusal)
        found.finish()
        series = {each.SeriesInstanceUID for each in answers if isinstance(each, Instance)}
        index.touch(connection, row["id"], series)
        return answers


def _refusal(
    connection: Connection, project: RowMapping, outcome: Aside | Refused, kind: str, who: str, moment: str
) -> Refused:
    """What the sender hears; the row of what was put aside is written."""
    if isinstance(outcome, Refused):
        return outcome
    entry = prearchive.add(connection, project, outcome.at, kind, str(outcome.refusal), who, outcome.offered, moment)
    audit.record(connection, who, "put in prearchive", f"{project['name']}/{entry}")
    return Unfit(f"{outcome.refusal}. It waits in the prearchive for {project['prearchive_days']} days.")
