"""What tests do so that no machine is too slow or too busy: long patience, and ports that nobody else takes."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable
from itertools import cycle

__all__ = ["PATIENCE", "free_port", "least_cost", "listens", "not_around_midnight", "until"]

PATIENCE = 300.0
"""Seconds until what must come is given up: reached by a defect alone."""

WIDTH = 2_000
FIRST = 10_000 + WIDTH * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 10)
PORTS = cycle(random.SystemRandom().sample(range(FIRST, FIRST + WIDTH), WIDTH))
"""Each process of a run has its own, below those that Linux gives to who asks for any (from 32768): one of those may be
taken by any connection before its server has begun, or while it begins again."""


def free_port() -> int:
    """A port of loopback that nobody listens at, for a server that will, perhaps several times."""
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("there is always a next one")


def listens(port: int) -> bool:
    """Whether a server takes connections at that port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(true: Callable[[], object], pause: float = 0.05) -> None:
    """Come back as soon as it is true."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(pause)


def least_cost(work: Callable[[], object], tries: int = 5) -> float:
    """Seconds of CPU time that it takes, where nothing else of this process gets into its way at least once."""
    costs = []
    for _ in range(tries):
        began = time.process_time()
        work()
        costs.append(time.process_time() - began)
    return min(costs)


def not_around_midnight() -> None:
    """For tests that ask twice what day it is: UTC has five minutes of this one left, or has begun the next."""
    left = 86_400 - time.time() % 86_400
    if left < PATIENCE:
        time.sleep(left + 1)
