"""What is wrong with the data root is told in one line, whatever noticed it."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from cohortium.errors import Corrupt, Unavailable
from cohortium.store import open_store
from cohortium.store.room import room


def test_a_file_that_is_no_store_is_corrupt_and_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "cohortium.sqlite").write_bytes(b"Dear colleague, " * 100)
    with pytest.raises(Corrupt, match="backup"):
        open_store(tmp_path)
    assert (tmp_path / "cohortium.sqlite").read_bytes() == b"Dear colleague, " * 100


def test_a_store_that_another_process_keeps_locked_is_to_be_tried_again(tmp_path: Path) -> None:
    engine = open_store(tmp_path)
    with engine.connect() as patient, open_store(tmp_path).begin():
        patient.connection.cursor().execute("PRAGMA busy_timeout = 10")
        with pytest.raises(Unavailable, match="again"), room():
            patient.begin()


@pytest.mark.parametrize(("code", "told"), [(errno.ENOSPC, "no space left"), (errno.EROFS, "cannot be written")])
def test_what_the_system_says_is_told_without_the_path(code: int, told: str) -> None:
    with pytest.raises(Unavailable, match=told) as caught, room():
        raise OSError(code, "x", "/in/Müller.dcm")
    assert "Müller" not in str(caught.value)


def test_anything_else_passes() -> None:
    with pytest.raises(ZeroDivisionError), room():
        _ = 1 / 0
