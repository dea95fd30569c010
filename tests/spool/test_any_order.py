"""Whatever happens in whatever order, killed between: bytes lie as the state says, and nothing is lost."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select

import databases
from cohortium.keys import SiteKey
from cohortium.prove.provenance import Provenance
from cohortium.spool import Arrival, Came, Decision, Item, Made, Spool, Verdict, items
from cohortium.spool.states import KEEPS, TRANSITIONS
from cohortium.store import open_store
from cohortium.store.schema import item
from cohortium.values import Instance, Reason, SetAside, State

KEY = SiteKey(bytes(range(32)))
CONTENTS = st.sampled_from([b"1", b"2", b"3"])


class Site(RuleBasedStateMachine):
    """A gateway, people beside it, and a power cut now and then; `seen` are items as somebody read them a while ago."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        databases.put_sqlite(Path(self.folder.name))
        self.spool = self.opened().__enter__()
        self.came: set[bytes] = set()
        self.seen: dict[str, Item] = {}
        self.before: dict[str, State] = {}

    def opened(self) -> Spool:
        return Spool(open_store(Path(self.folder.name)), Path(self.folder.name) / "spool", KEY)

    def teardown(self) -> None:
        self.spool.__exit__(None, None, None)
        self.spool.engine.dispose()
        self.folder.cleanup()

    def all(self) -> list[Item]:
        with self.spool.reading() as connection:
            return items.of_ids(connection, connection.scalars(select(item.c.id)).all())

    @initialize()
    def look(self) -> None:
        self.seen = {each.id: each for each in self.all()}

    @rule(content=CONTENTS)
    def receive(self, content: bytes) -> None:
        self.spool.accept(Arrival(Path(f"/{content!r}"), 1, 0), Came("in", "ct"), [content])
        self.came.add(content)

    @rule()
    def list_accepted(self) -> None:
        self.spool.list_accepted()

    @rule(fails=st.booleans())
    def make(self, fails: bool) -> None:
        for each in self.seen.values():
            if each.state is State.RECEIVED:
                digest = each.id
                instance = Instance(digest, 1, "S", "2.25.2", "2.25.3", digest[:60], "1.2", "1.2", "CT", {})
                origin = Provenance(digest, "id", "basic 1", "p", "Cohortium", "north", "study", "now")
                if fails:
                    self.spool.settle(each, State.QUARANTINED, SetAside(Reason.PIXELS_NOT_REVIEWED))
                else:
                    self.spool.keep(each, Made("ct", instance, (), "m", origin), b"out", ["ct"])

    @rule(holds=st.booleans())
    def check(self, holds: bool) -> None:
        for each in self.seen.values():
            if each.state in (State.DEIDENTIFIED, State.HELD):
                if holds:
                    self.spool.settle(each, State.HELD, SetAside(Reason.CHECK))
                else:
                    self.spool.address(each, ["archive"])

    @rule(takes=st.booleans())
    def deliver(self, takes: bool) -> None:
        for each in self.spool.due("archive", 9):
            if takes:
                self.spool.confirm(each, "archive", "there")
            else:
                self.spool.give_up(each, "archive", SetAside(Reason.REFUSED))

    @rule(verdict=st.sampled_from(Verdict), areas=st.sampled_from([(), ((0, 0, 1, 1),)]))
    def decide(self, verdict: Verdict, areas: tuple[tuple[int, int, int, int], ...]) -> None:
        self.opened().decide(list(self.seen.values()), Decision(verdict, "ada", "so", areas))

    @rule()
    def expire(self) -> None:
        for each in self.seen.values():
            if each.state in (State.HELD, State.QUARANTINED):
                self.spool.expire(each)

    @rule()
    def kill(self) -> None:
        """What is only in memory is gone; what holds the lock goes with the process."""
        self.spool.__exit__(None, None, None)
        self.spool.engine.dispose()
        self.spool = self.opened().__enter__()

    @rule()
    def read(self) -> None:
        self.look()

    @invariant()
    def holds(self) -> None:
        now = {each.id: each.state for each in self.all()}
        for id, old in self.before.items():
            assert id in now, "an item is gone"
            assert TRANSITIONS[old] or now[id] is old, "what was over went on"
        self.before = now
        for id, state in now.items():
            for kind in KEEPS[state]:
                assert (self.spool.folder / kind / id).exists()

    @rule()
    def nothing_is_lost(self) -> None:
        self.spool.list_accepted()
        assert len(self.all()) == len(self.came)


TestSite = Site.TestCase
TestSite.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
