"""Whether a project holds a subject: the one question that is asked with a patient's identifier in hand.

Only the pseudonym comes here; who it stands for was worked out, and asked about, elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, select

from cohortium.store import schema

__all__ = ["includes"]


def includes(connection: Connection, project: str, pseudonyms: Collection[str]) -> bool:
    """Whether the archive holds one of these subjects in the project."""
    query = (
        select(schema.subject.c.id)
        .join(schema.project)
        .where(schema.project.c.name == project, schema.subject.c.PatientID.in_(pseudonyms))
    )
    return connection.execute(query.limit(1)).first() is not None
