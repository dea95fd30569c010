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


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_a_query_that_sorts_much_opens_no_file_outside_the_data_root(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SORT, tmp_path], capture_output=True, text=True, check=True)
    opened = {Path(name) for name in done.stdout.split() if name.startswith("/") and not name.startswith("/dev")}
    assert tmp_path / "cohortium.sqlite" in opened
    assert [path for path in opened if "tmp" in path.parts and not path.is_relative_to(tmp_path)] == []
