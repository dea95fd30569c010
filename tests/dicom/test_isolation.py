"""Workers that die cost their own call and no other."""

from __future__ import annotations

import math
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cohortium.dicom import isolation
from cohortium.dicom.isolation import Workers
from cohortium.errors import Malformed


@pytest.fixture(scope="module")
def workers() -> Workers:
    return Workers("math", (ValueError, MemoryError))


def test_a_result_and_an_exception_come_back(workers: Workers) -> None:
    assert workers.run(math.sqrt, 4) == 2
    with pytest.raises(ValueError, match=r"domain|nonnegative"):
        workers.run(math.sqrt, -1)


def test_a_crash_is_malformed_and_the_next_call_works(workers: Workers) -> None:
    with pytest.raises(Malformed, match="crashed"):
        workers.run(os.abort)
    assert workers.run(math.sqrt, 9) == 3


def test_memory_beyond_the_limit_is_not_to_be_had(workers: Workers) -> None:
    with pytest.raises(MemoryError):
        workers.run(bytes, isolation.MEMORY)


def test_an_innocent_neighbour_of_a_crash_gets_its_answer(workers: Workers) -> None:
    with ThreadPoolExecutor(2) as threads:
        guilty = threads.submit(workers.run, os.abort)
        innocent = [threads.submit(workers.run, math.sqrt, 16) for _ in range(20)]
        assert isinstance(guilty.exception(), Malformed)
        assert [each.result() for each in innocent] == [4] * 20


def test_a_hang_ends() -> None:
    with pytest.raises(Malformed, match="too long"):
        Workers("math", (), seconds=1).run(time.sleep, 600)
