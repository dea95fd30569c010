"""Opens the ways in and out that a configuration names; one row each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from cohortium.acquire.intake import Intake
from cohortium.acquire.receiver import Receiver
from cohortium.archive import Archive
from cohortium.config import ARCHIVE, Config, Drop, Laid, Scp, SftpServer, Source, Stow, Upload
from cohortium.config import Receiver as ReceiverSettings
from cohortium.deposit import Folder, OwnArchive, Scu, Sender, Sftp, StowRs
from cohortium.errors import ConfigError

__all__ = ["opened", "senders"]

INTO: Mapping[type, Callable[[Any, Config, Intake], AbstractContextManager[object]]] = {
    ReceiverSettings: lambda way, config, intake: Receiver(way, intake, config.file.parent),
    Drop: lambda way, config, intake: _drop(way, config, intake),
    Upload: lambda *_: nullcontext(),  # the site's portal takes in, whether or not a gateway is at work
}
OUT: Mapping[type, Callable[[Any, Config], Sender]] = {
    Laid: lambda way, _: Folder(way.path, mounted=way.mount_point),
    Scp: lambda way, config: Scu(way, config.file.parent),
    SftpServer: lambda way, config: Sftp(way, config.file.parent),
    Stow: lambda way, config: StowRs(way, config.file.parent),
}


def opened(source: Source, config: Config, intake: Intake) -> AbstractContextManager[object]:
    """A source that takes in while it is entered."""
    return INTO[type(source)](source, config, intake)


def senders(config: Config, archive: Archive) -> dict[str, Sender]:
    """Every destination by name, the site's own archive first."""
    found: dict[str, Sender] = {ARCHIVE: OwnArchive(archive, config.site.name)}
    return found | {way.name: OUT[type(way)](way, config) for way in config.destinations}


def _drop(way: Drop, config: Config, intake: Intake) -> AbstractContextManager[object]:
    try:
        from cohortium.acquire import drop
    except ImportError:
        raise ConfigError("a source by SFTP needs the extra: pip install 'cohortium[sftp]'") from None
    return drop.Drop(way, config, intake)
