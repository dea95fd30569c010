"""One command per verb: reads the command line and the configuration, calls the verb, prints what came of it.

Nothing is decided here. What Cohortium raises on purpose ends as one line on standard error and a documented exit
code; anything else is a defect and shows as one. Verbs are imported inside their commands, so that help is instant.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from cohortium import __version__, config
from cohortium.errors import CohortiumError, Refused, Unavailable

__all__ = ["EXIT_CODES", "app", "main"]


EXIT_CODES = {
    0: "Done.",
    1: "Stopped for a reason without a code of its own, such as a reader of the output that went away.",
    2: "The configuration or the command line is wrong; nothing was started.",
    3: "Refused: a policy says no, and asking again will not help.",
    4: "The input cannot be understood.",
    5: "Something needed is not there just now (disk full, port taken); nothing is lost, try again.",
    6: "Stored bytes are not what was stored; stop and look.",
    130: "Interrupted by Ctrl-C; what was done is kept.",
}


def _group(**options: Any) -> typer.Typer:
    return typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False, **options
    )


app = _group(
    help="De-identify, check, deposit and find medical images for research.",
    epilog="\b\nExit codes:\n" + "\n".join(f"  {code:<5}{meaning}" for code, meaning in EXIT_CODES.items()),
)
config_commands = _group(help="Look at the configuration.")
gateway_commands = _group(help="The hospital's side: from folders of DICOM into the archive.")
user_commands = _group(help="People who may log in.")
app.add_typer(config_commands, name="config")
app.add_typer(gateway_commands, name="gateway")
app.add_typer(user_commands, name="user")

ConfigFile = Annotated[Path, typer.Option("--config", metavar="FILE", help="The configuration to use.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
DEFAULT = Path("cohortium.toml")


def main() -> None:
    """The entry point: runs a command and turns what it raised into an exit code."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except CohortiumError as error:
        typer.echo(f"cohortium: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains once more as it exits
        sys.exit(1)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cohortium {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    pass


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where the new site is to live.")] = Path(),
) -> None:
    """Make a new site: its configuration, its key and its data folder."""
    from cohortium import keys

    file = folder / DEFAULT
    if file.exists():
        raise Refused(f"{file} exists; a site is made once, edit that file to change it")
    incoming = folder / config.EXAMPLE["pipeline"]["source"]
    try:
        incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.write_text(config.example(), "utf-8")
        site = config.load(file).site
        site.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Unavailable(f"{folder} cannot be prepared: {error.strerror}") from None
    key = keys.create(site.key)
    typer.echo(f"Made {file} and the site's key {site.key} (fingerprint {key.fingerprint()}).")
    typer.echo(
        "Keep a copy of the key in a safe place, apart from backups of the data: without it nothing can be read."
    )
    typer.echo(f"Next: put DICOM files into {incoming}, then run: cohortium gateway run --config {file}")


@config_commands.command("show")
def config_show(file: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Print every setting in force and where it came from: the file, the environment or the default."""
    rows = [{"name": n, "value": v, "origin": o} for n, v, o in config.in_force(config.load(file))]
    if as_json:
        typer.echo(json.dumps({"file": str(file), "settings": rows}, indent=2))
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        typer.echo(f"{row['name']:<{width}}  {json.dumps(row['value'], ensure_ascii=False)}  ({row['origin']})")


@app.command()
def serve(
    file: ConfigFile = DEFAULT,
    host: Annotated[str | None, typer.Option(help="Listen here instead of at the configured address.")] = None,
    port: Annotated[int | None, typer.Option(help="Listen on this port; 0 takes a free one.", min=0, max=65535)] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy in front of this address does TLS.")
    ] = False,
) -> None:
    """Open the archive to the browser; Ctrl-C ends it."""
    settings = config.load(file)
    host = settings.serve.host if host is None else host
    port = settings.serve.port if port is None else port
    if not (behind_proxy or _is_loopback(host)):
        raise Refused(f"{host} can be reached from other machines, and there is no TLS; see --behind-proxy")

    import uvicorn

    from cohortium.web.app import create

    with _listen(host, port) as listener:
        port = listener.getsockname()[1]
        application = create(replace(settings, serve=replace(settings.serve, host=host, port=port)))
        typer.echo(f"Cohortium is at http://{f'[{host}]' if ':' in host else host}:{port}/ (Ctrl-C ends it)")
        sys.stdout.flush()
        server = uvicorn.Server(uvicorn.Config(application, access_log=False, log_level="warning", server_header=False))
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise Unavailable(
            f"cannot listen at {host} port {port}: {error.strerror}; choose another with --port"
        ) from None
