"""Who came first: within a project one item owns a SOPInstanceUID, and a pseudonym belongs to one subject.

What claims the same later is a duplicate, or is quarantined. Many claims at once end as if each had come by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Select, exists, select

from cohortium.prove import provenance
from cohortium.spool import items
from cohortium.spool.items import Item, Made, Move
from cohortium.spool.states import CLAIMS
from cohortium.store.schema import arrival, item
from cohortium.values import Reason, SetAside, State

__all__ = ["Claim", "claim", "earlier_version"]


class Claim(NamedTuple):
    """What was made of an item, which names it with all pipelines of `rivals` as its competitors."""

    found: Item
    made: Made
    rivals: tuple[str, ...]


class _Owner(NamedTuple):
    number: int
    id: str
    digest: str
    subject_mark: str

    @property
    def name(self) -> str:
        return self.id[:12]


def claim(connection: Connection, claims: Sequence[Claim]) -> dict[str, State | None]:
    """Let each item have its names, or stand back behind who has them; None where it was moved since it was found."""
    states: dict[str, State | None] = dict.fromkeys(each.found.id for each in claims)
    there = items.as_found(connection, [each.found for each in claims])
    owners = {rivals: _Owners(connection, rivals, claims) for rivals in {each.rivals for each in claims}}
    moves = []
    for each in claims:
        if each.found.id in there:
            there.remove(each.found.id)
            state, aside = owners[each.rivals].enter(each)
            more = items.columns(each.made) if state is State.DEIDENTIFIED else {"pipeline": each.made.pipeline}
            moves.append(Move(each.found, state, aside, more))
            states[each.found.id] = state
    items.change_all(connection, moves)
    made = (each.made for each in claims if states[each.found.id] is State.DEIDENTIFIED)
    provenance.record_all(connection, [each.provenance for each in made])
    return states


def earlier_version(connection: Connection, pipelines: Collection[str], id: str, made: Made) -> Item | None:
    """The item that a path brought before it brought the item of that `id`: the same instance, in other bytes."""
    first = _first(connection, _claimed(pipelines).where(item.c.SOPInstanceUID == made.instance.SOPInstanceUID))
    if first is None or first.digest == made.instance.digest or first.subject_mark != made.subject_mark:
        return None
    brought = select(arrival.c.path_mark).where(arrival.c.item_id == id)
    same = exists().where(arrival.c.item_id == first.id, arrival.c.path_mark.in_(brought))
    return items.of_ids(connection, [first.id])[0] if connection.scalar(select(same)) else None


class _Owners:
    """Who has what, of all that some claims name, among the pipelines of one project."""

    def __init__(self, connection: Connection, rivals: tuple[str, ...], claims: Sequence[Claim]) -> None:
        wanted = [each.made.instance for each in claims if each.rivals == rivals]
        claimed = _claimed(rivals)
        uids = item.c.SOPInstanceUID.in_({each.SOPInstanceUID for each in wanted})
        self._instances: dict[str, _Owner] = {}
        for number, id, digest, mark, uid in connection.execute(claimed.add_columns(item.c.SOPInstanceUID).where(uids)):
            self._instances.setdefault(uid, _Owner(number, id, digest, mark))
        self._subjects: dict[str, _Owner] = {}
        for subject in {each.PatientID for each in wanted}:
            if first := _first(connection, claimed.where(item.c.PatientID == subject)):
                self._subjects[subject] = first

    def enter(self, claim: Claim) -> tuple[State, SetAside | None]:
        """Where the item must go; it owns its names from now on, if that is its right."""
        instance, mark = claim.made.instance, claim.made.subject_mark
        if first := self._instances.get(instance.SOPInstanceUID):
            if first.digest == instance.digest:
                return State.DUPLICATE, None
            return State.QUARANTINED, SetAside(Reason.OTHER_BYTES, f"item {first.name} came first")
        mine = _Owner(claim.found.number, claim.found.id, instance.digest, mark)
        first = self._subjects.get(instance.PatientID, mine)
        if first.subject_mark != mark:
            return State.QUARANTINED, SetAside(Reason.SUBJECT_COLLISION, f"with item {first.name}")
        self._instances[instance.SOPInstanceUID] = mine
        self._subjects[instance.PatientID] = min(first, mine)
        return State.DEIDENTIFIED, None


def _first(connection: Connection, claimed: Select[tuple[int, str, str, str]]) -> _Owner | None:
    row = connection.execute(claimed.limit(1)).first()
    return _Owner._make(row) if row else None


def _claimed(pipelines: Collection[str]) -> Select[tuple[int, str, str, str]]:
    """The items of those pipelines that own their names, the first first."""
    columns = select(item.c.number, item.c.id, item.c.digest, item.c.subject_mark)
    return columns.where(item.c.pipeline.in_(pipelines), item.c.state.in_(CLAIMS)).order_by(item.c.number)
