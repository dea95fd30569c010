"""What people decide while a gateway is at work: who comes first is right; nobody overrides what they did not see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cohortium.keys import SiteKey
from cohortium.prove.provenance import Provenance
from cohortium.spool import Arrival, Came, Decision, Item, Made, Spool, Verdict, asides, items
from cohortium.store import open_store
from cohortium.values import Instance, Reason, SetAside, State

KEY = SiteKey(bytes(range(32)))
HELD = SetAside(Reason.INSPECTION)
UNREVIEWED = SetAside(Reason.PIXELS_NOT_REVIEWED, "no rule")


@dataclass(frozen=True)
class Two:
    """The gateway's spool, and that of a process beside it, which holds no lock."""

    gateway: Spool
    portal: Spool

    def item(self, content: bytes, state: State, aside: SetAside | None = None) -> Item:
        id = self.gateway.receive(Arrival(Path(f"/{content!r}"), len(content), 1), Came("in", "ct"), [content])
        if state is State.QUARANTINED:
            self.gateway.settle(self.read(id), state, aside)
        elif state is State.HELD:
            uid = f"2.25.{content[0]}"
            instance = Instance(f"{content[0]:064x}", 3, "S1", "2.25.2", "2.25.3", uid, "1.2", "1.2", "CT", {})
            origin = Provenance(instance.digest, "id", "basic 1", "p", "Cohortium", "north", "study", "now")
            self.gateway.keep(self.read(id), Made("ct", instance, (), "m", origin), b"out", ["ct"])
            self.gateway.settle(self.read(id), state, aside)
        return self.read(id)

    def read(self, id: str) -> Item:
        with self.portal.reading() as connection:
            return items.of_ids(connection, [id])[0]


@pytest.fixture
def two(tmp_path: Path, place: Path | str) -> Iterator[Two]:
    with Spool(open_store(place), tmp_path / "spool", KEY) as gateway:
        yield Two(gateway, Spool(open_store(place), tmp_path / "spool", KEY))


def test_a_release_makes_it_anew_and_says_who_and_why(two: Two) -> None:
    item = two.item(b"1", State.QUARANTINED, UNREVIEWED)
    assert two.portal.decide([item], Decision(Verdict.RELEASE, "ada", "looked", ((1, 2, 3, 4),))) == 1
    again = two.read(item.id)
    assert (again.state, again.set_aside) == (State.RECEIVED, None)
    decided = two.gateway.decided(again)
    assert decided
    assert (decided.by, decided.why, decided.areas) == ("ada", "looked", ((1, 2, 3, 4),))
    assert two.gateway.incoming(again) == b"1"


def test_a_rejection_leaves_no_bytes(two: Two) -> None:
    item = two.item(b"1", State.HELD, HELD)
    assert two.portal.decide([item], Decision(Verdict.REJECT, "ada", "no")) == 1
    assert two.read(item.id).state is State.REJECTED
    assert [path for path in two.gateway.folder.rglob("*") if path.is_file() and path.name != ".lock"] == []


def test_who_decides_second_decides_nothing(two: Two) -> None:
    item = two.item(b"1", State.QUARANTINED, UNREVIEWED)
    assert two.portal.decide([item], Decision(Verdict.REJECT, "ada", "no")) == 1
    assert two.gateway.decide([item], Decision(Verdict.RELEASE, "bob", "yes")) == 0
    assert two.read(item.id).state is State.REJECTED
    decided = two.gateway.decided(item)
    assert decided is not None
    assert decided.by == "ada"


def test_what_the_gateway_saw_before_a_decision_changes_nothing_after_it(two: Two) -> None:
    seen = two.item(b"1", State.HELD, HELD)
    two.portal.decide([seen], Decision(Verdict.REJECT, "ada", "no"))
    two.gateway.address(seen, ["archive"])
    two.gateway.settle(seen, State.WITHDRAWN)
    assert two.read(seen.id).state is State.REJECTED
    assert two.gateway.due("archive", 9) == []


def test_what_went_on_meanwhile_is_not_decided(two: Two) -> None:
    seen = two.item(b"1", State.HELD, HELD)
    two.gateway.address(seen, ["archive"])
    assert two.portal.decide([seen], Decision(Verdict.REJECT, "ada", "no")) == 0
    assert two.read(seen.id).state is State.OUTBOX
    assert two.gateway.outgoing(seen) == b"out"


def test_what_has_no_bytes_can_only_be_rejected(two: Two) -> None:
    id = two.gateway.refuse(Arrival(Path("/1"), 9, 1), Came("in", "ct"), State.QUARANTINED, SetAside(Reason.TOO_LARGE))
    assert two.portal.decide([two.read(id)], Decision(Verdict.AGAIN, "ada", "now")) == 0
    assert two.portal.decide([two.read(id)], Decision(Verdict.REJECT, "ada", "no")) == 1


def test_heaps_count_by_reason_and_lead_through_their_items(two: Two) -> None:
    first, second = (two.item(each, State.QUARANTINED, UNREVIEWED) for each in (b"1", b"2"))
    two.item(b"3", State.HELD, HELD)
    with two.portal.reading() as connection:
        found = asides.heaps(connection)
        assert [(each.state, each.reason, each.count) for each in found] == [
            (State.QUARANTINED, Reason.PIXELS_NOT_REVIEWED, 2),
            (State.HELD, Reason.INSPECTION, 1),
        ]
        assert asides.heap(connection, Reason.PIXELS_NOT_REVIEWED) == [first, second]
        assert asides.heap(connection, Reason.PIXELS_NOT_REVIEWED, after=first.number) == [second]
        assert asides.next_after(connection, Reason.PIXELS_NOT_REVIEWED, first.number) == second
        assert asides.next_after(connection, Reason.PIXELS_NOT_REVIEWED, second.number) is None
        assert asides.next_after(connection, Reason.PIXELS_NOT_REVIEWED, second.number, back=True) == first
        assert asides.named(connection, first.name) == first
        assert asides.named(connection, "%") is None


def test_every_reason_is_explained() -> None:
    assert set(asides.explanations()) == set(Reason)
    assert all(each.means and each.do for each in asides.explanations().values())
