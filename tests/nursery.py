"""`cohortium` in processes of its own, without what each spends on loading modules: most of the time of a short one.

One process has loaded them and waits for orders; every command is a child of it, with the arguments, the working
folder, the environment and the standard streams of who asks. What loads polars is loaded by each anew, for it has
threads, which a child does not have.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

__all__ = ["COMMAND", "Process", "orders", "run", "start"]

COMMAND = [sys.executable, "-c", "from cohortium.cli import main; main()"]
NURSERY = "import nursery; nursery.wait(); nursery.obey()"
LIBRARIES = (
    "ahocorasick_rs",
    "alembic.command",
    "argon2",
    "cryptography.hazmat.primitives.ciphers.aead",
    "fastapi.responses",
    "gdcm",
    "httpx",
    "jinja2",
    "multiprocessing.spawn",
    "numpy",
    "obstore.store",
    "PIL.Image",
    "prometheus_client",
    "pydicom.pixels",
    "pynetdicom",
    "pypdf",
    "pyrage",
    "rich.progress",
    "rich.table",
    "sqlalchemy.dialects.sqlite",
    "tarfile",
    "typer.main",
    "uvicorn",
    "xml.etree.ElementTree",
    "cohortium.acquire.drop",
    "cohortium.backup",
    "cohortium.cli",
    "cohortium.cli.terminal",
    "cohortium.cli.worker",
    "cohortium.client",
    "cohortium.deidentify.batch",
    "cohortium.deidentify.page",
    "cohortium.gateway.notices",
    "cohortium.gateway.service",
    "cohortium.verify",
    "cohortium.web.app",
    "cohortium.worker",
)
AT_THE_START = ("LD_", "MALLOC_", "PYTHON")  # names of what is looked at as a process begins, and never again
MESSAGE = 1 << 17  # bytes at most of arguments and environment


def _early(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(AT_THE_START)}


HERE, HOME = _early(os.environ), Path(__file__).parent


class Process:
    """A command at work, or ended: what a `subprocess.Popen` shows of it."""

    def __init__(self, keeper: socket.socket, stdout: IO[str] | None, stderr: IO[str] | None) -> None:
        self.stdout, self.stderr = stdout, stderr
        self.returncode: int | None = None
        self._keeper = keeper  # tells the process's number, and how it ended
        self.pid = int(keeper.recv(MESSAGE))

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.communicate()

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._keeper], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("cohortium", timeout or 0)
            self.returncode = int(self._keeper.recv(MESSAGE))
            self._keeper.close()
        return self.returncode

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it said last, when it has ended; it must be little, or it does not end."""
        self.wait(timeout)
        said = []
        for stream in (self.stdout, self.stderr):
            said.append(stream.read() if stream and not stream.closed else "")
            if stream:
                stream.close()
        return said[0], said[1]

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    *arguments: object,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    start_new_session: bool = False,
) -> Process | subprocess.Popen[str]:
    """`cohortium` with these arguments, the others as `subprocess.Popen` takes them.

    One of Python's own is started where the environment asks for what only a process that begins looks at.
    """
    words, environment = [str(each) for each in arguments], dict(os.environ if env is None else env)
    if _early(environment) != HERE:
        more = {"cwd": cwd, "env": environment, "start_new_session": start_new_session, "text": True}
        return subprocess.Popen([*COMMAND, *words], stdout=stdout, stderr=stderr, **more)
    order = {"argv": words, "cwd": str(cwd or Path.cwd()), "env": environment, "session": start_new_session}
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    told, opened = [None, None], []
    given = [there.fileno(), 0, 1 if stdout is None else stdout, 2 if stderr is None else stderr]
    for place, wish in enumerate((stdout, stderr)):
        if wish == subprocess.PIPE:
            reader, given[2 + place] = os.pipe()
            told[place] = os.fdopen(reader)
        elif wish == subprocess.DEVNULL:
            given[2 + place] = os.open(os.devnull, os.O_WRONLY)
        else:
            continue
        opened.append(given[2 + place])
    socket.send_fds(orders(), [json.dumps(order).encode()], given)
    there.close()
    for each in opened:
        os.close(each)
    return Process(here, *told)


def run(*arguments: object, timeout: float, **more: Any) -> subprocess.CompletedProcess[str]:
    """The same, ended, and what it said, as `subprocess.run` tells it."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = start(*arguments, stdout=output.fileno(), stderr=errors.fileno(), **more)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        for stream in (output, errors):
            stream.seek(0)
        return subprocess.CompletedProcess(arguments, code, output.read(), errors.read())


@cache
def orders() -> socket.socket:
    """Where orders go: to the nursery of this process, which ends with it, or to that of who started this process."""
    if inherited := os.environ.get("NURSERY"):
        return socket.socket(fileno=int(inherited))
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # who has threads cannot be forked
    nursery = subprocess.Popen([sys.executable, "-c", NURSERY], stdin=there, cwd=HOME, env=environment)
    there.close()
    atexit.register(nursery.wait)
    atexit.register(here.close)  # which ends it
    return here


def wait() -> None:
    """Wait for orders; returns in a child that is to carry one out, and in no other process."""
    for library in LIBRARIES:
        importlib.import_module(library)
    assert threading.active_count() == len(list(Path("/proc/self/task").iterdir())) == 1, (
        "who has threads cannot be forked"
    )
    gc.freeze()
    os.fsync = lambda _: None  # tests kill, and cut no power
    channel = socket.socket(fileno=0)
    while True:
        content, given, _, _ = socket.recv_fds(channel, MESSAGE, 4)
        if not content:
            os._exit(0)
        if not os.fork():
            break
        for each in given:
            os.close(each)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:  # the keepers of those that ended
                pass
    channel.detach()
    keeper, streams = socket.socket(fileno=given[0]), given[1:]
    if child := os.fork():
        for each in streams:
            os.close(each)
        keeper.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
        os._exit(0)
    _become(json.loads(content), streams)
    keeper.send(str(os.getpid()).encode())
    keeper.close()


def _become(order: dict[str, Any], streams: list[int]) -> None:
    if order["session"]:
        os.setsid()
    for place, each in enumerate(streams):
        os.dup2(each, place)
        os.close(each)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin deaf to it
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv[1:] = order["argv"]


def obey() -> None:
    """The command; it ends as an interpreter does, but for clearing away one by one what goes with the process."""
    from cohortium.cli import main

    try:
        main()
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):
            raise
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code or 0)
