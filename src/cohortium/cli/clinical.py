"""Clinical tables on their way out: a package for submission, of a folder or of a dataset version."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from cohortium.cli.options import FAULTY, AsJson
from cohortium.cli.remote import HERE, TOKEN, TokenFile, Url, connect, named
from cohortium.clinical import tables
from cohortium.errors import ConfigError, Refused

if TYPE_CHECKING:
    from cohortium.cli.terminal import Advance
    from cohortium.clinical.submission import About, Source
    from cohortium.values import Finding

__all__ = ["export"]

VERSIONS = ("3.3", "3.4")


def export(
    source: Annotated[
        str, typer.Argument(metavar="FOLDER|DATASET", help="A folder of clinical tables, or PROJECT/VERSION.")
    ],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The package: a folder that is not there yet.")],
    form: Annotated[
        str, typer.Option("--as", metavar="xport|csv", help="SAS transport files of version 5, or CSV.")
    ] = "xport",
    study: Annotated[str, typer.Option(help="The study's name, where STUDYID does not tell it.")] = "",
    sdtmig: Annotated[
        str, typer.Option(metavar="VERSION", help="The SDTMIG that the tables follow: 3.3, as dragon has it, or 3.4.")
    ] = VERSIONS[0],
    url: Url = HERE,
    token: TokenFile = TOKEN,
    as_json: AsJson = False,
) -> None:
    """Write SDTM for submission: a file for each domain, define.xml, and whence they are; exits with 9 if it cannot."""
    if find_spec("polars") is None or find_spec("pyreadstat") is None:
        raise ConfigError("clinical tables need an extra: pip install 'cohortium[clinical]'")
    if sdtmig not in VERSIONS:
        raise typer.BadParameter("write 3.3 or 3.4", param_hint="--sdtmig")

    from cohortium.cli import terminal
    from cohortium.clinical import submission

    if form not in list(submission.Form):
        raise typer.BadParameter("write xport or csv", param_hint="--as")
    if to.exists():
        raise Refused("--to is there already; a package is never written over another")
    about = submission.About(sdtmig, study)
    with terminal.progress() as advance, _tables(source, to, url, token, about, advance) as (found, said):
        package = submission.write(found, to, submission.Form(form), said, advance)
    if as_json:
        typer.echo(json.dumps({"files": package.files, "findings": [asdict(each) for each in package.findings]}))
    else:
        for each in package.findings:
            typer.echo(_line(each), err=True)
        for name, rows in package.files.items():
            typer.echo(f"{name}\t{rows} rows")
        typer.echo(f"{package.errors} errors: nothing was written" if package.errors else "define.xml\npackage.json")
    raise typer.Exit(FAULTY if package.errors else 0)


@contextmanager
def _tables(
    source: str, to: Path, url: str, token: Path, about: About, advance: Advance
) -> Iterator[tuple[list[Source], About]]:
    """The tables of a folder; or those of a dataset version, fetched into a folder that goes again."""
    from cohortium.clinical import submission

    if Path(source).is_dir():
        yield submission.below(Path(source)), about
        return
    project, called = named(source)
    to.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{to.name}.", suffix=".part", dir=to.parent))
    try:
        with connect(url, token) as client:
            version = client.dataset(project, called)
            fetched = client.pull(
                project,
                version.digest,
                part,
                only=_is_table,
                advance=lambda files, _bytes: advance("fetched", files, files),
            )
        if fetched.gone:
            raise Refused(
                "clinical tables of this version were removed or withdrawn since; freeze a version without them"
            )
        yield submission.below(part), replace(about, dataset=f"{project}/{version.name}", digest=version.digest)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _is_table(path: str) -> bool:
    return tables.called(PurePosixPath(path).name) is not None


def _line(finding: Finding) -> str:
    place = [finding.file, f"row {finding.row}" if finding.row else "", finding.variable]
    return f"{finding.severity}: {', '.join(filter(None, (finding.rule, *place)))}: {finding.message}"
