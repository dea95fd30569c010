"""What waits for the rest of a body comes back as it was, is never in the clear, and says so where the disk is full."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from cohortium.errors import Unavailable
from cohortium.spool.scratch import CHUNK, Scratch


def test_what_was_taken_is_read_again_anywhere(tmp_path: Path) -> None:
    body = bytes(range(256)) * (CHUNK // 64) + b"end"
    with Scratch(tmp_path, lambda: None) as scratch:
        for at in range(0, len(body), 300_000):
            scratch.take(body[at : at + 300_000])
        scratch.finish()
        assert scratch.read() == body
        scratch.seek(CHUNK - 5)
        assert scratch.read(10) == body[CHUNK - 5 : CHUNK + 5]
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_in_words(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Scratch(tmp_path, lambda: None) as scratch:
        resource.setrlimit(resource.RLIMIT_FSIZE, (CHUNK // 2, hard))
        try:
            with pytest.raises(Unavailable, match="no space left"):
                scratch.take(bytes(2 * CHUNK))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
