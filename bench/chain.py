"""From a sender's bytes to the outbox: files a CPU second of the one process, and what each stage costs of it.

    python bench/chain.py [--slices 300] [--profile]

CT slices of 0.53 MB are taken in (sealed, synced, listed), de-identified by `basic` and checked by series, and stand in
the outbox at the end. What the network costs is `bench/receive.py`'s. The plan of the protocol is compiled before, as
in a gateway that runs for years. `--profile` lists the dearest functions.
"""

from __future__ import annotations

import argparse
import cProfile
import hmac
import os
import pstats
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from shares import Cipher, Shares
from slices import make

from cohortium import config, keys, sealed
from cohortium.acquire.intake import Intake
from cohortium.archive import Archive, storage_of
from cohortium.deidentify import Deidentifier
from cohortium.gateway import chain as gateway_chain
from cohortium.gateway.chain import Chain
from cohortium.spool import Came, Spool, items
from cohortium.store import open_store
from cohortium.values import State

CONFIGURATION = """
[[project]]
name = "study"
[[source.receiver]]
name = "pacs"
peers = ["SENDER@127.0.0.1"]
[[pipeline]]
name = "ct"
sources = ["pacs"]
project = "study"
specification = "basic"
gate = false
"""
PIECE = 1 << 18


def pieces(content: bytes) -> Iterator[memoryview]:
    view = memoryview(content)
    return (view[start : start + PIECE] for start in range(0, len(view), PIECE))


def watched() -> Shares:
    """What tells on what the time goes."""
    sealed.AESGCM = Cipher  # type: ignore[assignment, misc]
    shares = Shares()
    shares.watch("AES-256-GCM", (Cipher, "encrypt"), (Cipher, "decrypt"), (sealed, "_file_key"))
    shares.watch("digests: SHA-256, and keyed", (hmac.HMAC, "update"), (gateway_chain, "sha256"))
    shares.watch("writing and renaming", (os, "open"), (os, "write"), (os, "close"), (Path, "replace"))
    shares.watch("syncing (fsync)", (os, "fsync"))
    shares.watch("reading files", (Spool, "incoming"))
    shares.watch("de-identifying", (Deidentifier, "__call__"))
    shares.watch("describing what was made", (gateway_chain.meta, "describe"))
    shares.watch("checking series", (gateway_chain, "check"))
    shares.watch("rows", *((Spool, name) for name in ("list_accepted", "_write", "words", "series", "unchecked")))
    shares.watch("rows", (Archive, "note"), (items, "in_state"))
    return shares


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        make(root, options.slices)
        contents = [path.read_bytes() for path in sorted((root / "in").iterdir())]
        (root / "cohortium.toml").write_text(CONFIGURATION)
        keys.create(root / "keys" / "site.key")
        settings = config.load(root / "cohortium.toml")
        key, engine = keys.load(settings.site.key, settings.site.data), open_store(settings)
        with Spool(engine, settings.site.data / "spool", key) as spool:
            archive = Archive(engine, storage_of(settings), key)
            chain = Chain(settings, key, spool, archive, lambda *_: None)
            intake = Intake(spool, Came("pacs", "ct"), 1 << 31, 0)

            def receive() -> None:
                for number, content in enumerate(contents):
                    intake.take(f"2.25.{number}", pieces(content))
                spool.list_accepted()

            shares = watched()
            stages: dict[str, Callable[[], Any]] = {
                "received and listed": receive,
                "de-identified": chain.deidentify,
                "checked, into the outbox": lambda: chain.check(lambda *_: True),
            }
            chain.lines.by_name["ct"].deidentifier(contents[0])
            shares.spent.clear()
            profile = cProfile.Profile() if options.profile else None
            total = 0.0
            for what, stage in stages.items():
                before = time.process_time()
                if profile:
                    profile.runcall(stage)
                else:
                    stage()
                took = time.process_time() - before
                total += took
                print(f"{what:<28}{took / options.slices * 1000:8.2f} ms of CPU a file")
            assert spool.count(State.OUTBOX) == options.slices, "not all came through"
    print(f"{'together':<28}{total / options.slices * 1000:8.2f} ms: {options.slices / total:.0f} files a CPU second")
    print(*shares.show(total, options.slices), sep="\n")
    if profile:
        pstats.Stats(profile).sort_stats("cumtime").print_stats("cohortium|openssl|fsync", 45)


if __name__ == "__main__":
    main()
