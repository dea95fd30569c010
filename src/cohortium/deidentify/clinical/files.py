"""A file that may be a clinical table, and what a protocol makes of it in another file.

What always holds: the name of the input goes nowhere; a table is written whole or is no output at all.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, TextIO

from cohortium.clinical.tables import is_called_table
from cohortium.deidentify.clinical.reading import read
from cohortium.deidentify.clinical.rules import table_of
from cohortium.deidentify.clinical.table import Account, rewrite
from cohortium.deidentify.identifiers import Tokens
from cohortium.deidentify.subjects import Subjects
from cohortium.dicom.filemeta import is_dicom
from cohortium.errors import Malformed
from cohortium.values import Protocol, Reason, SetAside

__all__ = ["is_ruled", "is_table", "made", "table"]

HEAD = 256


def is_table(path: Path) -> bool:
    """Whether the file is called a table, and is no image."""
    if not is_called_table(path.name):
        return False
    try:
        with path.open("rb") as file:
            return not is_dicom(file.read(HEAD))
    except OSError:
        return True  # whoever reads it says better what is wrong


def is_ruled(name: str, protocol: Protocol) -> bool:
    """Whether the protocol has a rule for a table that is called so."""
    return protocol.clinical is not None and table_of(protocol.clinical, name) is not None


def table(path: Path, protocol: Protocol, subjects: Subjects, tokens: Tokens, output: Path) -> Account | SetAside:
    """Write to `output` what may leave of the table at `path`; what keeps it from being read is told."""
    if not is_ruled(path.name, protocol):
        return SetAside(Reason.NO_TABLE_RULE)
    source = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(source, "rb") as binary:
        target = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(target, "w", encoding="utf-8", newline="") as text:
            return made(path.name, binary, protocol, subjects, tokens, text)


def made(
    name: str,
    content: BinaryIO,
    protocol: Protocol,
    subjects: Subjects,
    tokens: Tokens,
    output: TextIO,
    without: frozenset[str] = frozenset(),
) -> Account | SetAside:
    """The same of what is called `name`; rows of the subjects `without` stay behind. It is whole where it is told."""
    rule = protocol.clinical and table_of(protocol.clinical, name)
    if not rule:
        return SetAside(Reason.NO_TABLE_RULE)
    try:
        return rewrite(read(content, rule), rule, protocol, subjects, tokens, output, without)
    except Malformed as error:
        return SetAside(Reason.NOT_A_TABLE, str(error))
