"""The process that does what must happen later, or again; `serve` starts one as well."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor
from functools import partial
from multiprocessing import resource_tracker
from typing import Annotated

import typer

from cohortium import config
from cohortium.cli.options import DEFAULT, ConfigFile
from cohortium.cli.workers import leave_with, workers

__all__ = ["beside", "deaf", "worker"]

LOOK = 2.0  # seconds


def worker(
    file: ConfigFile = DEFAULT,
    once: Annotated[bool, typer.Option("--once", help="End when nothing is due, instead of waiting for more.")] = False,
) -> None:
    """Do the jobs that are due: signing the audit, clearing away what has ended; Ctrl-C ends it."""
    settings = config.load(file)

    from cohortium.worker import work

    with contextlib.suppress(KeyboardInterrupt):
        work(settings, once=once, pool=partial(_pool, settings))


@contextlib.contextmanager
def beside(settings: config.Config) -> Iterator[None]:
    """A worker in a process of its own while the block runs; of all such workers on one store, one is at work."""
    over = threading.Event()
    keeper = threading.Thread(target=_keep, args=(settings, over))
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()


@contextlib.contextmanager
def deaf() -> Iterator[None]:
    """Processes started in the block do not hear Ctrl-C, which reaches all of them: who started them ends them."""
    resource_tracker.ensure_running()  # which would unblock what is blocked next
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _keep(settings: config.Config, over: threading.Event) -> None:
    """Start the process, and another where that ended by itself."""
    while not over.wait(LOOK):  # after those that answer, which people wait for
        process = multiprocessing.get_context("spawn").Process(target=_work, args=(settings, os.getpid()))
        with deaf():
            process.start()
        while process.is_alive() and not over.wait(LOOK):
            pass
        process.terminate()
        process.join()


def _work(settings: config.Config, parent: int) -> None:
    leave_with(parent)

    from cohortium.worker import work

    work(settings, elected=True, pool=partial(_pool, settings))


def _pool(settings: config.Config) -> contextlib.AbstractContextManager[Executor | None]:
    """Processes for work that takes long, one for each core."""
    data = settings.site.data
    return workers(os.cpu_count() or 1, "", data, data, fresh=True)
