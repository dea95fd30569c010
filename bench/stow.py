"""What each step of taking in a CT slice costs: CPU milliseconds of one thread, so that a loss shows where it is.

    python bench/stow.py [--slices 250]

The steps are those of `Archive.admit_all`, each alone over the same slices, the quickest of some rounds; `copy` is
what no program does without. `admitted` is all of it at once, index and audit included, whose transactions a request of
few slices pays alone; a server receives and answers besides.
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import dicomweb

import portal_site
from cohortium import keys, sealed
from cohortium.archive import Archive, Offer
from cohortium.archive.inspection import inspect
from cohortium.archive.storage import Folder
from cohortium.dicom import elements, meta
from cohortium.store import open_store
from cohortium.wire import dicomjson
from cohortium.wire.multipart import Reader, Writer, media_type

ROUNDS = 5
PIECE = 1 << 18  # bytes of a body that come at once


def timed(what: str, count: int, work: Callable[[int], Any], rounds: int = ROUNDS) -> None:
    """`work` of the number of each round."""
    took = []
    for number in range(rounds):
        before = time.process_time()
        work(number)
        took.append(time.process_time() - before)
    print(f"{what:<34}{min(took) / count * 1000:8.3f} ms", flush=True)


def steps(contents: list[bytes], folder: Path) -> None:
    count, key = len(contents), os.urandom(32)
    digest = portal_site.PROTOCOL.digest
    files = [elements.read(content) for content in contents]
    documents = [dicomjson.document(file.elements) for file in files]
    first = dicomjson.unpack(dicomjson.pack(documents[0]))
    storage, sealed_ones = Folder(folder / "objects"), [sealed.sealed(key, content) for content in contents]

    def each(function: Callable[[Any], Any], things: Iterable[Any]) -> Callable[[int], None]:
        def work(_: int) -> None:
            for thing in things:
                function(thing)

        return work

    timed("copy", count, each(bytearray, contents))
    timed("parts out of a body", count, each(parts, [body(contents)]))
    timed("SHA-256", count, each(lambda content: sha256(content).hexdigest(), contents))
    timed("read strictly and inspect", count, each(lambda content: inspect(content, digest), contents))
    timed("describe for the index", count, each(lambda file: meta.described(file, ""), files))
    timed("header as DICOM JSON", count, each(lambda file: dicomjson.document(file.elements), files))
    timed("compress the header", count, each(lambda document: dicomjson.pack(document, first), documents))
    timed("AES-256-GCM", count, each(lambda content: sealed.sealed(key, content), contents))
    names = [[f"{number:02x}/{n:064x}" for n in range(count)] for number in range(ROUNDS)]
    timed("write and flush", count, lambda n: storage.write_all(zip(names[n], sealed_ones, strict=True)))


def body(contents: list[bytes]) -> tuple[str, list[bytes]]:
    """A body of STOW-RS as it comes in, and its boundary."""
    writer = Writer("application/dicom")
    whole = b"".join(writer.head("application/dicom") + each for each in contents) + writer.end()
    boundary = media_type(writer.content_type).parameters["boundary"]
    return boundary, [whole[at : at + PIECE] for at in range(0, len(whole), PIECE)]


def parts(sent: tuple[str, list[bytes]]) -> int:
    reader = Reader(sent[0], 1 << 30)
    return sum(1 for piece in sent[1] for _ in reader.feed(piece))


def admitted(contents: list[bytes], folder: Path) -> None:
    archive = Archive(open_store(folder), folder, keys.ephemeral())
    project = portal_site.config.Project("lung", "Lung study", "check")
    archive.open_project(project, portal_site.PROTOCOL)
    few = len(contents) // ROUNDS

    def work(number: int) -> None:
        offers = [Offer(content, None) for content in contents[number * few : (number + 1) * few]]
        assert len(archive.admit_all(offers, "lung", "bench")) == few

    timed(f"admitted, {few} a request", few, work)
    archive.engine.dispose()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--slices", type=int, default=250)
    contents = list(islice(dicomweb.slices(), parser.parse_args().slices))
    with tempfile.TemporaryDirectory() as name:
        gc.collect()
        gc.freeze()  # as `cohortium serve` does
        print(f"{len(contents)} CT slices of {len(contents[0]) / 1e6:.2f} MB; CPU of each, the quickest of {ROUNDS}")
        steps(contents, Path(name))
        admitted(contents, Path(name))


if __name__ == "__main__":
    main()
