"""What a decision means for the item: for which reason it holds, what it has made anew, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from cohortium.errors import Refused, Unavailable
from cohortium.keys import SiteKey
from cohortium.prove import audit
from cohortium.prove.provenance import Provenance
from cohortium.spool import Arrival, Came, Decision, Item, Made, Spool, Verdict, Word, choose, items
from cohortium.spool.exporting import export
from cohortium.store import open_store, schema
from cohortium.values import Instance, Reason, SetAside, State

KEY = SiteKey(bytes(range(32)))
PIXELS = SetAside(Reason.PIXELS_NOT_REVIEWED, "ultrasound")
CHECK = SetAside(Reason.CHECK, "geometry.uneven")
RELEASE, REJECT = Decision(Verdict.RELEASE, "ada", "nothing seen"), Decision(Verdict.REJECT, "ada", "of no use")


@pytest.fixture
def spool(tmp_path: Path, place: Path | str) -> Iterator[Spool]:
    with Spool(open_store(place), tmp_path / "spool", KEY) as spool:
        yield spool


@pytest.fixture
def people(spool: Spool) -> Spool:
    """The same spool in the hands of another process, which does not enter it."""
    return Spool(spool.engine, spool.folder, KEY)


def fresh(spool: Spool, item: Item) -> Item:
    with spool.reading() as connection:
        return items.of_ids(connection, [item.id])[0]


def received(spool: Spool, content: bytes = b"bytes") -> Item:
    id = spool.receive(Arrival(Path(f"/in/{content.hex()}"), len(content), 1), Came("in", "ct"), [content])
    with spool.reading() as connection:
        return items.of_ids(connection, [id])[0]


def quarantined(spool: Spool, aside: SetAside = PIXELS, content: bytes = b"bytes") -> Item:
    item = received(spool, content)
    spool.settle(item, State.QUARANTINED, aside, series="2.25.9")
    return fresh(spool, item)


def made(digest: str = "ab") -> Made:
    instance = Instance(digest, 3, "S1", "2.25.2", "2.25.3", "2.25.4", "1.2", "1.2.840.10008.1.2.1", "CT", {})
    return Made("ct", instance, (), "m", Provenance(digest, "id", "basic 1", "p", "Cohortium", "north", "study", "now"))


def held(spool: Spool, aside: SetAside = CHECK) -> Item:
    item = received(spool)
    spool.keep(item, made(), b"out", ["ct"])
    spool.settle(fresh(spool, item), State.HELD, aside)
    return fresh(spool, item)


def audited(spool: Spool) -> list[tuple[str, str, str]]:
    with spool.reading() as connection:
        return [(row.who, row.what, row.object) for row in connection.execute(select(schema.audit))]


def test_a_release_of_what_was_not_made_has_it_made_with_the_reviewers_word(people: Spool, spool: Spool) -> None:
    item = quarantined(spool)
    people.decide([item], Decision(Verdict.RELEASE, "ada", "the name is covered", ((1, 2, 30, 4),)))
    now = fresh(spool, item)
    assert (now.state, now.set_aside, now.series) == (State.RECEIVED, None, "")
    assert spool.words([item]) == {item.id: Word("", "ada", ((1, 2, 30, 4),), PIXELS)}


def test_a_release_of_what_is_held_has_it_checked_again_as_it_is(people: Spool, spool: Spool) -> None:
    item = held(spool)
    people.decide([item], RELEASE)
    assert fresh(spool, item).state is State.DEIDENTIFIED
    assert spool.unchecked() == [("ct", "2.25.3")]
    assert spool.words([item])[item.id] == Word(released=CHECK)
    assert spool.outgoing(item) == b"out"


def test_rectangles_over_what_is_held_have_it_made_anew(people: Spool, spool: Spool) -> None:
    item = held(spool, SetAside(Reason.INSPECTION))
    people.decide([item], Decision(Verdict.RELEASE, "ada", "a name", ((0, 0, 9, 9),)))
    assert fresh(spool, item).state is State.RECEIVED
    assert spool.words([item])[item.id].reviewer == "ada"


def test_a_release_for_one_reason_is_none_for_another(people: Spool, spool: Spool) -> None:
    item = quarantined(spool, SetAside(Reason.MALFORMED, "x"))
    people.decide([item], RELEASE)
    word = spool.words([item])[item.id]
    assert (word.reviewer, word.released) == (None, SetAside(Reason.MALFORMED, "x"))


def test_again_lets_earlier_words_hold_no_longer(people: Spool, spool: Spool) -> None:
    item = quarantined(spool)
    people.decide([item], Decision(Verdict.RELEASE, "ada", "covered", ((1, 1, 1, 1),)))
    spool.settle(fresh(spool, item), State.QUARANTINED, PIXELS)
    people.decide([fresh(spool, item)], Decision(Verdict.AGAIN, "bob", "as the other does", pipeline="other"))
    assert spool.words([item]) == {item.id: Word("other")}
    assert [(each.verdict, each.by, each.why) for each in spool.decisions(item)] == [
        (Verdict.RELEASE, "ada", "covered"),
        (Verdict.AGAIN, "bob", "as the other does"),
    ]


def test_what_is_rejected_is_gone(people: Spool, spool: Spool) -> None:
    item = quarantined(spool)
    people.decide([item], REJECT)
    assert fresh(spool, item).state is State.REJECTED
    assert not (spool.folder / "incoming" / item.id).exists()


def test_why_lies_sealed(people: Spool, spool: Spool) -> None:
    people.decide([quarantined(spool)], Decision(Verdict.REJECT, "ada", "Ottilie asked for it"))
    with spool.reading() as connection:
        (row,) = connection.execute(select(schema.decision)).mappings()
    assert b"Ottilie" not in row["why"]


@pytest.mark.parametrize(
    ("aside", "verdict"),
    [
        (SetAside(Reason.DAMAGED), Verdict.RELEASE),
        (SetAside(Reason.DAMAGED), Verdict.AGAIN),
        (SetAside(Reason.PROTOCOL), Verdict.RELEASE),
    ],
)
def test_what_cannot_be_decided_changes_nothing(people: Spool, spool: Spool, aside: SetAside, verdict: Verdict) -> None:
    item = quarantined(spool, aside)
    decision = Decision(verdict, "ada", "please")
    assert people.objection(item, decision)
    assert people.decide([item], decision) == 0
    assert fresh(spool, item) == item
    assert spool.decisions(item) == []


def test_a_confirmation_of_what_was_made_anew_meanwhile_does_not_count(people: Spool, spool: Spool) -> None:
    item = received(spool)
    spool.keep(item, made(), b"out", ["ct"])
    spool.address(fresh(spool, item), ["archive", "share"])
    sent = fresh(spool, item)
    spool.give_up(sent, "share", SetAside(Reason.REFUSED, "no"))
    people.decide([fresh(spool, item)], Decision(Verdict.AGAIN, "ada", "mended"))
    spool.keep(fresh(spool, item), made("cd"), b"anew", ["ct"])
    spool.address(fresh(spool, item), ["archive"])
    spool.confirm(sent, "archive", "ab")
    assert fresh(spool, item).state is State.OUTBOX


def test_nobody_decided_in_time(spool: Spool) -> None:
    item = quarantined(spool)
    spool.expire(item)
    now = fresh(spool, item)
    assert (now.state, now.set_aside) == (State.REJECTED, SetAside(Reason.EXPIRED))
    assert not (spool.folder / "incoming" / item.id).exists()
    assert audited(spool) == [("gateway", "expire item", item.id)]


def test_items_are_chosen_by_name_series_and_reason(spool: Spool) -> None:
    first, second = quarantined(spool), quarantined(spool, SetAside(Reason.TRUNCATED), b"other")
    with spool.reading() as connection:
        assert choose(connection, [first.name]) == [first]
        assert choose(connection, series="2.25.9") == [first, second]
        assert choose(connection, series="2.25.9", reason="truncated") == [second]
        assert choose(connection, reason="truncated", pipeline="another") == []
        for name in ("abcdef123456", first.id[:3]):
            with pytest.raises(Refused):
                choose(connection, [name])


def test_a_copy_is_as_it_came_for_its_owner_alone_and_on_record(people: Spool, spool: Spool, tmp_path: Path) -> None:
    item = quarantined(spool)
    path = export(people, item, tmp_path / "copies", "ada", None)
    assert path.read_bytes() == b"bytes"
    assert path.stat().st_mode & 0o077 == 0
    assert audited(spool) == [("ada", "export item in the clear", f"item {item.name}")]
    with pytest.raises(Refused):
        export(people, item, tmp_path / "copies", "ada", None)


def test_a_release_of_a_face_says_who_saw_none_and_nothing_of_text_in_the_picture(people: Spool, spool: Spool) -> None:
    item = quarantined(spool, SetAside(Reason.FACE, "only a whole series can be judged"))
    people.decide([item], RELEASE)
    word = spool.words([item])[item.id]
    assert (word.faceless, word.reviewer) == ("ada", None)
    spool.settle(fresh(spool, item), State.QUARANTINED, PIXELS)
    people.decide([fresh(spool, item)], RELEASE)
    assert spool.words([item])[item.id].faceless == "ada"


def test_the_audit_has_a_row_for_each_that_was_decided_and_none_without_the_decision(
    people: Spool, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = quarantined(spool), quarantined(spool, PIXELS, b"other")
    people.decide([second], REJECT)
    assert people.decide([first, second], RELEASE) == 1
    said = [("ada", "reject quarantined", f"item {second.name}"), ("ada", "release quarantined", f"item {first.name}")]
    assert audited(spool) == said
    third = quarantined(spool, PIXELS, b"third")

    def full(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(audit, "record_all", full)
    with pytest.raises(Unavailable):
        people.decide([third], REJECT)
    assert fresh(spool, third) == third
    assert spool.decisions(third) == []
