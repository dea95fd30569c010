from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SORT = """
import os, sys
from pathlib import Path
from sqlalchemy import select, text
from cohortium.store import open_store
with open_store(Path(sys.argv[1])).connect() as connection:
    many = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 40000) "
    rows = connection.execute(text(many + "SELECT x, hex(zeroblob(500)) FROM n ORDER BY x % 97"))
    rows.fetchone()
    print(*(os.readlink(entry.path) for entry in os.scandir("/proc/self/fd") if os.path.islink(entry.path)))
"""


def test_what_was_committed_survives_a_power_cut(tmp_path: Path) -> None:
    """As far as SQLite can know: in WAL mode, each commit is synced."""
    ask = "from sqlalchemy import text\nwith open_store(Path(sys.argv[1])).connect() as c: "
    ask += "print(*(c.scalar(text(f'PRAGMA {name}')) for name in ('journal_mode', 'synchronous')))"
    program = "import sys; from pathlib import Path; from cohortium.store import open_store\n" + ask
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == "wal 2\n"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_a_query_that_sorts_much_opens_no_file_outside_the_data_root(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SORT, tmp_path], capture_output=True, text=True, check=True)
    opened = {Path(name) for name in done.stdout.split() if name.startswith("/") and not name.startswith("/dev")}
    assert tmp_path / "cohortium.sqlite" in opened
    assert [path for path in opened if "tmp" in path.parts and not path.is_relative_to(tmp_path)] == []
