"""One command per verb: reads the command line and the configuration, calls the verb, prints what came of it.

Nothing is decided here. What Cohortium raises on purpose ends as one line on standard error and a documented exit
code; anything else shows its place in the code and never its message, which may quote data. Verbs are imported inside
their commands, so that help is instant.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated, Any

import typer

from cohortium import __version__
from cohortium.cli import (
    anonymise,
    archive,
    asking,
    audit,
    backup,
    capturing,
    check,
    checks,
    clinical,
    ctp,
    dataset,
    deidentify,
    demo,
    envelope,
    files,
    gateway,
    people,
    project,
    protocol,
    pull,
    quarantine,
    receipt,
    serve,
    site,
    subject,
    verify,
    worker,
)
from cohortium.cli.options import FAILED, FAULTY, FOUND
from cohortium.errors import CohortiumError, Unavailable

__all__ = ["EXIT_CODES", "app", "main"]

EXIT_CODES = {
    0: "Done.",
    1: "Stopped for a reason without a code of its own, such as a reader of the output that went away.",
    2: "The configuration or the command line is wrong; nothing was started.",
    3: "Refused: a policy says no, and asking again will not help.",
    4: "The input cannot be understood.",
    5: "Something needed is not there just now (disk full, port taken); nothing is lost, try again.",
    6: "Stored bytes are not what was stored; stop and look.",
    FOUND: "Identifying values were found in what was to hold none.",
    FAILED: "A check of the proof failed: outputs are not what their inputs were to become.",
    FAULTY: "The delivery was checked, and it has findings of severity error.",
    130: "Interrupted by Ctrl-C; what was done is kept.",
}


def main() -> None:
    """The entry point: runs a command and turns what it raised into an exit code."""
    os.umask(0o077)  # other users of the machine see nothing of what is written
    try:
        try:
            app(prog_name="cohortium")
        finally:
            sys.stdout.flush()
    except CohortiumError as error:
        typer.echo(f"cohortium: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains once more as it exits
        sys.exit(1)
    except OSError as error:  # without the path, which may name a patient
        place = traceback.extract_tb(error.__traceback__)[-1]
        typer.echo(f"cohortium: {error.strerror or type(error).__name__} ({place.name}, line {place.lineno})", err=True)
        sys.exit(Unavailable.exit_code)
    except Exception as error:  # noqa: BLE001  the last line: where it was, not what it says
        lines = "".join(traceback.format_tb(error.__traceback__))
        typer.echo(
            f"{lines}cohortium: a defect ({type(error).__name__}); please report it with the lines above", err=True
        )
        sys.exit(1)


def _group(**options: Any) -> typer.Typer:
    return typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False, **options
    )


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cohortium {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    pass


app = _group(
    help="De-identify, check, deposit and find medical images for research.",
    epilog="\b\nExit codes:\n" + "\n".join(f"  {code:<5}{meaning}" for code, meaning in EXIT_CODES.items()),
    callback=_options,
)
check_commands = _group(
    cls=check.Delivery, help="Deliveries: `check FOLDER` checks one; `run` may be left out, unless FOLDER is called so."
)
config_commands = _group(help="Look at the configuration.")
gateway_commands = _group(help="The hospital's side: from folders of DICOM into the archive.")
ctp_commands = _group(help="Scripts of RSNA CTP: what they do, and as protocols.")
user_commands = _group(help="People who may log in.")
token_commands = _group(help="What programs show in place of a password.")
prove_commands = _group(help="Proof of what was done.")
audit_commands = _group(help="Who did what: taken out, and checked.")
project_commands = _group(help="Who may do what in a project.")
archive_commands = _group(help="The archive, looked after.")
dataset_commands = _group(help="Dataset versions: frozen, listed, compared, cited.")
clinical_commands = _group(help="Clinical tables: in, from a study's own export; out, as a package for submission.")
protocol_commands = _group(help="Protocols: compared, approved, retired.")
key_commands = _group(help="The site's key, in an envelope for a safe and out of it.")
table_commands = _group(help="The table of correspondence, in an envelope for a safe and out of it.")
subject_commands = _group(help="From patients to subjects: secrets, lookup lists, and who is in a project.")

app.command()(demo.demo)
app.command()(site.init)
app.add_typer(config_commands, name="config")
config_commands.command("show")(site.show)
app.command()(deidentify.deidentify)
app.command()(anonymise.anonymise)
app.command()(verify.verify)
app.add_typer(check_commands, name="check")
check_commands.command("run")(check.run)
check_commands.command("compare")(check.compare)
check_commands.command("archive")(checks.archive)
check_commands.command("findings")(checks.findings)
check_commands.command("waive")(check.waive)
check_commands.command("reopen")(check.reopen)
app.add_typer(gateway_commands, name="gateway")
gateway_commands.command("run")(gateway.run)
gateway_commands.command("once")(gateway.once)
gateway_commands.command("status")(gateway.status)
gateway_commands.command("compare")(gateway.compare)
gateway_commands.command("drain")(gateway.drain)
gateway_commands.command("quarantine")(quarantine.quarantine)
gateway_commands.command("release")(quarantine.release)
gateway_commands.command("reject")(quarantine.reject)
gateway_commands.command("again")(quarantine.again)
gateway_commands.command("export")(quarantine.export)
gateway_commands.command("ask")(asking.ask)
gateway_commands.command("asked")(asking.asked)
app.command()(serve.serve)
app.command()(backup.backup)
app.command()(backup.restore)
app.add_typer(key_commands, name="key")
key_commands.command("public")(receipt.public)
key_commands.command("identity")(envelope.identity)
key_commands.command("export")(envelope.export_key)
key_commands.command("import")(envelope.import_key)
app.add_typer(table_commands, name="table")
table_commands.command("export")(envelope.export_table)
table_commands.command("import")(envelope.import_table)
app.command()(worker.worker)
app.add_typer(archive_commands, name="archive")
archive_commands.command("reindex")(archive.reindex)
archive_commands.command("fsck")(archive.fsck)
archive_commands.command("pack")(archive.pack)
archive_commands.command("withdraw")(archive.withdraw)
archive_commands.command("withdraw-consent")(archive.withdraw_consent)
archive_commands.command("attach")(files.attach)
archive_commands.command("detach")(files.detach)
app.command()(pull.pull)
app.add_typer(dataset_commands, name="dataset")
dataset_commands.command("freeze")(dataset.freeze)
dataset_commands.command("list")(dataset.list_versions)
dataset_commands.command("show")(dataset.show)
dataset_commands.command("compare")(dataset.compare)
dataset_commands.command("cite")(dataset.cite)
clinical_commands.command("draft")(capturing.draft)
clinical_commands.command("map")(capturing.mapped)
clinical_commands.command("export")(clinical.export)
app.add_typer(protocol_commands, name="protocol")
protocol_commands.command("diff")(protocol.diff)
protocol_commands.command("compare")(protocol.compare)
protocol_commands.command("submit")(protocol.submit)
protocol_commands.command("approve")(protocol.approve)
protocol_commands.command("retire")(protocol.retire)
protocol_commands.command("list")(protocol.list_)
app.add_typer(subject_commands, name="subject")
subject_commands.command("secret")(subject.secret)
subject_commands.command("import")(subject.import_)
subject_commands.command("includes")(subject.includes)
subject_commands.command("candidates")(subject.candidates)
subject_commands.command("merge")(subject.merge)
subject_commands.command("link")(subject.link)
app.add_typer(ctp_commands, name="ctp")
ctp_commands.command("explain")(ctp.explain)
ctp_commands.command("convert")(ctp.convert)
ctp_commands.command("lookup")(ctp.lookup)
app.add_typer(clinical_commands, name="clinical")
app.add_typer(user_commands, name="user")
user_commands.command("password")(people.password)
user_commands.command("add")(people.add)
user_commands.command("standing")(people.standing)
user_commands.command("list")(people.list_accounts)
user_commands.command("disable")(people.disable)
user_commands.command("enable")(people.enable)
user_commands.command("delete")(people.delete)
user_commands.add_typer(token_commands, name="token")
token_commands.command("make")(people.make_token)
token_commands.command("list")(people.list_tokens)
token_commands.command("revoke")(people.revoke_token)
app.add_typer(project_commands, name="project")
project_commands.command("grant")(project.grant)
project_commands.command("revoke")(project.revoke)
project_commands.command("list")(project.list_roles)
project_commands.command("visibility")(project.visibility)
app.add_typer(prove_commands, name="prove")
prove_commands.command("receipt")(receipt.receipt)
prove_commands.add_typer(audit_commands, name="audit")
audit_commands.command("export")(audit.export)
audit_commands.command("verify")(audit.verify)
