"""A package made in a process of its own (`python -m cohortium.clinical.submission.apart`), asked and answered in JSON.

A server has threads and starts processes, and polars may be in none of those that do; what it takes of memory is given
back when the process ends.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cohortium.clinical.submission import About, Form, below, write
from cohortium.errors import CohortiumError

__all__ = ["main"]


def main(asked: str) -> str:
    """The answer: names of files and what is in the way, or why it was refused."""
    wish = json.loads(asked)
    about = About(wish["sdtmig"], wish["study"], wish["dataset"], wish["digest"])
    try:
        package = write(below(Path(wish["folder"])), Path(wish["into"]), Form(wish["form"]), about, lambda *_: None)
    except CohortiumError as error:
        return json.dumps({"refused": str(error)})
    errors = [f"{each.file}, row {each.row}: {each.message}" for each in package.findings if each.severity == "error"]
    return json.dumps({"refused": "; ".join(errors)})


if __name__ == "__main__":
    sys.stdout.write(main(sys.stdin.read()))
