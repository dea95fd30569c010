"""The one door into the archive: whatever the way it came, nothing is stored or indexed but through `Archive.admit`.

A receipt says that an enrolled site vouches for exactly these bytes; the archive's own inspection is made in any case.
Bytes are durable before a row names them, and all rows of an instance are written in one transaction, so that a
crash leaves at most an object that nothing refers to and that the next try adopts.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, Engine, RowMapping

from cohortium.archive import index, projects
from cohortium.archive.inspection import inspect
from cohortium.archive.objects import Objects
from cohortium.config import Project
from cohortium.dicom import meta
from cohortium.errors import Malformed, Refused
from cohortium.prove import audit, receipts
from cohortium.values import Finding, Instance, Protocol, Receipt

__all__ = ["Archive"]


class Archive:
    """The archive below the data root `data`, indexed in the store behind `engine`."""

    def __init__(self, engine: Engine, data: Path) -> None:
        self.engine = engine
        self.objects = Objects(data / "objects")

    def enrol(self, site: str, public_key: str) -> None:
        """Accept receipts of this site from now on (`public_key`: Ed25519, hex)."""
        with self.engine.begin() as connection:
            projects.enrol(connection, site, public_key)

    def open_project(self, project: Project, protocol: Protocol) -> int:
        """Make the project, or bring its row up to date; returns its id."""
        with self.engine.begin() as connection:
            return projects.open_project(
                connection,
                name=project.name,
                title=project.title,
                admit=project.admit,
                protocol=f"{protocol.name} {protocol.version}",
                digest=protocol.digest,
            )

    def admit(self, content: bytes | memoryview, project: str, receipt: Receipt | None, who: str) -> Instance:
        """Store and index one de-identified DICOM file, on the word of `who`; again with the same bytes: no change.

        Raises `Refused` where the receipt, the inspection or the index says no.
        """
        digest = sha256(content).hexdigest()
        with self.engine.execution_options(reading=True).begin() as connection:
            row = projects.project_named(connection, project)
            _check_receipt(connection, row, digest, receipt)
        inspect(content, row["protocol_digest"])
        try:
            instance = meta.describe(content, digest)
        except Malformed as error:
            raise Refused(f"not admitted: {error}") from None
        self._check_unique(row["id"], instance)
        self.objects.put(content)
        with self.engine.begin() as connection:
            if _is_new(connection, row["id"], instance):
                index.add(connection, row["id"], instance)
                audit.record(connection, who, "admit", f"{project}/{digest}")
        return instance

    def note(self, project_id: int, SeriesInstanceUID: str, findings: Iterable[Finding]) -> None:
        """Let these be the findings of the series, in place of earlier ones."""
        with self.engine.begin() as connection:
            index.replace_findings(connection, project_id, SeriesInstanceUID, findings)

    def _check_unique(self, project_id: int, instance: Instance) -> None:
        with self.engine.execution_options(reading=True).begin() as connection:
            _is_new(connection, project_id, instance)


def _check_receipt(connection: Connection, project: RowMapping, digest: str, receipt: Receipt | None) -> None:
    if receipt is None:
        if project["admit"] == "receipt":
            raise Refused(f"project {project['name']} admits nothing without the receipt of an enrolled site")
        return
    receipts.verify(receipt, projects.public_key(connection, receipt.site))
    if receipt.digest != digest:
        raise Refused("the receipt is for other bytes")
    if receipt.project != project["name"]:
        raise Refused("the receipt is for another project")
    if receipt.protocol != project["protocol_digest"]:
        raise Refused("the receipt is for another protocol than the project's")


def _is_new(connection: Connection, project_id: int, instance: Instance) -> bool:
    held = index.find_instance(connection, project_id, instance.SOPInstanceUID)
    if held not in (None, instance.digest):
        raise Refused("not admitted: the project holds other bytes under the same SOPInstanceUID")
    return held is None
