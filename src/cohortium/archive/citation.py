"""How a dataset version is cited: a sentence, and the same as DataCite's metadata schema 4.6 has it."""

from __future__ import annotations

from typing import Any

from cohortium.archive.datasets import Version

__all__ = ["datacite", "sentence"]


def sentence(version: Version, title: str, publisher: str) -> str:
    """Title, version, who keeps it, when it was frozen, and the identifier that anybody can compute again."""
    return (
        f"{title}: dataset version {version.name} ({version.created[:4]}). {publisher}. "
        f"{_count(version.subjects, 'subject')}, {_count(version.files, 'file')}, frozen {version.created[:10]}. "
        f"sha256:{version.digest}"
    )


def datacite(version: Version, title: str, publisher: str) -> dict[str, Any]:
    """The mandatory properties of DataCite 4.6 and those that are known; no DOI, since none was registered."""
    described = [{"description": version.description, "descriptionType": "Abstract"}] if version.description else []
    return {
        "schemaVersion": "http://datacite.org/schema/kernel-4",
        "identifiers": [{"identifier": f"sha256:{version.digest}", "identifierType": "SHA-256"}],
        "creators": [{"name": publisher, "nameType": "Organizational"}],
        "titles": [{"title": f"{title}: {version.name}"}],
        "publisher": {"name": publisher},
        "publicationYear": version.created[:4],
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Medical images, de-identified"},
        "version": version.name,
        "dates": [{"date": version.created[:10], "dateType": "Created"}],
        "sizes": [f"{version.files} files", f"{version.size} bytes"],
        "formats": ["application/dicom"],
        "descriptions": described,
    }


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
