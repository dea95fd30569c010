"""What was set aside, and what people decide about it, whether or not a gateway is at work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cohortium import config
from cohortium.cli.options import DEFAULT, AsJson, ConfigFile
from cohortium.errors import Refused

if TYPE_CHECKING:
    from cohortium.spool import Decision, Item, Spool
    from cohortium.spool.exporting import Envelope

__all__ = ["again", "export", "quarantine", "reject", "release"]

RECTANGLE = "left,top,width,height"

Items = Annotated[list[str] | None, typer.Argument(metavar="[ITEM]...", help="Items, by name or its first characters.")]
Series = Annotated[str, typer.Option(metavar="UID", help="All of this series, as the quarantine calls it.")]
ForReason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="All that were set aside for this reason.")]
Of = Annotated[str, typer.Option("--pipeline", metavar="NAME", help="Only those of this pipeline.")]
Why = Annotated[str, typer.Option(metavar="TEXT", help="Why; kept sealed, with who says it.")]


def quarantine(
    items: Items = None,
    series: Series = "",
    reason: ForReason = "",
    file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """What waits for a decision: by reason, in plain words; or the items of a series or a reason."""
    settings = config.load(file)

    from cohortium.cli import terminal
    from cohortium.spool import choose
    from cohortium.spool.asides import explanations, heaps
    from cohortium.values import Reason

    with _spool(settings) as spool, spool.reading() as connection:
        if items or series or reason:
            rows = [_row(each) for each in choose(connection, items or (), series=series, reason=reason)]
        else:
            rows = [
                {"reason": each.reason.value, "state": each.state.value, "items": str(each.count), "since": each.since}
                for each in heaps(connection)
            ]
    for row in rows:
        row |= asdict(explanations()[Reason(row["reason"])])
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif not rows:
        typer.echo("Nothing waits for a decision.")
    else:
        plain = [{key: value for key, value in row.items() if key not in ("means", "do")} for row in rows]
        terminal.show(terminal.rows("Set aside", plain))
        for text in dict.fromkeys(f"{row['reason']}: {row['means']} {row['do']}" for row in rows):
            typer.echo(text)


def release(
    why: Why,
    items: Items = None,
    series: Series = "",
    reason: ForReason = "",
    pipeline: Of = "",
    blank: Annotated[
        list[str] | None,
        typer.Option(metavar=RECTANGLE, help="In pixels: blank this part of every frame; may be given again."),
    ] = None,
    file: ConfigFile = DEFAULT,
) -> None:
    """Let items go on: you looked at them, and what was found is no fault. What cannot be made is set aside again."""
    from cohortium.spool import Decision, Verdict

    areas = tuple(_rectangle(each) for each in blank or ())
    with _chosen(file, items, series, reason, pipeline) as (spool, found):
        _decide(spool, found, Decision(Verdict.RELEASE, getuser(), why, areas))


def reject(
    why: Why,
    items: Items = None,
    series: Series = "",
    reason: ForReason = "",
    pipeline: Of = "",
    file: ConfigFile = DEFAULT,
) -> None:
    """Decide against items: their bytes are deleted at once, and they are never sent."""
    from cohortium.spool import Decision, Verdict

    with _chosen(file, items, series, reason, pipeline) as (spool, found):
        _decide(spool, found, Decision(Verdict.REJECT, getuser(), why))


def again(
    why: Why,
    items: Items = None,
    series: Series = "",
    reason: ForReason = "",
    pipeline: Of = "",
    by: Annotated[
        str, typer.Option("--by", metavar="NAME", help="The pipeline, and so the protocol, that makes them anew.")
    ] = "",
    file: ConfigFile = DEFAULT,
) -> None:
    """Make items anew, under the protocol that their pipeline now has, or by another pipeline."""
    from cohortium.spool import Decision, Verdict

    if by and by not in [each.name for each in config.load(file).pipelines]:
        raise typer.BadParameter("no pipeline is called so", param_hint="--by")
    with _chosen(file, items, series, reason, pipeline) as (spool, found):
        _decide(spool, found, Decision(Verdict.AGAIN, getuser(), why, pipeline=by))


def export(
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where the copies go: identifying, as they came.")],
    items: Items = None,
    series: Series = "",
    reason: ForReason = "",
    pipeline: Of = "",
    recipient: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Who can open them: a file of lines that begin with age1."),
    ] = None,
    in_the_clear: Annotated[
        bool, typer.Option("--in-the-clear", help="Encrypt them to nobody: whoever gets at the folder can read them.")
    ] = False,
    file: ConfigFile = DEFAULT,
) -> None:
    """Copy items as they came, patient and all, into a folder of yours, each sealed to who is to read it.

    The audit says so.
    """
    if bool(recipient) == in_the_clear:
        wanted = "name who is to read the copies, or ask for --in-the-clear" if not recipient else "one of the two"
        raise typer.BadParameter(wanted, param_hint="--recipient, --in-the-clear")

    from cohortium.spool.exporting import export as copy

    envelope = _envelope(recipient) if recipient else None
    with _chosen(file, items, series, reason, pipeline) as (spool, found):
        for item in found:
            typer.echo(copy(spool, item, to, getuser(), envelope).name)


def _envelope(recipient: Path) -> Envelope:
    from cohortium.backup import envelopes
    from cohortium.spool.exporting import Envelope

    people = envelopes.read_recipients(recipient)
    return Envelope(lambda content: envelopes.encrypted(content, people), ", ".join(map(str, people)), ".age")


@contextmanager
def _spool(settings: config.Config) -> Iterator[Spool]:
    """The site's spool, beside a gateway that may be at work on it."""
    from cohortium import keys
    from cohortium.spool import Spool
    from cohortium.store import open_store

    engine = open_store(settings)
    try:
        yield Spool(engine, settings.site.data / "spool", keys.load(settings.site.key, settings.site.data))
    finally:
        engine.dispose()


@contextmanager
def _chosen(
    file: Path, items: list[str] | None, series: str, reason: str, pipeline: str
) -> Iterator[tuple[Spool, list[Item]]]:
    if not (items or series or reason):
        raise typer.BadParameter("name items, or give --series or --reason")
    settings = config.load(file)

    from cohortium.spool import choose

    with _spool(settings) as spool:
        with spool.reading() as connection:
            found = choose(connection, items or (), series=series, reason=reason, pipeline=pipeline)
        if not found:
            raise Refused("nothing like that waits for a decision; see `cohortium gateway quarantine`")
        yield spool, found


def _decide(spool: Spool, found: list[Item], made: Decision) -> None:
    """Carry it out; say about which it was, and why not about the others."""
    left = 0
    for item in found:
        if problem := spool.objection(item, made) or (not spool.decide([item], made) and "it moved on meanwhile"):
            typer.echo(f"cohortium: item {item.name}: {problem}", err=True)
            left += 1
            continue
        typer.echo(item.name)
    if left:
        raise Refused(f"{left} of {len(found)} items were left as they are")


def _row(item: Item) -> dict[str, str]:
    assert item.set_aside
    row = {"item": item.name, "pipeline": item.pipeline, "source": item.source, "state": str(item.state)}
    row |= {"since": item.changed[:16], "reason": str(item.set_aside.reason), "detail": item.set_aside.detail}
    return row | {"of": item.outline, "series": item.series}


def _rectangle(text: str) -> tuple[int, int, int, int]:
    numbers = text.split(",")
    if len(numbers) != 4 or not all(each.isdigit() for each in numbers):
        raise typer.BadParameter(f"{RECTANGLE} is expected", param_hint="--blank")
    left, top, width, height = map(int, numbers)
    return left, top, width, height
