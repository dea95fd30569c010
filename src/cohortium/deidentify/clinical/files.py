"""A file that may be a clinical table, and what a protocol makes of it in another file.

What always holds: the name of the input goes nowhere; a table is written whole or is no output at all.
"""

from __future__ import annotations

import os
from pathlib import Path

from cohortium.deidentify.clinical.reading import reading
from cohortium.deidentify.clinical.rules import table_of
from cohortium.deidentify.clinical.table import Account, rewrite
from cohortium.deidentify.identifiers import Tokens
from cohortium.deidentify.subjects import Subjects
from cohortium.dicom.filemeta import is_dicom
from cohortium.errors import Malformed
from cohortium.values import Protocol, Reason, SetAside

__all__ = ["is_table", "table"]

SUFFIXES = (".csv", ".tsv")
HEAD = 256


def is_table(path: Path) -> bool:
    """Whether the file is called a table, and is no image."""
    if path.suffix.lower() not in SUFFIXES:
        return False
    try:
        with path.open("rb") as file:
            return not is_dicom(file.read(HEAD))
    except OSError:
        return True  # whoever reads it says better what is wrong


def table(path: Path, protocol: Protocol, subjects: Subjects, tokens: Tokens, output: Path) -> Account | SetAside:
    """Write to `output` what may leave of the table at `path`; what keeps it from being read is told."""
    rule = protocol.clinical and table_of(protocol.clinical, path.name)
    if not rule:
        return SetAside(Reason.NO_TABLE_RULE)
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as made, reading(path, rule) as rows:
            return rewrite(rows, rule, protocol, subjects, tokens, made)
    except Malformed as error:
        return SetAside(Reason.NOT_A_TABLE, str(error))
