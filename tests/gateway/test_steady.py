"""The date is believed only while its clock goes as one does that nobody sets."""

from __future__ import annotations

from cohortium.gateway.steady import Steady


class Clocks:
    """One that shows the date, one that nobody sets."""

    def __init__(self) -> None:
        self.wall, self.steady = 1e9, 50.0

    def pass_(self, seconds: float, *, jump: float = 0.0) -> None:
        self.wall, self.steady = self.wall + seconds + jump, self.steady + seconds


def test_it_is_believed_after_an_hour_and_never_right_after_a_jump() -> None:
    clocks = Clocks()
    steady = Steady(lambda: clocks.wall, lambda: clocks.steady)
    assert not steady()
    clocks.pass_(3600)
    assert steady()
    for jump in (400 * 86400.0, -400 * 86400.0):
        clocks.pass_(60, jump=jump)
        assert not steady()
        clocks.pass_(3540)
        assert not steady()
        clocks.pass_(60)
        assert steady()


def test_a_clock_that_is_kept_right_is_believed() -> None:
    clocks = Clocks()
    steady = Steady(lambda: clocks.wall, lambda: clocks.steady)
    clocks.pass_(3600, jump=2)
    assert steady()
