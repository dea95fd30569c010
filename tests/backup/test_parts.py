"""Parts lie once, whatever holds them; a list of lines comes back as it was, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohortium import keys
from cohortium.backup.parts import Parts
from cohortium.backup.place import Folder
from cohortium.errors import Corrupt, Unavailable

LINES = [f'["{number}","{"x" * (number % 90)}"]\n'.encode() for number in range(20_000)]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "target", "the target")


@pytest.fixture
def parts(folder: Folder) -> Parts:
    return Parts(folder, keys.ephemeral())


def test_lines_come_back_and_one_more_line_changes_one_part(parts: Parts) -> None:
    first = parts.put_lines(LINES)
    assert list(parts.get_lines(first)) == LINES
    assert len(first.parts) > 4
    for place in (0, 9_000, len(LINES)):
        second = parts.put_lines([*LINES[:place], b'["new"]\n', *LINES[place:]])
        assert second.digest != first.digest
        assert len(set(second.parts) - set(first.parts)) <= 2, "the part it falls into, or that and the next"


def test_what_is_there_is_not_written_again(parts: Parts, folder: Folder) -> None:
    parts.put_lines(LINES)
    held, written = folder.sizes(""), parts.written
    parts.put_lines(LINES)
    assert (folder.sizes(""), parts.written) == (held, written)


@settings(max_examples=25)
@given(st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"") + b"\n"), max_size=30))
def test_any_lines_come_back(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    parts = Parts(Folder(tmp_path_factory.mktemp("t"), "the target"), keys.ephemeral())
    assert list(parts.get_lines(parts.put_lines(lines))) == lines


def test_nothing_can_be_read_or_guessed_without_the_key(parts: Parts, folder: Folder, tmp_path: Path) -> None:
    name = parts.put(b"MARMALADE" * 100, squeeze=False)
    (file,) = (path for path in (tmp_path / "target").rglob("*") if path.is_file())
    assert b"MARMALADE" not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0
    other = Parts(folder, keys.ephemeral())
    with pytest.raises(Corrupt, match="damaged"):
        other.get(name, squeezed=False)
    assert other.put(b"MARMALADE" * 100, squeeze=False) != name, "a name is keyed, so that nobody tries contents"


def test_a_changed_a_cut_and_a_swapped_part_are_noticed(parts: Parts, tmp_path: Path) -> None:
    lines = parts.put_lines(LINES)
    one, other = (tmp_path / "target" / "parts" / name[:2] / name for name in lines.parts[:2])
    whole = one.read_bytes()
    for damage in (bytes([*whole[:-1], whole[-1] ^ 1]), whole[:-7], other.read_bytes()):
        one.write_bytes(damage)
        with pytest.raises(Corrupt, match="damaged"):
            list(parts.get_lines(lines))
    one.unlink()
    with pytest.raises(Corrupt, match="missing"):
        list(parts.get_lines(lines))


def test_a_target_that_is_no_folder_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("")
    with pytest.raises(Unavailable, match="the target cannot be used: "):
        Folder(tmp_path / "target", "the target").write("name", [b"x"])
