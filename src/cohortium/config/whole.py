"""The configuration as one value, and the tables of its file by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cohortium.config.sections import (
    Backup,
    Gateway,
    Limits,
    Mail,
    Oidc,
    Pipeline,
    Project,
    Quota,
    Serve,
    Site,
    Store,
)
from cohortium.config.ways import (
    Curated,
    Destination,
    Drop,
    Laid,
    Pacs,
    Receiver,
    Scp,
    SftpServer,
    Source,
    Stow,
    Upload,
    Watched,
)
from cohortium.errors import ConfigError

__all__ = ["ARCHIVE", "LISTS", "SECTIONS", "Config"]

ARCHIVE = "archive"  # the destination that every site has: its own archive

SECTIONS: Mapping[str, type] = {
    "site": Site,
    "store": Store,
    "backup": Backup,
    "serve": Serve,
    "mail": Mail,
    "oidc": Oidc,
    "limits": Limits,
    "quota": Quota,
    "gateway": Gateway,
}
LISTS: Mapping[str, type] = {
    "project": Project,
    "source.folder": Watched,
    "source.receiver": Receiver,
    "source.pacs": Pacs,
    "source.http": Upload,
    "source.sftp": Drop,
    "source.dataset": Curated,
    "destination.stow": Stow,
    "destination.dicom": Scp,
    "destination.sftp": SftpServer,
    "destination.folder": Laid,
    "pipeline": Pipeline,
}


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration; `origin` tells for each `section.key` where its value came from."""

    file: Path
    site: Site
    store: Store
    backup: Backup
    serve: Serve
    mail: Mail
    oidc: Oidc
    limits: Limits
    quota: Quota
    gateway: Gateway
    projects: tuple[Project, ...]
    sources: tuple[Source, ...]
    destinations: tuple[Destination, ...]
    pipelines: tuple[Pipeline, ...]
    origin: Mapping[str, str]

    def project(self, name: str) -> Project:
        """The project of that name, which is there."""
        return next(project for project in self.projects if project.name == name)

    def first_of(self, source: str) -> str:
        """The first pipeline that names the source; what comes by it is accounted there until one takes it."""
        for pipeline in self.pipelines:
            if source in pipeline.sources:
                return pipeline.name
        raise ConfigError(f"no pipeline takes from source {source}; name it in a pipeline's sources")

    def listed(self, name: str) -> list[Project | Source | Destination | Pipeline]:
        """The entries of the file's tables of that name, in order."""
        entries = (*self.projects, *self.sources, *self.destinations, *self.pipelines)
        return [each for each in entries if type(each) is LISTS[name]]
