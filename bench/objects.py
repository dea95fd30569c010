"""What sealing costs: writing and reading objects of a CT slice's size, beside the same bytes in the clear.

    python bench/objects.py [--megabytes 200]

Both go through the same storage in one run, so that the ratio says what encryption and its names add: `clear` is what
the archive did before it sealed (a digest, a write that survives a power cut; a read, and its digest again).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from sqlalchemy import insert

from cohortium.archive import Address, Objects
from cohortium.archive.datakeys import DataKeys
from cohortium.archive.storage import Folder
from cohortium.keys import ephemeral
from cohortium.store import open_store
from cohortium.store.schema import project

SLICE = 1 << 19
PROJECT = {"name": "bench", "title": "", "admit": "check", "protocol": "", "protocol_digest": "", "created": ""}


def timed(what: str, count: int, work: Callable[[], None]) -> float:
    """MB a second of CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    size = count * SLICE / 1e6
    print(f"{what:<16}{size / wall:9.0f} MB/s{size / cpu:9.0f} MB/CPU s")
    return size / cpu


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=200)
    count = parser.parse_args().megabytes * 1_000_000 // SLICE
    contents = [os.urandom(SLICE) for _ in range(count)]
    with tempfile.TemporaryDirectory() as name:
        engine = open_store(Path(name))
        with engine.begin() as connection:
            connection.execute(insert(project).values(**PROJECT))
        objects = Objects(Folder(Path(name) / "objects"), DataKeys(engine, ephemeral()))
        clear, key = Folder(Path(name) / "clear"), objects.keys.of(1, "S1")
        digests = [sha256(content).hexdigest() for content in contents]

        def write_clear() -> None:
            for content in contents:
                digest = sha256(content).hexdigest()
                clear.write(f"{digest[:2]}/{digest}", content)

        def read_clear() -> None:
            for digest in digests:
                assert sha256(clear.read(f"{digest[:2]}/{digest}")).hexdigest() == digest

        def read_sealed() -> None:
            for at in addresses:
                objects.get(at)

        addresses: list[Address] = []
        timed("write clear", count, write_clear)
        timed("write sealed", count, lambda: addresses.extend(objects.put(key, content) for content in contents))
        before = timed("read clear", count, read_clear)
        now = timed("read sealed", count, read_sealed)
        print(f"a sealed read takes {before / now:.2f} of the CPU time of a read in the clear with its digest")
        engine.dispose()


if __name__ == "__main__":
    main()
