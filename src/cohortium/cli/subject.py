"""From patients to subjects. No command here takes an identifier on the command line, where others can read it."""

from __future__ import annotations

import hmac
import json
import sys
from datetime import UTC, datetime, timedelta
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cohortium import config
from cohortium.cli.options import DEFAULT, AsJson, ConfigFile
from cohortium.errors import ConfigError, Unavailable

if TYPE_CHECKING:  # help is instant without it
    from cohortium.keys import SiteKey

__all__ = ["import_", "includes", "secret"]

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
    from cohortium.deidentify.table import Table, path_of
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
    with open_store(settings.site.data).begin() as connection:
        for span, most in LIMITS:
            since = (datetime.now(UTC) - span).isoformat(timespec="microseconds")
            if audit.count(connection, ASKED, since) >= most:
                raise Unavailable(f"{most} questions were asked within {span}; wait, and ask again")
        audit.record(connection, getuser(), ASKED, f"{project} {_digest(key, project, patient.patient_id)}")
        found = holds(connection, project, pseudonyms)
    typer.echo(json.dumps({"project": project, "included": found}) if as_json else "yes" if found else "no")


def _digest(key: SiteKey, project: str, patient_id: str) -> str:
    """By which an auditor who has the key and an ID can find who asked about it."""
    return hmac.digest(key.derive(ASKED, project), patient_id.encode(), "sha256").hex()[:16]


def _asked(what: str) -> str:
    """A value that must not stand on the command line."""
    text: str = typer.prompt(what, hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not text.strip():
        raise ConfigError(f"the {what} is missing; it is read from a prompt or from standard input")
    return text.strip()
