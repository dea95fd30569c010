"""Dataset versions: frozen, listed, shown, compared and cited, at an archive near or far."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cohortium.cli.options import AsJson
from cohortium.cli.remote import HERE, TOKEN, Dataset, TokenFile, Url, connect, named

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["cite", "compare", "freeze", "list_versions", "show"]

Project = Annotated[str, typer.Argument(metavar="PROJECT", help="The project, by its short name.")]
PARTS = ("same", "removed", "added", "changed")


def freeze(
    project: Project,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call the version.")],
    of: Annotated[str | None, typer.Option("--list", metavar="LIST", help="Freeze this saved list alone.")] = None,
    description: Annotated[str, typer.Option(help="What it is for, in a sentence that names nobody.")] = "",
    with_unusable: Annotated[bool, typer.Option(help="Also what is flagged unusable.")] = False,
    url: Url = HERE,
    token: TokenFile = TOKEN,
    as_json: AsJson = False,
) -> None:
    """Freeze a project, or a saved list of its scans, with the files beside the images, into what never changes."""
    with connect(url, token) as client:
        made = client.freeze(project, name, description=description, of=of, with_unusable=with_unusable)
    _print(made, as_json)


def list_versions(project: Project, url: Url = HERE, token: TokenFile = TOKEN, as_json: AsJson = False) -> None:
    """List the versions of a project, newest first."""
    with connect(url, token) as client:
        found = client.datasets(project)
    rows = [each.model_dump() for each in found]
    lines = (f"{row['name']}\t{row['files']} files\t{row['created'][:10]}\tsha256:{row['digest']}" for row in rows)
    typer.echo(json.dumps(rows) if as_json else "\n".join(lines))


def show(dataset: Dataset, url: Url = HERE, token: TokenFile = TOKEN, as_json: AsJson = False) -> None:
    """Show a version, and what was removed or withdrawn since it was frozen."""
    with connect(url, token) as client:
        found, gone = client.dataset(*named(dataset)), client.gone(*named(dataset))
    if as_json:
        typer.echo(json.dumps({**found.model_dump(), "gone": [each.model_dump() for each in gone]}))
        return
    _print(found, as_json)
    typer.echo(_table([{"gone": each.path, "how": each.how, "when": each.time[:10]} for each in gone]))


def compare(
    dataset: Dataset,
    other: Annotated[str, typer.Argument(metavar="VERSION", help="Another version of the project.")],
    url: Url = HERE,
    token: TokenFile = TOKEN,
    as_json: AsJson = False,
) -> None:
    """Compare two versions of a project: what both have, what each has alone."""
    with connect(url, token) as client:
        found = client.compare(*named(dataset), other).model_dump()
    typer.echo(json.dumps(found) if as_json else _table([{"": part, **found[part]} for part in PARTS]))


def cite(dataset: Dataset, url: Url = HERE, token: TokenFile = TOKEN, as_json: AsJson = False) -> None:
    """Print how to cite a version; with --json what DataCite asks for."""
    with connect(url, token) as client:
        found = client.cite(*named(dataset))
    typer.echo(json.dumps(found.datacite) if as_json else found.text)


def _print(said: BaseModel, as_json: bool) -> None:
    rows = said.model_dump()
    typer.echo(json.dumps(rows) if as_json else "\n".join(f"{name}\t{value}" for name, value in rows.items()))


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    lines = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    return "\n".join("\t".join(line) for line in lines)
