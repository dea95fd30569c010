"""What measures the gateway still fits it, and counts each moment once."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def shares(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(BENCH))
    import shares

    yield shares
    sys.modules.pop("shares")


def busy(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_a_moment_counts_for_the_innermost_of_the_calls(shares: ModuleType) -> None:
    class Work:
        def inner(self) -> None:
            busy(0.05)

        def outer(self) -> None:
            busy(0.02)
            self.inner()

    watched = shares.Shares()
    watched.watch("inner", (Work, "inner"))
    watched.watch("outer", (Work, "outer"))
    Work().outer()
    assert watched.spent["outer"] == pytest.approx(0.02, abs=0.01)
    assert watched.spent["inner"] == pytest.approx(0.05, abs=0.01)
    (first, *_, rest) = watched.show(0.1, 1)
    assert first.split()[0] == "inner"
    assert rest.split()[:2] == ["the", "rest"]
