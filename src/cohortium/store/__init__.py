"""Rows: one SQL schema, how to reach it, and how it grows from release to release."""

from cohortium.store import schema
from cohortium.store.engine import insert_once, now, open_store

__all__ = ["insert_once", "now", "open_store", "schema"]
