"""Two gateways on one data root, started at the same time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cohortium import keys
from cohortium.errors import Unavailable
from cohortium.spool import Spool
from cohortium.store import open_store

PROGRAM = """
import sys
from pathlib import Path
from cohortium import config, gateway
from cohortium.errors import CohortiumError
try:
    gateway.run(config.load(Path(sys.argv[1])), lambda *_: None)
except CohortiumError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def test_one_works_and_the_others_are_told(crowded: Any, tmp_path: Path) -> None:
    alone = crowded.another(tmp_path / "alone")
    alone.run()
    several = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, crowded.file], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ends = [(process.communicate()[0], process.returncode) for process in several]
    assert any(code == 0 for _, code in ends)
    assert {code for _, code in ends} <= {0, Unavailable.exit_code}
    assert all("another gateway" in said for said, code in ends if code)
    assert crowded.memory() == alone.memory()


def test_while_one_is_at_work_another_is_refused_and_touches_nothing(crowded: Any) -> None:
    data = crowded.root / "data"
    key = keys.load(crowded.root / "keys" / "site.key", data)
    with Spool(open_store(data), data / "spool", key):
        half = data / "spool" / "incoming" / "half.part"
        half.write_bytes(b"being written")
        with pytest.raises(Unavailable, match="another gateway"):
            crowded.run()
        assert half.exists()
    crowded.run()
    assert not half.exists()
