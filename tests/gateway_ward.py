"""A gateway that watches a folder of a ward, listens for C-STORE, and lays what it makes into a share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cohortium import config, keys
from cohortium.gateway.state import state_of
from gateway_service import Service
from hospital import slice_of
from waiting import PATIENCE, free_port, until

__all__ = ["NAME", "PATIENCE", "Ward", "ward"]

NAME = "WARD-SEVEN"
CONFIGURATION = """
[site]
data = "{data}"
[gateway]
quiet_seconds = 0
log = "logs/gateway.log"
[limits]
free_megabytes = 0
[[project]]
name = "study"
[[source.receiver]]
name = "pacs"
port = {port}
peers = ["SENDER@127.0.0.1"]
[[source.folder]]
name = "ward"
path = "{name}"
settle_seconds = 0
look_seconds = 1
[[destination.folder]]
name = "share"
path = "share"
[[pipeline]]
name = "ct"
sources = ["pacs", "ward"]
project = "study"
destinations = ["share"]
specification = "basic"
"""


class Ward(Service):
    """The gateway as a process, and what it shows of itself."""

    @property
    def root(self) -> Path:
        return self.file.parent

    @property
    def share(self) -> Path:
        return self.root / "share"

    def put(self, *numbers: int) -> None:
        """Slices of those numbers appear on the ward."""
        for number in numbers:
            (self.root / NAME / f"{number}.dcm").write_bytes(slice_of(number))

    def counts(self) -> dict[str, int]:
        return dict(state_of(config.load(self.file)).states["ct"])

    def trouble(self) -> dict[str, str]:
        return dict(state_of(config.load(self.file)).trouble)

    def laid(self) -> list[Path]:
        return [path for path in self.share.rglob("*") if path.is_file()]

    def log(self, number: str = "") -> str:
        return (self.root / "logs" / f"gateway.log{number}").read_text("utf-8")

    def wait_until(self, true: Callable[[], bool]) -> None:
        """While the gateway lives."""

        def is_so() -> bool:
            assert self.process
            assert self.process.poll() is None, "the gateway ended by itself"
            return true()

        until(is_so, pause=0.1)


@contextmanager
def ward(folder: Path, data: Path) -> Iterator[Ward]:
    """One that was not started yet; killed in the end, if it still runs."""
    made = Ward(folder / "cohortium.toml", free_port())
    made.file.write_text(CONFIGURATION.format(data=data, port=made.port, name=NAME))
    keys.create(folder / "keys" / "site.key")
    for name in ("share", NAME):
        (folder / name).mkdir()
    yield made
    if made.process and made.process.poll() is None:
        made.kill()
