"""After a run, nothing that identifies stands in the clear in any file of the data root, whatever was set aside."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = (
    "import json, sys; from pathlib import Path; from cohortium import config, gateway;"
    "print(json.dumps(gateway.run(config.load(Path(sys.argv[1])), lambda *_: None).as_dict()))"
)
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
    for _ in range(run):
        done = subprocess.run([sys.executable, "-c", PROGRAM, crowded.file], capture_output=True, check=True)
    said = (done.stdout + done.stderr).decode()
    assert not [value for value in planted if value in said]
    assert done.stderr == b""


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_no_file_is_written_outside_the_data_root(crowded: Any, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-qq", "-e", "trace=open,openat,creat,mkdir,rename,renameat,renameat2", "-o", str(trace)]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([*command, sys.executable, "-c", PROGRAM, crowded.file], check=True, env=environment, cwd=tmp_path)
    changing = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|creat\(|mkdir|rename")
    calls = [line for line in trace.read_text().splitlines() if changing.search(line) and " = -1 " not in line]
    paths = {path for line in calls for path in re.findall(r'"(/[^"]+)"', line)}
    assert len(paths) > 15
    assert {path for path in paths if not path.startswith((str(crowded.root / "data"), "/dev/"))} == set()
