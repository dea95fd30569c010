"""Who does bulk work: this process, a pool of processes, or a Dask cluster by address.

What always holds: the site's key travels with the work, so it goes to no other machine except under TLS; and what
workers log, show or write to their disks names neither a file nor a patient.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from cohortium import __version__
from cohortium.errors import ConfigError, Refused, Unavailable

__all__ = ["leave_with", "workers"]

PARENT_LOOKED_FOR = 1.0  # seconds
LOST = "workers were lost, perhaps for want of memory; run again: what is done stays done"


@contextmanager
def workers(
    jobs: int, cluster: str, source: Path, destination: Path, *, fresh: bool = False
) -> Iterator[Executor | None]:
    """An executor for the work, or None to do it here; a cluster's workers must see both folders under these paths.

    `fresh` processes begin with nothing of this one's: libraries that have threads of their own, as polars does, stand
    still in a copy of a process that used them.
    """
    try:
        if cluster:
            destination.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _dask(cluster, (source, destination)) as executor:
                yield executor
        elif jobs > 1:
            context = multiprocessing.get_context("spawn") if fresh else None
            with ProcessPoolExecutor(jobs, context, leave_with, (os.getpid(),)) as pool:
                yield pool
        else:
            yield None
    except (BrokenExecutor, CancelledError):
        raise Unavailable(LOST) from None


def leave_with(parent: int) -> None:
    """Runs in a worker: end it when its parent was killed, for it knows the key."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_LOOKED_FOR)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _dask(address: str, folders: tuple[Path, ...]) -> Iterator[Executor]:
    _refuse_plain(address)
    try:
        from distributed import Client, KilledWorker
        from distributed.security import Security
    except ImportError:
        raise ConfigError("--cluster needs Dask: pip install 'cohortium[dask]'") from None
    if address.startswith("tls:") and Security().get_connection_args("client")["ssl_context"] is None:
        raise ConfigError("tls:// needs Dask's certificates: see docs/operations.md")
    try:
        client = Client(address, timeout=10, set_as_default=False)
    except OSError:
        raise Unavailable("no Dask scheduler answers at the address of --cluster") from None
    try:
        with client:
            _same_everywhere(client.run(_look, tuple(map(str, folders))))
            with client.get_executor(pure=False) as executor:
                yield executor
    except KilledWorker:
        raise Unavailable(LOST) from None


def _refuse_plain(address: str) -> None:
    url = urlsplit(address)
    if url.scheme not in ("tcp", "tls") or not url.hostname:
        raise ConfigError("--cluster wants tls://HOST:PORT, or tcp://127.0.0.1:PORT on one machine")
    if url.scheme == "tcp" and not _is_loopback(url.hostname):
        raise Refused("the site's key would travel in the clear; give the scheduler TLS and a tls:// address")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker says of itself: its Cohortium, whether it sees the folders, and may write results to disk."""

    version: str
    sees: bool
    spills: bool


def _look(folders: tuple[str, ...]) -> Worker:
    """Runs on a worker. A result holds the path of its input, and Dask writes results to disk unless told not to."""
    import dask

    spills = any(dask.config.get(f"distributed.worker.memory.{when}") is not False for when in ("target", "spill"))
    return Worker(__version__, all(Path(folder).is_dir() for folder in folders), spills)


def _same_everywhere(workers: dict[str, Worker]) -> None:
    if not workers:
        raise Unavailable("the cluster has no worker; start one with `dask worker`")
    if any(each.version != __version__ for each in workers.values()):
        raise Refused(f"a worker runs another version of Cohortium than {__version__}; install the same on all")
    if any(each.spills for each in workers.values()):
        raise Refused(
            "a worker may write results, which name files, to its disk; start it with "
            "DASK_DISTRIBUTED__WORKER__MEMORY__TARGET=False and DASK_DISTRIBUTED__WORKER__MEMORY__SPILL=False"
        )
    if not all(each.sees for each in workers.values()):
        raise Unavailable("a worker does not see SRC and DST; mount both on every machine under the same path")
