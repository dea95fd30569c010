"""A check is killed in mid-work and run again: the report is the same, and only what was not done is looked at.

A package that is installed for the occasion brings a rule. It notes which series it is held against, and at one of them
it waits for as long as the first check lives.
"""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import deliveries
import nursery
from waiting import PATIENCE

PATIENTS = 6
UIDS = [f"{deliveries.ROOT}.{patient}.1.1" for patient in range(1, PATIENTS + 1)]
SLOWEST = UIDS[2]
SPECIFICATION = (
    """
name = "watched"
version = "1"
title = "DRAGON, and who looks"
extends = "dragon"
"""
    + "".join(f'[{rule}]\nseverity = "off"\n' for rule in deliveries.SLOW)
    + """
[watch.series]
severity = "info"
explanation = "Somebody looks."
mend = "nothing"
"""
)
FAMILY = """
import os, time
from pathlib import Path
from cohortium.check.rule import Check, Scope

def look(scan, rule):
    Path(os.environ["NOTES"], f"{scan.SeriesInstanceUID} {os.getpid()}").touch()
    while scan.SeriesInstanceUID == os.environ.get("SLOWEST"):
        time.sleep(1)
    return iter(())

CHECKS = (Check("watch.series", Scope.FILES, look),)
"""


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    """With the package, and nothing of this process's own colours or settings."""
    package = tmp_path / "packages"
    (package / "watch-1.dist-info").mkdir(parents=True)
    (package / "watch.py").write_text(FAMILY)
    (package / "watch-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: watch\nVersion: 1\n")
    (package / "watch-1.dist-info" / "entry_points.txt").write_text("[cohortium.checks]\nwatch = watch\n")
    return {**os.environ, "PYTHONPATH": str(package)}


def test_only_what_was_not_done_is_looked_at(environment, tmp_path):
    made = deliveries.clean(PATIENTS)
    made.tables.clear()  # whose libraries take longer to load than all the rest
    for rule in ("accuracy.slice-thickness", "geometry.position", "structure.stray"):
        deliveries.VIOLATIONS[rule](made)
    delivery, specification = made.write(tmp_path / "delivery"), tmp_path / "watched.toml"
    specification.write_text(SPECIFICATION)
    kept = tmp_path / "kept"

    def check(name: str, *options: object, **more: str) -> Any:
        (tmp_path / name).mkdir()
        report = tmp_path / f"{name}.json"
        command = "check", "run", delivery, "--specification", specification, "--json", report
        return nursery.start(*command, *options, env={**environment, "NOTES": str(tmp_path / name), **more})

    def looked_at(name: str) -> list[str]:
        return sorted(each.name.partition(" ")[0] for each in (tmp_path / name).iterdir())

    def told(name: str) -> Any:
        report = json.loads((tmp_path / f"{name}.json").read_text("utf-8"))
        return {key: value for key, value in report.items() if key != "checked"}

    assert check("undisturbed", "--jobs", 1).wait(PATIENCE) == 9

    stopped = check("stopped", "--jobs", 2, "--resume", kept, SLOWEST=SLOWEST)
    while len(list(kept.glob("*.looked"))) < PATIENTS - 1 or SLOWEST not in looked_at("stopped"):
        assert stopped.poll() is None
        time.sleep(0.05)
    stopped.kill()
    stopped.wait(PATIENCE)
    assert not (tmp_path / "stopped.json").exists()

    assert check("again", "--jobs", 1, "--resume", kept).wait(PATIENCE) == 9
    assert (looked_at("undisturbed"), looked_at("stopped"), looked_at("again")) == (UIDS, UIDS, [SLOWEST])
    assert told("again") == told("undisturbed")
    assert list(kept.iterdir()) == []
