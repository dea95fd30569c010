from __future__ import annotations

from cohortium.gateway.quiet import Quiet

SERIES = ("ct", "2.25.3")


def test_a_series_is_complete_when_quiet_or_when_it_is_told_so() -> None:
    moment = [0.0]
    quiet = Quiet(60, lambda *_: 5, lambda: moment[0])
    assert not quiet(*SERIES)
    quiet.tell({SERIES})
    assert quiet(*SERIES)
    assert not quiet("ct", "2.25.4")
    quiet.keep_only({("ct", "2.25.4")})
    assert not quiet(*SERIES), "what is over is forgotten"
    moment[0] = 61.0
    assert quiet("ct", "2.25.4")
