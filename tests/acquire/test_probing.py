"""A way in is asked whether it is there: where it listens, where nobody does, and where something else does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cohortium.acquire import probing
from cohortium.acquire.intake import Intake
from cohortium.acquire.receiver import Receiver as Listening
from cohortium.config import Drop, Receiver, Upload, Watched
from cohortium.errors import CohortiumError, Unavailable
from cohortium.keys import SiteKey
from cohortium.spool import Came, Spool
from cohortium.store import open_store
from waiting import free_port


@pytest.fixture
def intake(tmp_path: Path) -> Iterator[Intake]:
    with Spool(open_store(tmp_path), tmp_path / "spool", SiteKey(bytes(32))) as spool:
        yield Intake(spool, Came("pacs", "all"), 1 << 20, 0)


def test_a_receiver_listens_or_does_not_and_takes_nothing_in(intake: Intake, tmp_path: Path) -> None:
    way = Receiver("pacs", "GATE", "0.0.0.0", free_port(), ("PACS@127.0.0.1",))
    with pytest.raises(Unavailable, match="does not answer"):
        probing.receiver(way)
    with Listening(way, intake, tmp_path):
        probing.receiver(way)
    assert intake.spool.list_accepted() == 0


def test_what_listens_and_speaks_no_ssh_is_no_drop() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.listen()
        way = Drop("ward", "127.0.0.1", other.getsockname()[1], "")
        with pytest.raises(Unavailable):
            probing.drop(Drop("ward", "127.0.0.1", free_port(), ""))

        def hang_up() -> None:
            connection, _ = other.accept()
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(Unavailable, match="does not speak SSH"):
            probing.drop(way)
        thread.join()


def test_a_folder_and_a_token_that_are_not_there(tmp_path: Path) -> None:
    probing.watched(Watched("ward", tmp_path))
    with pytest.raises(Unavailable, match="cannot be read"):
        probing.watched(Watched("ward", tmp_path / "away"))
    with pytest.raises(CohortiumError):
        probing.upload(Upload("ward", "ward.token"), tmp_path)
    (tmp_path / "ward.token").write_text("t" * 32)
    (tmp_path / "ward.token").chmod(0o600)
    probing.upload(Upload("ward", "ward.token"), tmp_path)
