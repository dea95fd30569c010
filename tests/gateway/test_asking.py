"""Asking PACS that behave as no standard says, in this process: each is an AE whose answers the test writes."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from certificates import Certificates
from cohortium.acquire.intake import Intake
from cohortium.acquire.pacs import FIND, MOVE, Pacs
from cohortium.config import Pacs as Settings
from cohortium.errors import Unavailable
from cohortium.gateway.asking import Accounts, Asking
from cohortium.gateway.quiet import Quiet
from cohortium.keys import SiteKey
from cohortium.spool import Came, Spool
from cohortium.spool.requests import Requests
from cohortium.spool.wanted import Standing, Study
from cohortium.store import open_store, schema
from cohortium.values import State
from hospital import slice_of
from waiting import PATIENCE, free_port

KEY = SiteKey(bytes(range(32)))
Moves = Callable[["Odd", Any], Iterator[tuple[int, None]]]


@dataclass
class Odd:
    """A PACS of one study of four images; `send` stands for its C-STORE to the receiver."""

    spool: Spool
    move: Moves
    port: int = field(default_factory=free_port)
    moves: int = 0
    asked: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)
    other: bool = False  # answer whatever is asked with all it has
    told: int = 4

    def send(self, *images: int) -> None:
        intake = Intake(self.spool, Came("scanners", "ct"), 1 << 20, 0)
        for image in images:
            intake.take(f"1.2.9.{image}", [slice_of(image)])
        self.spool.list_accepted()

    def find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        asked: Dataset = event.identifier
        level = asked.QueryRetrieveLevel
        for number in range(1, 5 if level == "IMAGE" else 2):
            answer = Dataset()
            answer.QueryRetrieveLevel, answer.StudyInstanceUID, answer.SeriesInstanceUID = level, "1.2", "1.2.1"
            answer.AccessionNumber = "OTHER" if self.other else "A1"
            answer.NumberOfStudyRelatedInstances = answer.NumberOfSeriesRelatedInstances = self.told
            answer.SOPInstanceUID = f"1.2.9.{number}"
            yield 0xFF00, answer


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(open_store(tmp_path), tmp_path / "spool", KEY) as spool:
        yield spool


class Bench:
    """Asking, with the clock and the wish to stop in the test's hands."""

    def __init__(self, spool: Spool, odd: Odd, **more: Any) -> None:
        self.settings = Settings(
            name="pacs", ae_title="ODD", host="127.0.0.1", port=odd.port, receiver="scanners", **more
        )
        self.requests = Requests(spool.engine, KEY)
        self.quiet = Quiet(600, spool.arrived_of)
        accounts = Accounts(self.requests, spool, {"pacs": "scanners"}, timedelta(), self.quiet.tell)
        self.halt = threading.Event()
        self.accounts = accounts
        self.moment = datetime(2024, 3, 1, 12)
        intake = Intake(spool, Came("scanners", "ct"), 1 << 20, 0)
        pacs = Pacs(self.settings, "COHORTIUM", intake, self.halt.is_set, spool.folder)
        self.asking = Asking(
            self.settings, pacs, intake, self.requests, accounts, self.halt.is_set, lambda: self.moment
        )
        self.id = self.requests.ask("pacs", [{"AccessionNumber": "A1"}], "otto")

    def trouble(self) -> dict[str, int]:
        return dict(self.requests.asked()[0].trouble)

    def stages(self) -> dict[str, int]:
        return dict(self.requests.asked()[0].stages)


def served(odd: Odd, secured: ssl.SSLContext | None = None) -> Any:
    """The PACS as a server; its answers to C-MOVE are written by hand, for pynetdicom's own are always right."""
    ae = AE(ae_title="ODD")
    ae.add_supported_context(FIND)
    ae.add_supported_context(MOVE)
    ae.network_timeout = ae.dimse_timeout = 60

    def received(event: evt.Event) -> None:
        message = type(event.message).__name__
        if message == "C_CANCEL_RQ":
            odd.cancelled.set()

    handlers = [
        (evt.EVT_C_FIND, odd.find),
        (evt.EVT_C_MOVE, lambda event: odd.move(odd, event)),
        (evt.EVT_DIMSE_RECV, received),
    ]
    return ae.start_server(("127.0.0.1", odd.port), block=False, evt_handlers=handlers, ssl_context=secured)  # type: ignore[arg-type]


@pytest.fixture
def bench(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Bench, Odd]]]:
    servers = []

    def make(
        move: Moves, other: bool = False, told: int = 4, secured: ssl.SSLContext | None = None, **more: Any
    ) -> tuple[Bench, Odd]:
        monkeypatch.setattr("cohortium.gateway.asking.SETTLING", PATIENCE if move is late else 1.0)
        odd = Odd(spool, move, other=other, told=told)
        servers.append(served(odd, secured))
        return Bench(spool, odd, **more), odd

    yield make
    for server in servers:
        server.shutdown()


def nowhere(odd: Odd, event: Any) -> Iterator[Any]:
    odd.moves += 1
    yield None, None  # A801: destination unknown


def late(odd: Odd, event: Any) -> Iterator[Any]:
    """Says that all is sent, and sends it twice, by itself, some time after."""
    odd.moves += 1
    threading.Timer(0.5, lambda: odd.send(1, 2, 3, 4, 1, 2)).start()
    yield "127.0.0.1", odd.port
    yield 0


def half(odd: Odd, event: Any) -> Iterator[Any]:
    odd.moves += 1
    odd.send(*((1, 2) if odd.moves == 1 else (3, 4)))
    yield "127.0.0.1", odd.port
    yield 0


def gone(odd: Odd, event: Any) -> Iterator[Any]:
    odd.moves += 1
    odd.send(1)
    event.assoc.abort()
    yield "127.0.0.1", odd.port
    yield 0


def silent(odd: Odd, event: Any) -> Iterator[Any]:
    odd.moves += 1
    odd.asked.set()
    odd.cancelled.wait(PATIENCE)
    yield "127.0.0.1", odd.port
    yield 0


def test_what_comes_late_and_twice_is_counted_once_and_not_asked_for_again(bench: Any, spool: Spool) -> None:
    asking, odd = bench(late)
    assert asking.asking.step() == 0.0  # the query
    assert asking.asking.step() == 0.0  # the study
    assert (asking.stages(), odd.moves) == ({"arrived": 1}, 1)
    assert spool.count(State.RECEIVED) == 4
    assert asking.requests.asked()[0].standing is Standing.DONE


def test_half_of_it_is_told_in_words_and_the_rest_asked_for_later(bench: Any) -> None:
    asking, odd = bench(half, told=7)
    asking.asking.step()
    asking.asking.step()
    assert asking.stages() == {"waiting": 1}
    asking.accounts.step()
    assert asking.requests.asked()[0].counts.arrived == 2
    with asking.requests._engine.begin() as connection:
        connection.execute(schema.requested.update().values(due="", looked=""))
    asking.asking.step()
    asking.accounts.step()
    assert odd.moves == 2
    assert list(asking.trouble()) == ["the PACS tells 7 images for the study, and names 4"]


def whole_or_nothing(odd: Odd, event: Any) -> Iterator[Any]:
    """Has lost image 2, and so sends nothing of its series, as Orthanc does."""
    odd.moves += 1
    asked = event.identifier.get("SOPInstanceUID")
    if asked and not asked.endswith(".2"):
        odd.send(int(asked.rpartition(".")[2]))
    yield "127.0.0.1", odd.port
    yield 0


def test_after_some_tries_images_are_asked_for_one_by_one_and_only_those_that_are_missing(bench: Any) -> None:
    asking, odd = bench(whole_or_nothing)
    asking.asking.step()
    for moves in (1, 2, 2 + 4, 6 + 1):
        asking.asking.step()
        asking.accounts.step()
        assert odd.moves == moves
        with asking.requests._engine.begin() as connection:
            connection.execute(schema.requested.update().values(due="", looked=""))
    asking.accounts.step()
    assert asking.requests.asked()[0].counts.arrived == 3


def test_a_receiver_that_it_does_not_know_stops_the_source_and_costs_no_try(bench: Any) -> None:
    asking, odd = bench(nowhere)
    asking.asking.step()
    for _ in range(3):
        with pytest.raises(Unavailable, match="AE title of the receiver"):
            asking.asking.step()
    assert odd.moves == 1, "it is left in peace for a while"
    assert asking.requests.next_study("pacs").tries == 0


def test_one_that_vanishes_in_mid_move_is_asked_for_the_rest_later(bench: Any) -> None:
    asking, _ = bench(gone)
    asking.asking.step()
    asking.asking.step()
    assert asking.stages() == {"waiting": 1}
    assert asking.trouble() == {"the PACS broke off": 1}


def test_one_that_says_nothing_is_broken_off(bench: Any) -> None:
    asking, _ = bench(silent, patience_seconds=1)
    asking.asking.step()
    asking.asking.step()
    assert asking.trouble() == {"the PACS was silent for too long": 1}


@pytest.mark.parametrize("how", ["stop", "cancel"])
def test_a_transfer_is_cancelled_at_stop_and_by_a_person(bench: Any, how: str) -> None:
    asking, odd = bench(silent)
    asking.asking.step()
    wish = asking.halt.set if how == "stop" else lambda: asking.requests.change(asking.id, Standing.CANCELLED, "otto")
    threading.Thread(target=lambda: odd.asked.wait(PATIENCE) and wish()).start()
    asking.asking.step()
    assert odd.cancelled.is_set(), "C-CANCEL came"
    assert asking.stages() == ({"waiting": 1} if how == "stop" else {"incomplete": 1})


def test_a_pacs_that_ignores_the_key_sends_nothing(bench: Any) -> None:
    asking, odd = bench(late, other=True)
    asking.asking.step()
    asking.asking.step()
    assert odd.moves == 0
    (words,) = asking.trouble()
    assert "do not show what was asked for" in words


def test_no_more_studies_an_hour_than_the_configuration_says(bench: Any) -> None:
    asking, odd = bench(late, studies_hour=1)
    asking.asking.step()
    asking.asking.step()
    asking.requests.ask("pacs", [{"AccessionNumber": "A1"}], "otto")
    assert asking.asking.step() == 0.0
    asking.asking.step()
    assert odd.moves == 1
    assert asking.requests.asked()[0].stages == {"arrived": 1}, "what is there is not asked for, and needs no quota"


def test_nothing_is_asked_out_of_hours(bench: Any) -> None:
    asking, _ = bench(late, hours="19-6")
    assert asking.asking.step() > 0
    assert asking.stages() == {}
    asking.moment = datetime(2024, 3, 1, 23)
    assert asking.asking.step() == 0.0


def test_a_request_has_hours_and_a_quota_of_its_own_and_others_go_on(bench: Any) -> None:
    asking, odd = bench(late)
    asking.requests.change(asking.id, Standing.CANCELLED, "otto")
    slow = asking.requests.ask("pacs", [{"AccessionNumber": "A1"}], "otto", hours="19-6")
    assert asking.asking.step() > 0, "not in its hours"
    other = asking.requests.ask("pacs", [{"AccessionNumber": "A1"}], "otto", studies_hour=1)
    asking.asking.step()
    asking.asking.step()
    found = {each.id: each for each in asking.requests.asked()}
    assert (found[other].standing, found[slow].standing) == (Standing.DONE, Standing.OPEN)
    assert (found[slow].stages, odd.moves) == ({}, 1)


def test_the_quota_of_a_request_is_kept(bench: Any) -> None:
    asking, _ = bench(late)
    id = asking.requests.ask("pacs", [{"AccessionNumber": "A1"}], "otto", studies_hour=1)
    asking.requests.change(asking.id, Standing.CANCELLED, "otto")
    asking.requests.answered(id, 0, [Study(0, "1.2"), Study(0, "1.3")], "")
    asking.asking.step()
    assert asking.asking.step() > 0
    assert asking.stages() == {"arrived": 1, "waiting": 1}


def test_a_pacs_is_asked_over_tls_with_certificates_of_both_or_not_at_all(bench: Any, tmp_path: Path) -> None:
    ours, theirs = Certificates(tmp_path / "ours"), Certificates(tmp_path / "theirs")
    shown = {"certificate": str(ours.certificate), "certificate_key": str(ours.key)}
    asking, _ = bench(late, secured=ours.server(asks=True), authority=str(ours.authority), **shown)
    assert asking.asking.step() == 0.0
    assert asking.stages() == {"waiting": 1}
    asking, _ = bench(late, secured=theirs.server(), authority=str(ours.authority), **shown)
    with pytest.raises(Unavailable, match="secure connection"):
        asking.asking.step()
