"""Native decoders in processes of their own: a crash or a hang costs one picture, never the program around it.

A damaged stream makes GDCM abort and OpenJPEG fault. So every compressed frame is decoded by a worker, which may use so
much memory and so much time and no more; a worker that dies is replaced, and the frame that killed it is `Malformed`.
(`concurrent.futures` would take all workers down with one, and has no way to end a call that hangs.)
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from queue import LifoQueue
from typing import Any

from cohortium.errors import Malformed

__all__ = ["Workers"]

SECONDS = 30  # for one call
MEMORY = 4 << 30  # bytes of address space of one worker
Expected = tuple[type[Exception], ...]


class Workers:
    """A few processes that import `module` once and then run its functions, one call at a time each.

    `expected` are the exceptions that come back from a call; any other ends the worker, as a crash does.
    """

    def __init__(self, module: str, expected: Expected, count: int = 2, seconds: float = SECONDS) -> None:
        self._context: Any = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
        self._context.set_forkserver_preload([module])
        self._expected = expected
        self._seconds = seconds
        self._idle: LifoQueue[_Worker | None] = LifoQueue()
        for _ in range(count):
            self._idle.put(None)  # started when first needed

    def run(self, function: Callable[..., Any], *arguments: object) -> Any:
        """`function(*arguments)` in a worker; `Malformed` if the worker dies of it."""
        worker = self._idle.get()
        try:
            worker = worker or _Worker(self._context, self._expected)
            succeeded, value = worker.ask(function, arguments, self._seconds)
        except (EOFError, OSError):
            if worker:
                worker.end()
            worker = None
            raise Malformed("the decoder crashed on it, or took too long") from None
        finally:
            self._idle.put(worker)
        if succeeded:
            return value
        raise value


class _Worker:
    """One process, and the pipe to it."""

    def __init__(self, context: Any, expected: Expected) -> None:
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, expected), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, function: Callable[..., Any], arguments: tuple[object, ...], seconds: float) -> tuple[bool, Any]:
        self._pipe.send((function, arguments))
        if not self._pipe.poll(seconds):
            raise TimeoutError
        answer: tuple[bool, Any] = self._pipe.recv()
        return answer

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _serve(pipe: Connection, expected: Expected) -> None:
    """Answer calls until the program is gone."""
    _confine()
    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:
            return
        try:
            answer = True, function(*arguments)
        except expected as error:
            answer = False, error
        pipe.send(answer)


def _confine() -> None:
    """Limit the worker's memory, and keep what native code prints to itself."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(null, stream)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program, which ends its workers
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold a picture
