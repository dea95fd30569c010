"""Rows: one SQL schema, how to reach it on SQLite or PostgreSQL, and how it grows from release to release."""

from cohortium.store import jobs, schema
from cohortium.store.engine import (
    RESTORING,
    insert_each_once,
    insert_once,
    is_ready,
    now,
    open_store,
    scrub,
    total,
)

__all__ = [
    "RESTORING",
    "insert_each_once",
    "insert_once",
    "is_ready",
    "jobs",
    "now",
    "open_store",
    "schema",
    "scrub",
    "total",
]
