"""From patients to subjects. No command here takes an identifier on the command line, where others can read it."""

from __future__ import annotations

import hmac
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cohortium import config
from cohortium.cli.options import DEFAULT, AsJson, ConfigFile
from cohortium.errors import ConfigError, Refused, Unavailable

if TYPE_CHECKING:  # help is instant without them
    from sqlalchemy import Connection

    from cohortium.deidentify.table import Table
    from cohortium.keys import SiteKey

__all__ = ["candidates", "import_", "includes", "link", "merge", "secret"]

ASKED = "subject includes"
LIMITS = ((timedelta(minutes=1), 10), (timedelta(days=1), 200))  # questions: enough for a person, not for a search
Project = Annotated[str, typer.Option("--project", metavar="NAME", help="The project in question.")]


def secret(
    project: Project,
    imported: Annotated[
        bool, typer.Option("--import", help="Take a secret from elsewhere, from a prompt or standard input.")
    ] = False,
    accept_weak: Annotated[
        bool, typer.Option("--accept-weak", help="Take it though it is weak, and have a finding in every report.")
    ] = False,
    file: ConfigFile = DEFAULT,
) -> None:
    """Make the secret that a project's patient IDs are hashed with, once; 256 bits, beside the site's key."""
    from cohortium.deidentify import secret as secrets

    site = config.load(file).site
    if not config.NAME.fullmatch(project):
        raise ConfigError("project: lower-case letters, digits and hyphens, at most 63")
    path = secrets.path_of(site.key, project)
    made = secrets.create(path, _asked("secret") if imported else "", accept_weak=accept_weak)
    typer.echo(f"Made {path}{' although the secret is weak' if made.weak else ''}. Keep a copy with that of the key.")


def import_(
    project: Project,
    list_: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="CSV (patient_id, subject, issuer) or CTP's properties."),
    ],
    file: ConfigFile = DEFAULT,
) -> None:
    """Take a list of pseudonyms that were given elsewhere into the table of correspondence, encrypted."""
    from cohortium import keys
    from cohortium.deidentify.lookup import read_list
    from cohortium.deidentify.rows import path_of
    from cohortium.deidentify.table import Table
    from cohortium.values import SubjectRule

    site = config.load(file).site
    key = keys.load(site.key, site.data)
    table = Table(path_of(site.data), key, project, SubjectRule("lookup"), site.name, site.issuer)
    rows = read_list(list_)
    count = table.take(rows)
    typer.echo(f"{count} of {len(rows)} patients are new in the table of {project}.")


def includes(
    project: Project,
    issuer: Annotated[str, typer.Option(metavar="NAME", help="Issuer of the patient ID, where images name one.")] = "",
    file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Tell whether the archive holds a patient, whose ID is read from a prompt or standard input."""
    from cohortium import keys
    from cohortium.deidentify import load_protocol
    from cohortium.deidentify.subjects import NotKnown, Patient, Subjects
    from cohortium.deidentify.table import means
    from cohortium.find.inclusion import includes as holds
    from cohortium.prove import audit
    from cohortium.store import open_store

    settings = config.load(file)
    protocols = {(each.protocol, each.level) for each in settings.pipelines if each.project == project}
    if not protocols:
        raise ConfigError("no pipeline leads into this project")
    key = keys.load(settings.site.key, settings.site.data)
    patient = Patient(_asked("patient ID"), issuer)
    pseudonyms = set()
    for name, level in protocols:
        protocol = load_protocol(file.parent / name if name.endswith(".toml") else name, level)
        if protocol.ctp and protocol.ctp.script:
            raise ConfigError(
                "a CTP script makes the identifiers of this project, from whole objects; it cannot be asked"
            )
        secret, table = means(settings.site, key, project, protocol)
        subjects = Subjects(protocol, key, project, secret, own_issuer=settings.site.issuer)
        subjects.learn(table.look(patient) if table else {})
        try:
            pseudonyms.add(subjects(patient.patient_id, issuer).pseudonym)
        except NotKnown:
            continue
    asked = f"{project} {_digest(key, project, patient.patient_id)}"
    with open_store(settings).begin() as connection:
        refusal = _too_many(connection)
        audit.record(connection, getuser(), f"{ASKED} refused" if refusal else ASKED, asked)
        found = not refusal and holds(connection, project, pseudonyms)
    if refusal:
        raise Unavailable(refusal)
    typer.echo(json.dumps({"project": project, "included": found}) if as_json else "yes" if found else "no")


def _too_many(connection: Connection) -> str:
    """Why no more questions are answered now; empty where they are. What was refused does not count."""
    from cohortium.prove import audit

    for span, most in LIMITS:
        since = (datetime.now(UTC) - span).isoformat(timespec="microseconds")
        if audit.count(connection, ASKED, since) >= most:
            return f"{most} questions were asked within {span}; wait, and ask again"
    return ""


def candidates(project: Project, file: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """List pairs of pseudonyms whose names sound alike, with one birth date and sex: perhaps one person each."""
    from cohortium.cli import terminal

    table, note = _table(project, file)
    pairs = table.candidates()
    note("subject candidates", f"{project} {len(pairs)}")
    if as_json:
        typer.echo(json.dumps([{"subject": one, "like": other} for one, other in pairs]))
    elif pairs:
        terminal.show(terminal.rows("perhaps one person", [{"subject": one, "like": other} for one, other in pairs]))
    else:
        typer.echo(f"No two subjects of {project} sound alike.")


def merge(project: Project, file: ConfigFile = DEFAULT) -> None:
    """Make two subjects one: the pseudonym that stays and then the other are read from a prompt or standard input."""
    table, note = _table(project, file)
    stays, goes = _asked("pseudonym that stays"), _asked("pseudonym of the same person")
    note("subject merge", f"{project} {stays} {goes}")
    count = table.merge(stays, goes)
    typer.echo(
        f"{count} of the person's identifiers now lead to the pseudonym that stays. What was given out before stays."
    )


def link(
    project: Project,
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="The project whose pseudonym is wanted.")],
    file: ConfigFile = DEFAULT,
) -> None:
    """Tell the pseudonym in another project of who bears the one that is read from a prompt or standard input."""
    table, note = _table(project, file)
    other, _ = _table(to, file)
    pseudonym = _asked("pseudonym")
    note("subject link", f"{project} {to}")
    found = table.link(pseudonym, other)
    if found is None:
        raise Refused(f"nobody bears that pseudonym in {project}, or its subjects are not of kind context")
    typer.echo(found)


def _table(project: str, file: Path) -> tuple[Table, Callable[[str, str], None]]:
    """The table of a project, and how to write down what was done with it."""
    from cohortium import keys
    from cohortium.deidentify import load_protocol
    from cohortium.deidentify.table import means
    from cohortium.prove import audit
    from cohortium.store import open_store

    settings = config.load(file)
    key = keys.load(settings.site.key, settings.site.data)
    for pipeline in settings.pipelines:
        if pipeline.project == project:
            name = pipeline.protocol
            protocol = load_protocol(file.parent / name if name.endswith(".toml") else name, pipeline.level)
            _, table = means(settings.site, key, project, protocol)
            if table is not None:
                break
    else:
        raise ConfigError(f"no pipeline leads into {project} with subjects that a table knows")

    def note(what: str, about: str) -> None:
        with open_store(settings).begin() as connection:
            audit.record(connection, getuser(), what, about)

    return table, note


def _digest(key: SiteKey, project: str, patient_id: str) -> str:
    """By which an auditor who has the key and an ID can find who asked about it."""
    return hmac.digest(key.derive(ASKED, project), patient_id.encode(), "sha256").hex()[:16]


def _asked(what: str) -> str:
    """A value that must not stand on the command line."""
    text: str = typer.prompt(what, hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not text.strip():
        raise ConfigError(f"the {what} is missing; it is read from a prompt or from standard input")
    return text.strip()
