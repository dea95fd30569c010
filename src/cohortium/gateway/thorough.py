"""What only the files of a series tell, for pipelines that ask for it: conformance, quality, privacy, texts in pixels.

They lie open among the spool's temporary files while they are looked at, de-identified, and no longer. Where a rule
cannot look, because a program is missing or crashed, that is a finding, too: it holds nothing, and is no pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from cohortium.check.delivery import Here
from cohortium.check.specification import Specification
from cohortium.spool import Item, Spool
from cohortium.values import Finding, Severity, State
from cohortium.wire.names import instance_path

__all__ = ["look"]

HERE = (State.DEIDENTIFIED, State.HELD)  # what has not gone on yet


def look(spool: Spool, items: Sequence[Item], specification: Specification) -> list[Finding]:
    """What the rules that want files find in those objects of a series that have not gone on yet."""
    from cohortium.check.examine import look_at_files  # takes long to load, and is seldom needed

    with TemporaryDirectory() as name:
        root = Path(name)
        here = Here(root, tuple(path for item in items if (path := _written(spool, root, item))))
        answers = look_at_files(here, items[0].series, specification)
    return [*answers.findings, *(_skipped(rule, why) for rule, each in answers.skipped.items() for why in each)]


def _written(spool: Spool, root: Path, item: Item) -> str:
    """Where the item lies now, named as it would be in the archive; empty if it is no image, or has gone on."""
    made = item.instance
    if made is None or item.state not in HERE:
        return ""
    name = instance_path(made.PatientID, made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID)
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(spool.outgoing(item))
    return name


def _skipped(rule: str, why: str) -> Finding:
    return Finding(rule, Severity.INFO, f"the rule could not look: {why}")
