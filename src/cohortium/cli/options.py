"""Options that several commands share, said once, so that they mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["DEFAULT", "FAILED", "FAULTY", "FOUND", "AsJson", "ConfigFile"]

DEFAULT = Path("cohortium.toml")
FOUND = 7  # the exit code for what must never be
FAILED = 8  # the exit code for a check that failed
FAULTY = 9  # the exit code for data with errors

ConfigFile = Annotated[Path, typer.Option("--config", metavar="FILE", help="The configuration to use.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
