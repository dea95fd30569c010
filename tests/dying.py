"""`kill -9` at a moment that is counted and not timed: so it comes, however fast or busy the machine is.

A process counts how often it is about to touch the disk or the store, and kills itself at the chosen touch: or a little
later, in mid work, and who has ended by then waits for it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Engine, event

import unsynced

__all__ = ["COMMAND", "NEVER", "AtWork", "Moment", "at_work", "moments", "wait"]

TOUCHES = {"open", "os.remove", "os.link", "os.rename", "os.mkdir", "os.rmdir", "os.utime", "sqlite3.connect"}

COMMAND = """
from cohortium.cli import app
def act(*arguments):
    app(arguments, standalone_mode=False)
"""


class Moment(NamedTuple):
    """After so many touches, and so many seconds later."""

    touch: int
    later: float = 0


NEVER = Moment(0)


class AtWork(Protocol):
    """`at_work(*arguments, at=Moment(7))`: None where the work was killed, else how many touches it was."""

    def __call__(self, *arguments: object, at: Moment = NEVER) -> int | None: ...


def moments(chance: random.Random, touches: int, most: int = 3) -> list[Moment]:
    """One to `most` moments of a work of so many touches, of which half are in between two."""
    return [
        Moment(chance.randint(1, touches), chance.choice((0, chance.uniform(0, 0.003))))
        for _ in range(chance.randint(1, most))
    ]


@contextmanager
def at_work(program: str) -> Iterator[AtWork]:
    """Does `act(*arguments)`, which the program defines, in a child of a process that has run the program once."""
    command = [sys.executable, "-c", f"{program}\nimport dying\ndying.wait(act)"]
    with Popen(command, stdin=PIPE, stdout=PIPE, cwd=Path(__file__).parent, text=True, bufsize=1) as parent:
        assert parent.stdin
        assert parent.stdout

        def run(*arguments: object, at: Moment = NEVER) -> int | None:
            parent.stdin.write(json.dumps([*at, *map(str, arguments)]) + "\n")
            ended, touches = map(int, parent.stdout.readline().split())
            assert ended in (0, -signal.SIGKILL, -signal.SIGALRM), "it failed by itself; see what it wrote"
            return None if ended else touches

        yield run
        parent.kill()  # it waits for more


def wait(act: Callable[..., Any]) -> None:
    """Act in a child for each line read, and tell how each ended."""
    unsynced.begin()
    for line in sys.stdin:
        touch, later, *arguments = json.loads(line)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            touches = _mortal(Moment(touch, later))
            act(*arguments)
            os.write(write, str(touches()).encode())
            os._exit(0)
        os.close(write)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(status, os.read(read, 99).decode() or 0, flush=True)
        os.close(read)


def _mortal(moment: Moment) -> Callable[[], int]:
    """Let this process die at the moment; the function returned ends its work and tells the touches there were."""
    process, passed, doomed = os.getpid(), 0, False

    def touch(*_: object) -> None:
        nonlocal passed, doomed
        if os.getpid() != process:  # a child of it
            return
        passed += 1
        if passed >= moment.touch > 0 and not doomed:
            doomed = True
            if moment.later:
                signal.setitimer(signal.ITIMER_REAL, moment.later)  # as deadly, for nobody listens
            else:
                os.kill(process, signal.SIGKILL)

    def end() -> int:
        while doomed:
            signal.pause()
        return passed

    event.listen(Engine, "before_cursor_execute", touch)
    event.listen(Engine, "commit", touch)
    os.fsync = touch
    sys.addaudithook(lambda name, _: touch() if name in TOUCHES else None)
    return end
