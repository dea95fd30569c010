"""Clinical tables that come from elsewhere: a study's own export mapped to SDTM, and a mapping drafted for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cohortium.cli.options import AsJson
from cohortium.errors import ConfigError, Malformed, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

__all__ = ["draft", "mapped"]

DictionaryFile = Annotated[
    Path | None, typer.Option("--dictionary", metavar="FILE", help="REDCap's data dictionary; ODM brings its own.")
]


def mapped(
    export: Annotated[Path, typer.Argument(metavar="EXPORT", help="REDCap's flat CSV, or ODM (.xml).")],
    mapping: Annotated[Path, typer.Option(metavar="FILE", help="The mapping, TOML.")],
    dictionary: DictionaryFile = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="A folder for the tables, new or empty.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; say what would go where.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make SDTM tables of a study's export, and say what went where and what did not; values are never shown."""
    from cohortium.clinical import capture
    from cohortium.clinical import mapping as mappings

    if (to is None) is not dry_run:
        raise ConfigError("say where the tables go (--to DIR), or --dry-run")
    try:
        captured = capture.read(export, dictionary)
        study = mappings.load(mapping, captured.dictionary)
        account = mappings.run(captured, study, to)
    except Malformed as error:
        raise Malformed(f"the export cannot be read: {error}") from None
    if as_json:
        typer.echo(json.dumps(account, indent=2, ensure_ascii=False))
        return
    from cohortium.cli import terminal

    terminal.show(*_shown(account))


def draft(
    described: Annotated[Path, typer.Argument(metavar="DICTIONARY", help="REDCap's data dictionary, or ODM (.xml).")],
    study: Annotated[str, typer.Option(help="STUDYID.")] = "STUDY",
    partner: Annotated[str, typer.Option(help="The partner, by which tables are called.")] = "partner",
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="A new file; shown if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Draft a mapping from annotations (@SDTM=DM.SEX), names and labels of fields; to be read and corrected."""
    from cohortium.clinical import capture
    from cohortium.clinical.mapping import drafting

    is_odm = described.suffix.lower() == ".xml"
    fields = capture.read(described).dictionary if is_odm else capture.dictionary(described)
    text = drafting.draft(fields, study, partner)
    if output is not None:
        if output.exists():
            raise Refused(f"{output} is there already; name a new file")
        output.write_text(text, "utf-8")
    if as_json:
        found = [
            {"field": each.field.name, "to": f"{each.domain}.{each.variable or each.code}", "why": each.why}
            for each in drafting.proposals(fields)
        ]
        typer.echo(json.dumps({"mapping": text, "proposed": found}, indent=2, ensure_ascii=False))
    elif output is None:
        typer.echo(text, nl=False)


def _shown(account: dict[str, Any]) -> Iterator[RenderableType]:
    """The account as people read it."""
    from rich.table import Table
    from rich.text import Text

    yield Text(f"{account['records']} records, {account['entries']} entries")
    made = Table(
        "table", "rows", "subjects", "filled", "expected, and not mapped", title="Tables", title_justify="left"
    )
    for each in account["tables"]:
        filled, empty = (", ".join(each[key]) for key in ("variables", "empty"))
        made.add_row(each["file"], str(each["rows"]), str(each["subjects"]), filled, empty)
    yield made
    fields = Table("field", "form", "kind", "values", "becomes", title="Fields", title_justify="left")
    for each in account["fields"]:
        flags = [flag for flag in ("identifier", "branching") if each[flag]]
        to = Text(", ".join(each["to"])) if each["to"] else Text("not mapped", style="yellow")
        fields.add_row(each["field"], each["form"], ", ".join([each["kind"], *flags]), str(each["values"]), to)
    yield fields
    for each in account["without_term"]:
        choice = f"choice {each['choice']} ({each['label']})"
        yield Text(f"{each['field']}: {choice} has no term for {each['variable']}: {_counted(each)}", style="red")
    for each in account["not_converted"]:
        written = f" (written as {each['written']})" if each["written"] else ""
        yield Text(f"{each['field']} for {each['variable']}: {each['why']}{written}: {_counted(each)}", style="red")
    for each in account["set_aside"]:
        place = f" in {each['domain']}" if each["domain"] else ""
        yield Text(f"not made{place}: {each['why']}: {each['rows']}, first in row {each['row']}", style="red")
    if account["columns_without_field"]:
        places = ", ".join(map(str, account["columns_without_field"]))
        yield Text(f"columns that no field of the dictionary explains, by place: {places}", style="yellow")
    for note in account["notes"]:
        yield Text(note, style="yellow")


def _counted(problem: dict[str, Any]) -> str:
    return f"{problem['values']} values, first in row {problem['row']}"
