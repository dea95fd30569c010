"""Which place is meant: by a command line, by a configuration, and where a site's own objects lie."""

from __future__ import annotations

from pathlib import Path

from cohortium.archive import bucket
from cohortium.archive.storage import storage_of
from cohortium.backup.place import Bucket, Folder, Place
from cohortium.config import BUCKET_URL, Backup, Config, overlap
from cohortium.errors import ConfigError, Refused

__all__ = ["objects_of", "place_at", "target_of"]

S3 = "s3://"


def place_at(target: str, settings: Backup, folder: Path, what: str) -> Place:
    """The place that a URL `s3://BUCKET/PREFIX` or the path of a folder names."""
    if not target.startswith(S3):
        return Folder(Path(target), what)
    if not BUCKET_URL.fullmatch(target):
        raise ConfigError(f"{what}: `s3://BUCKET` or `s3://BUCKET/PREFIX` is expected")
    return Bucket(bucket.Bucket(settings.store(target), folder), what)


def target_of(config: Config, target: str = "") -> Place:
    """The place named, else the configured one; `Refused` where it lies with what it is to outlive."""
    if not target and not config.backup.target:
        raise ConfigError("name a target, here or in the configuration: `[backup] target`")
    if not target:
        is_bucket = config.backup.target.startswith(S3)
        target = config.backup.target if is_bucket else str(config.file.parent / config.backup.target)
    if not target.startswith(S3):
        for where, path in (("site.data", config.site.data), ("site.key", config.site.key)):
            if overlap(Path(target), path):
                raise Refused(f"the target and {where} lie one inside the other; name a place apart from both")
    return place_at(target, config.backup, config.file.parent, "the target")


def objects_of(config: Config) -> Place:
    """Where the objects of a site lie."""
    if config.store.objects:
        return Bucket(storage_of(config), "the archive's bucket")
    return Folder(config.site.data / "objects", "site.data")
