"""What systemd hears of a gateway, at a real socket: ready when it listens, alive while its chain works, stopping."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cohortium import keys
from cohortium.gateway.notices import READY, Notices
from cohortium.gateway.pulse import Pulse
from waiting import PATIENCE, free_port

CONFIGURATION = """
[limits]
free_megabytes = 0
[[project]]
name = "study"
[[source.receiver]]
name = "pacs"
port = {port}
peers = ["SENDER@127.0.0.1"]
[[pipeline]]
name = "ct"
sources = ["pacs"]
project = "study"
"""


@pytest.fixture(params=["a path", "an abstract name"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """As systemd has one, and the value of NOTIFY_SOCKET."""
    name = str(tmp_path / "notify") if request.param == "a path" else f"@cohortium-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        made.settimeout(PATIENCE)
        yield made, name


def test_a_gateway_tells_when_it_listens_lives_and_ends(listener: tuple[socket.socket, str], tmp_path: Path) -> None:
    heard, name = listener
    port = free_port()
    file = tmp_path / "cohortium.toml"
    file.write_text(CONFIGURATION.format(port=port))
    keys.create(tmp_path / "keys" / "site.key")
    command = [str(Path(sys.executable).with_name("cohortium")), "gateway", "run", "--no-portal", "--config", file]
    with subprocess.Popen(command, env={**os.environ, "NOTIFY_SOCKET": name}) as process:
        try:
            assert heard.recv(100) == b"READY=1"
            with socket.create_connection(("127.0.0.1", port), PATIENCE):
                pass
            assert [heard.recv(100), heard.recv(100)] == [b"WATCHDOG=1"] * 2
            process.send_signal(signal.SIGTERM)
            while (said := heard.recv(100)) == b"WATCHDOG=1":
                pass
            assert said == b"STOPPING=1"
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


def test_a_chain_that_does_nothing_more_is_not_said_to_live(
    listener: tuple[socket.socket, str], tmp_path: Path
) -> None:
    """It is the beat of the chain alone that says so: no thread of its own would go on beating."""
    heard, name = listener
    pulse = Pulse(tmp_path, Notices(name))
    pulse.beat()
    assert heard.recv(100) == b"WATCHDOG=1"
    pulse.trouble("the chain", "it hangs")
    pulse.well("the chain")
    heard.setblocking(False)
    with pytest.raises(BlockingIOError):
        heard.recv(100)


def test_who_does_not_listen_or_is_too_slow_keeps_nobody(tmp_path: Path) -> None:
    Notices("")(READY)
    Notices(str(tmp_path / "nobody"))(READY)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as slow:
        slow.bind(str(tmp_path / "slow"))
        for _ in range(10_000):  # more than any queue takes
            Notices(str(tmp_path / "slow"))(READY)
        assert slow.recv(100) == b"READY=1"
