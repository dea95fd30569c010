"""The proof as files: a page for people, which needs nothing from outside, and JSON for programs. Both are secrets.

The mapping of patients and UIDs is in neither.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cohortium.page import rendered
from cohortium.verify import secret
from cohortium.verify.proof import Proof

__all__ = ["as_dict", "write"]

PROBLEMS = 200  # shown on the page; all are in the JSON
VALUES = 40  # of one attribute


def write(folder: Path, proof: Proof) -> None:
    """Write `report.html` and `report.json` into `folder`, mode 0600."""
    values = [
        {"path": each.path, "tag": each.tag, "vr": each.vr, "values": dict(each.values.most_common())}
        | ({"further": each.further} if each.further else {})
        for each in proof.remains
    ]
    secret.write(folder / "report.html", _page(proof))
    secret.write(folder / "report.json", json.dumps({**as_dict(proof), "remains": values}, indent=1))


def as_dict(proof: Proof) -> dict[str, Any]:
    """The proof without the values that remain and without pictures."""
    run = asdict(proof.run) if proof.run else {}
    run.pop("entries", None)
    series = [asdict(each) for each in proof.sample.sheets]
    for each in series:
        del each["projections"]
    return {
        "created": proof.created,
        "software": proof.software,
        **asdict(proof.search),
        "run": run,
        "set_aside": dict(proof.set_aside),
        "checks": [asdict(check) for check in proof.checks],
        "unread": proof.unread,
        "sample": {"seed": proof.sample.seed, "of": proof.sample.series, "series": series},
    }


def _page(proof: Proof) -> str:
    return rendered(
        "cohortium.verify", "page/report.html", "page/report.css", proof=proof, limit=PROBLEMS, shown=VALUES
    )
