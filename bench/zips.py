"""A whole study, and a whole dataset version, as one zip of 10 GB: first byte, speed, and the server's memory.

The study's 20,000 instances are rows of their own that share one sealed object of half a megabyte, which is read,
authenticated and checked as often as it is sent; so a small disk does for the measurement. Under 100 ms and flat is
what is asked for.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import httpx
import numpy as np
from sqlalchemy import insert, select, update

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import portal_site
from cohortium.archive import datasets
from cohortium.govern import users
from cohortium.store import schema

GIGABYTES = float(os.environ.get("GIGABYTES", "10"))
EDGE = 512
SIZE = EDGE * EDGE * 2
ROUNDS = 5
PLACES = {"study": "/sessions/1/archive.zip", "dataset version": "/projects/lung/datasets/all/archive.zip"}


def main() -> None:
    count = round(GIGABYTES * 1e9 / SIZE)
    with tempfile.TemporaryDirectory() as name:
        process = get_context("spawn").Process(target=_serve, args=(Path(name), count), daemon=True)
        process.start()
        while not (Path(name) / "url").exists():
            time.sleep(0.1)
        url, password = (Path(name) / "url").read_text("utf-8").split()
        load = f"the machine's load is {os.getloadavg()[0]:.1f}"
        print(f"{count:,} instances of {SIZE / 1e6:.2f} MB; {load}\n")
        with httpx.Client(auth=("admin", password), timeout=600, base_url=f"{url}/api/v1") as client:
            client.get("/account")  # argon2 takes its time, once
            for what, place in PLACES.items():
                _measure(client, what, place, process.pid or 0)
        process.kill()


def _measure(client: httpx.Client, what: str, place: str, pid: int) -> None:
    firsts = sorted(_first(client, place) for _ in range(ROUNDS))
    print(f"{what}: first byte {1000 * firsts[ROUNDS // 2]:.0f} ms (worst of {ROUNDS}: {1000 * firsts[-1]:.0f})")
    before, began, sent, most = _memory(pid), time.perf_counter(), 0, 0.0
    with client.stream("GET", place) as answer:
        for number, piece in enumerate(answer.iter_raw()):
            sent += len(piece)
            if number % 200 == 0:
                most = max(most, _memory(pid))
    seconds = time.perf_counter() - began
    print(f"  {sent / 1e9:.1f} GB at {sent / 1e6 / seconds:.0f} MB/s; memory {before:.0f} before, {most:.0f} at most\n")


def _first(client: httpx.Client, place: str) -> float:
    began = time.perf_counter()
    with client.stream("GET", place) as answer:
        next(answer.iter_raw())
        return time.perf_counter() - began


def _memory(pid: int) -> float:
    """Resident, in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def _serve(folder: Path, count: int) -> None:
    settings = portal_site.configuration(folder)
    with portal_site.served(settings) as served:
        dataset = portal_site.ct_slice(0, "S-0001", "2.25.500", "2.25.501")
        dataset.Rows = dataset.Columns = EDGE
        dataset.PixelData = np.random.default_rng(1).integers(0, 4096, EDGE * EDGE, "<u2").tobytes()
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", [portal_site.encode(dataset)])
        password = users.ensure_administrator(served.engine)
        with served.engine.begin() as connection:
            connection.execute(update(schema.user).values(one_time=False))
            row = dict(connection.execute(select(schema.instance)).mappings().one())
            del row["id"]
            more = [{**row, "SOPInstanceUID": f"2.25.9.{n}"} for n in range(1, count)]
            connection.execute(insert(schema.instance), more)
            datasets.freeze(connection, 1, "all", "admin")
        (folder / "url.part").write_text(f"{served.url} {password}", "utf-8")
        (folder / "url.part").rename(folder / "url")
        time.sleep(1 << 20)


if __name__ == "__main__":
    main()
