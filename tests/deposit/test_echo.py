"""An echo to a peer that answers, to one that wants another title, and to nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pynetdicom import AE

from cohortium.config import Scp
from cohortium.deposit.echo import VERIFICATION, echo
from cohortium.errors import Unavailable
from waiting import free_port


@pytest.fixture
def peer() -> Iterator[Scp]:
    ae = AE(ae_title="ARCHIVE")
    ae.add_supported_context(VERIFICATION)
    ae.require_called_aet = True
    server = ae.start_server(("127.0.0.1", 0), block=False)
    assert server is not None
    yield Scp("pacs", "ARCHIVE", "127.0.0.1", int(server.server_address[1]))
    server.shutdown()


def test_a_peer_that_answers(peer: Scp, tmp_path: Path) -> None:
    echo(peer, tmp_path)


def test_a_peer_of_another_title_says_what_to_look_at(peer: Scp, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="AE titles"):
        echo(Scp("pacs", "OTHER", peer.host, peer.port), tmp_path)


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        echo(Scp("pacs", "ARCHIVE", "127.0.0.1", free_port()), tmp_path)
