"""After a run, nothing that identifies stands in the clear in any file of the data root, whatever was set aside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ENCODINGS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")


def found(data: Path, values: tuple[str, ...]) -> list[tuple[str, str]]:
    """(value, file) of every value, or any part of a name, that can be read in a file or its path."""
    words = {word for value in values for word in (value, *value.split("^")) if len(word) > 4}
    needles = {(word, word.encode(encoding)) for word in words for encoding in ENCODINGS}
    files = [path for path in data.rglob("*") if path.is_file()]
    assert len(files) > 15
    return [
        (word, path.name)
        for path in files
        for word, needle in needles
        if needle.lower() in path.read_bytes().lower() or needle in bytes(path)
    ]


def test_the_search_finds_all_of_them_where_they_are(crowded: Any, planted: tuple[str, ...]) -> None:
    assert {word for word, _ in found(crowded.source, planted)} >= set(planted)


def test_nothing_that_identifies_lies_in_the_data_root(crowded: Any, planted: tuple[str, ...]) -> None:
    crowded.run()
    assert found(crowded.root / "data", planted) == []


@pytest.mark.parametrize("run", [1, 2])
def test_nothing_is_printed_that_identifies(crowded: Any, planted: tuple[str, ...], run: int) -> None:
    program = (
        "import json, sys; from pathlib import Path; from cohortium import config, gateway;"
        "print(json.dumps(gateway.run(config.load(Path(sys.argv[1])), lambda *_: None).as_dict()))"
    )
    for _ in range(run):
        done = subprocess.run([sys.executable, "-c", program, crowded.file], capture_output=True, check=True)
    said = (done.stdout + done.stderr).decode()
    assert not [value for value in planted if value in said]
    assert done.stderr == b""
