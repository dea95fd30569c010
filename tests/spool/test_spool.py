from __future__ import annotations

import hmac
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from cohortium import sealed
from cohortium.errors import Corrupt
from cohortium.keys import SiteKey
from cohortium.prove.provenance import Provenance
from cohortium.spool import Arrival, Came, Item, Made, Spool, items, summarise
from cohortium.store import open_store, schema
from cohortium.values import Instance, Reason, SetAside, State

KEY = SiteKey(bytes(range(32)))
FOUND = Arrival(Path("/in/Müller.dcm"), 5, 17)


@pytest.fixture
def spool(tmp_path: Path, place: Path | str) -> Iterator[Spool]:
    with Spool(open_store(place), tmp_path / "spool", KEY) as spool:
        yield spool


def files(spool: Spool) -> set[str]:
    return {str(path.relative_to(spool.folder)) for path in spool.folder.rglob("*") if path.is_file()} - {".lock"}


def received(spool: Spool, content: bytes = b"bytes", path: str = "/in/1.dcm") -> Item:
    id = spool.receive(Arrival(Path(path), len(content), 17), Came("in", "ct"), [content])
    return next(item for batch in spool.waiting(State.RECEIVED) for item in batch if item.id == id)


def made(digest: str, uid: str = "2.25.4", PatientID: str = "S1", mark: str = "m") -> Made:
    instance = Instance(digest, 3, PatientID, "2.25.2", "2.25.3", uid, "1.2", "1.2.840.10008.1.2.1", "CT", {"Rows": 4})
    origin = Provenance(digest, "id", "basic 1", "p", "Cohortium", "north", "study", "now")
    return Made("ct", instance, (), mark, origin)


def state_of(spool: Spool, item: Item) -> str:
    with spool.reading() as connection:
        return str(connection.scalar(select(schema.item.c.state).where(schema.item.c.id == item.id)))


def as_it_is(spool: Spool, item: Item) -> Item:
    with spool.reading() as connection:
        return items.of_ids(connection, [item.id])[0]


def test_an_item_is_named_by_its_bytes_under_the_sites_key(spool: Spool) -> None:
    assert received(spool).id == hmac.digest(KEY.derive("spool items"), b"bytes", "sha256").hex()


def test_bytes_come_back_and_lie_sealed(spool: Spool, tmp_path: Path) -> None:
    item = received(spool, b"Ottilie " * 200_000)
    assert spool.incoming(item) == b"Ottilie " * 200_000
    assert files(spool) == {f"incoming/{item.id}"}
    assert b"Ottilie" not in (tmp_path / "spool/incoming" / item.id).read_bytes()


def test_a_path_is_stored_sealed(spool: Spool) -> None:
    spool.receive(FOUND, Came("in", "ct"), [b"bytes"])
    with spool.reading() as connection:
        (row,) = connection.execute(select(schema.arrival)).mappings()
    assert "Müller".encode() not in row["path"]
    part = spool.folder / "sealed-path"
    part.write_bytes(row["path"])
    assert sealed.read(part, KEY.derive("spool files")).decode() == "/in/Müller.dcm"


def test_a_known_file_is_one_of_the_same_path_size_and_time(spool: Spool) -> None:
    spool.receive(FOUND, Came("in", "ct"), [b"bytes"])
    assert spool.known([FOUND])
    for other in (replace(FOUND, path=Path("/in/2")), replace(FOUND, size=6), replace(FOUND, changed=18)):
        assert not spool.known([other])


def test_what_the_source_raises_passes_through_and_nothing_remains(spool: Spool) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise EOFError

    with pytest.raises(EOFError):
        spool.receive(FOUND, Came("in", "ct"), broken())
    assert files(spool) == set()
    assert not spool.known([FOUND])


def test_a_missing_file_is_corrupt_and_names_the_item(spool: Spool) -> None:
    item = received(spool)
    (spool.folder / "incoming" / item.id).unlink()
    with pytest.raises(Corrupt, match=item.name):
        spool.incoming(item)


@pytest.mark.parametrize("kind", ["incoming", "outgoing"])
def test_opening_removes_what_nobody_needs_and_keeps_the_rest(tmp_path: Path, place: Path | str, kind: str) -> None:
    engine = open_store(place)
    with Spool(engine, tmp_path / "spool", KEY) as spool:
        item = received(spool)
        for name in ("ab" * 32, "half.part", f".{'cd' * 32}.1.part"):
            (spool.folder / kind / name).write_bytes(b"x")
    with Spool(engine, tmp_path / "spool", KEY) as spool:
        damaged = {f"incoming/{'ab' * 32}"} if kind == "incoming" else set()
        assert files(spool) == {f"incoming/{item.id}"} | damaged
        with spool.reading() as connection:
            aside = summarise(connection, 0.0, (0, 0)).set_aside
        assert [each.reason for each in aside] == [Reason.DAMAGED] * len(damaged)


def test_from_arrival_to_deposit_the_files_follow_the_state(spool: Spool) -> None:
    item = received(spool)
    incoming, outgoing = f"incoming/{item.id}", f"outgoing/{item.id}"
    spool.keep(item, made("ab"), b"out", ["ct"])
    assert state_of(spool, item) == State.DEIDENTIFIED
    assert files(spool) == {incoming, outgoing}
    assert spool.unchecked() == [("ct", "2.25.3")]
    spool.settle(as_it_is(spool, item), State.HELD, SetAside(Reason.CHECK, "geometry.uneven"))
    spool.settle(as_it_is(spool, item), State.OUTBOX)
    assert spool.outgoing(item) == b"out"
    spool.settle(as_it_is(spool, item), State.SENT)
    assert files(spool) == set()
    assert [each.instance for each in spool.series(["ct"], "2.25.3")] == [made("ab").instance]


def test_a_step_that_the_table_does_not_allow_is_corrupt(spool: Spool) -> None:
    with pytest.raises(Corrupt):
        spool.settle(received(spool), State.SENT)


def test_the_same_output_twice_is_a_duplicate(spool: Spool) -> None:
    first, second = received(spool, b"1", "/1"), received(spool, b"2", "/2")
    spool.keep(first, made("ab"), b"out", ["ct"])
    spool.keep(second, made("ab"), b"out", ["ct"])
    assert state_of(spool, second) == State.DUPLICATE
    assert files(spool) == {f"incoming/{first.id}", f"outgoing/{first.id}"}


@pytest.mark.parametrize(
    ("rival", "reason"),
    [
        (made("cd"), Reason.OTHER_BYTES),
        (made("cd", uid="2.25.5", mark="of somebody else"), Reason.SUBJECT_COLLISION),
    ],
)
def test_who_came_first_keeps_what_two_claim(spool: Spool, rival: Made, reason: Reason) -> None:
    first, second = received(spool, b"1", "/1"), received(spool, b"2", "/2")
    spool.keep(first, made("ab"), b"out", ["ct"])
    spool.keep(second, rival, b"other", ["ct"])
    assert state_of(spool, second) == State.QUARANTINED
    with spool.reading() as connection:
        (aside,) = summarise(connection, 0.0, (0, 0)).set_aside
    assert (aside.item, aside.reason) == (second.name, reason)
    assert first.name in aside.detail
    assert f"outgoing/{second.id}" not in files(spool)


def test_pipelines_into_other_projects_are_no_rivals(spool: Spool) -> None:
    first, second = received(spool, b"1", "/1"), received(spool, b"2", "/2")
    spool.keep(first, made("ab"), b"out", ["ct"])
    spool.keep(second, made("cd"), b"other", ["other"])
    assert state_of(spool, second) == State.DEIDENTIFIED


def test_waiting_items_come_in_order_of_arrival_beyond_a_batch(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cohortium.spool.items.BATCH", 3)
    for number in range(8):
        received(spool, bytes([number]), f"/{number}")
    seen = []
    for batch in spool.waiting(State.RECEIVED):
        seen.append([spool.incoming(item)[0] for item in batch])
        for item in batch[::2]:
            spool.settle(item, State.QUARANTINED, SetAside(Reason.MALFORMED))
    assert seen == [[0, 1, 2], [3, 4, 5], [6, 7]]


def test_changes_made_together_are_seen_when_all_are_made_and_in_their_order(spool: Spool) -> None:
    first, second = received(spool, b"1", "/1"), received(spool, b"2", "/2")
    with spool.together():
        for item in (first, second):
            spool.keep(item, made("ab"), b"out", ["ct"])
        assert [state_of(spool, item) for item in (first, second)] == [State.RECEIVED, State.RECEIVED]
    assert [state_of(spool, item) for item in (first, second)] == [State.DEIDENTIFIED, State.DUPLICATE]
    assert files(spool) == {f"incoming/{first.id}", f"outgoing/{first.id}"}


def test_the_same_bytes_twice_together_are_one_item(spool: Spool) -> None:
    with spool.together():
        for name in ("/1", "/2"):
            spool.receive(Arrival(Path(name), 5, 17), Came("in", "ct"), [b"bytes"])
    with spool.reading() as connection:
        states = summarise(connection, 0.0, (0, 0)).states
    assert (states["received"], states["duplicate"]) == (1, 1)
    assert len(files(spool)) == 1


def test_what_was_done_before_something_went_wrong_together_is_kept(spool: Spool) -> None:
    def fail_after_one() -> None:
        with spool.together():
            spool.receive(FOUND, Came("in", "ct"), [b"bytes"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_after_one()
    assert spool.known([FOUND])
    received(spool, b"2", "/2")  # and what follows is on its own again


def test_a_placeholder_gives_way_to_the_bytes(spool: Spool) -> None:
    spool.refuse(replace(FOUND, size=0), Came("in", "ct"), State.QUARANTINED, SetAside(Reason.EMPTY))
    spool.receive(FOUND, Came("in", "ct"), [b"bytes"])
    with spool.reading() as connection:
        assert summarise(connection, 0.0, (0, 0)).states["received"] == summarise(connection, 0.0, (0, 0)).files == 1


def test_what_could_not_be_read_is_forgotten_when_it_is_tried_afresh(spool: Spool) -> None:
    spool.refuse(FOUND, Came("in", "ct"), State.QUARANTINED, SetAside(Reason.UNREADABLE))
    spool.refuse(replace(FOUND, path=Path("/2")), Came("in", "ct"), State.QUARANTINED, SetAside(Reason.EMPTY))
    spool.forget_unread("another source")
    assert spool.known([FOUND])
    spool.forget_unread("in")
    assert not spool.known([FOUND])
    assert spool.known([replace(FOUND, path=Path("/2"))])


def test_in_is_the_sum_of_what_became_of_it(spool: Spool) -> None:
    first = received(spool, b"1", "/1")
    received(spool, b"1", "/copy")
    spool.keep(first, made("ab"), b"out", ["ct"])
    spool.refuse(FOUND, Came("in", "ct"), State.NOT_DICOM, None)
    with spool.reading() as connection:
        summary = summarise(connection, 1.5, (1, 100))
    assert (summary.files, sum(summary.states.values()), summary.de_identified) == (3, 3, 1)
    assert {state: number for state, number in summary.states.items() if number} == {
        "de-identified": 1,
        "duplicate": 1,
        "not DICOM": 1,
    }
    assert summary.as_dict()["seconds"] == 1.5
    assert (summary.new_files, summary.new_bytes) == (summary.files - 1, summary.bytes - 100)


def test_what_another_process_accepts_is_listed_by_the_one_at_work(spool: Spool) -> None:
    other = Spool(spool.engine, spool.folder, KEY)
    id = other.accept(FOUND, Came("web", "ct"), [b"bytes"])
    assert files(spool) == {f"arriving/{id}"}
    assert spool.list_accepted() == 1
    assert files(spool) == {f"incoming/{id}"}
    ((item,),) = spool.waiting(State.RECEIVED)
    assert (item.id, item.source, item.pipeline) == (id, "web", "ct")
    assert spool.list_accepted() == 0


def test_what_was_accepted_while_nobody_was_at_work_is_listed_by_the_next(tmp_path: Path, place: Path | str) -> None:
    engine = open_store(place)
    id = Spool(engine, tmp_path / "spool", KEY).accept(FOUND, Came("web", "ct"), [b"bytes"])
    half, forgotten = (tmp_path / "spool" / "arriving" / name for name in ("half.part", "forgotten.part"))
    half.touch()
    forgotten.touch()
    os.utime(forgotten, (0, 0))
    with Spool(engine, tmp_path / "spool", KEY) as spool:
        assert files(spool) == {f"incoming/{id}", "arriving/half.part"}  # its process may still be writing
        assert [[item.id for item in batch] for batch in spool.waiting(State.RECEIVED)] == [[id]]


def test_what_still_lies_in_its_folder_is_read_again_in_its_turn(tmp_path: Path, place: Path | str) -> None:
    engine, there = open_store(place), tmp_path / "1.dcm"
    there.write_bytes(b"bytes")
    status = there.stat()
    with Spool(engine, tmp_path / "spool", KEY) as spool:
        spool.accept(Arrival(there, status.st_size, status.st_mtime_ns), Came("in", "ct"), [b"bytes"])
        kept = spool.accept(Arrival(tmp_path / "gone.dcm", 5, 17), Came("in", "ct"), [b"other"])
    with Spool(engine, tmp_path / "spool", KEY) as spool:
        assert files(spool) == {f"incoming/{kept}"}
        assert [item.id for batch in spool.waiting(State.RECEIVED) for item in batch] == [kept]
