"""A dataset version of this site's own archive as a source: what people curated goes through a second protocol.

A version never changes, so each of its images comes in once, and what was brought is known after a restart. What was
removed or withdrawn since it was frozen does not come.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from cohortium.acquire.intake import Intake
from cohortium.archive import Archive, datasets, objects
from cohortium.errors import ConfigError, Refused

__all__ = ["Collection"]

GLANCE = 500  # files that the store is asked about at once


class Collection:
    """The images of one version."""

    def __init__(self, version: str, intake: Intake, archive: Archive) -> None:
        self.intake = intake
        self._version = version
        self._archive = archive
        self._is_whole = False

    def look(self) -> Iterator[None]:
        """Bring in what is not there yet; one step of the iterator a file of the version."""
        if self._is_whole:
            return
        with self.intake.spool.reading() as connection:
            version = datasets.identified(connection, self._version)
            files = datasets.files(connection, version) if version else iter(())
            wanted = {each.digest: each.size for each in files}
        if version is None:
            raise ConfigError(f"source {self.intake.came.source}: this archive has no such dataset version")
        digests = iter(wanted)
        while batch := list(islice(digests, GLANCE)):
            found = {digest: self.intake.found(digest, wanted[digest]) for digest in batch}
            known = self.intake.spool.known(found.values())
            for digest in batch:
                if found[digest].path not in known:
                    self._bring(version.project_id, digest)
                yield
        self._is_whole = True

    def _bring(self, project_id: int, digest: str) -> None:
        with self.intake.spool.reading() as connection:
            at = objects.find(connection, project_id, digest)
        if at is not None:
            with suppress(Refused):  # a file that is no image, which is accounted for
                self.intake.take(digest, [self._archive.objects.get(at)])
