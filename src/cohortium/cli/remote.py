"""Options by which commands reach an archive from outside. No token stands on a command line, where others see it."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cohortium.errors import ConfigError, Refused

if TYPE_CHECKING:
    from cohortium.client import Client

__all__ = ["HERE", "TOKEN", "Dataset", "TokenFile", "Url", "connect", "named"]

HERE = "http://127.0.0.1:8765"
TOKEN = Path("cohortium.token")

Url = Annotated[str, typer.Option("--url", metavar="URL", help="The archive.")]
TokenFile = Annotated[
    Path, typer.Option("--token", metavar="FILE", help="A file that holds an API token, readable by you alone.")
]
Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="PROJECT/VERSION: its name, or its digest.")]


def connect(url: str, token: Path) -> Client:
    """The archive, with the token in that file."""
    try:
        text, mode = token.read_text("ascii").strip(), token.stat().st_mode
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"no API token can be read in {token}; make one in the portal (your name, Tokens)") from None
    if stat.S_IMODE(mode) & 0o077:
        raise Refused(f"others can read {token}; chmod 600 {token}")

    from cohortium.client import Client

    return Client(url, text)


def named(dataset: str) -> tuple[str, str]:
    """Project and version of what is typed as one."""
    project, slash, version = dataset.partition("/")
    if not (project and slash and version) or "/" in version:
        raise typer.BadParameter("write PROJECT/VERSION", param_hint="DATASET")
    return project, version
