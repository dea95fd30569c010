"""Which subjects stand in which projects of this site, to tell where one project undoes what another did to dates.

Where a subject's dates are kept in one project and moved in another, whoever holds both finds the move by comparing
pictures. What always holds: a row is found by a keyed digest that stands nowhere else, and what it says is sealed.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cohortium.deidentify.rows import open_, seal, transaction
from cohortium.keys import SiteKey
from cohortium.values import DateRule, Finding, Severity

__all__ = ["Register"]

SCHEMA = "CREATE TABLE IF NOT EXISTS register (who BLOB PRIMARY KEY, sealed BLOB NOT NULL)"
CLASSES = {"keep": "kept", "shift": "moved", "anchor": "moved"}
OPPOSITE = {"kept": "moved", "moved": "kept"}


class Register:
    """The register of one site, in the file of its table of correspondence."""

    def __init__(self, path: Path, key: SiteKey) -> None:
        self._path = path
        self._rows, self._cipher = key.derive("register"), AESGCM(key.derive("sealing of the register"))
        self._known: dict[tuple[str, str, str], Finding | None] = {}

    def enter(self, people: Iterable[str], project: str, rule: DateRule) -> dict[str, Finding]:
        """Note that these people (`Deidentified.person`) are in a project; a finding for each whose dates it undoes."""
        dates = CLASSES.get(rule.rule)
        if dates is None:
            return {}
        wanted = {person: (person, project, dates) for person in people}
        if new := [person for person, entry in wanted.items() if entry not in self._known]:
            with transaction(self._path, SCHEMA) as connection:
                for person in new:
                    who = hmac.digest(self._rows, person.encode(), "sha256")
                    row = connection.execute("SELECT sealed FROM register WHERE who = ?", (who,)).fetchone()
                    entries = json.loads(open_(self._cipher, row[0], who)) if row else {}
                    others = sorted(name for name, seen in entries.items() if OPPOSITE[dates] in seen)
                    self._known[wanted[person]] = _overlap(others) if others else None
                    if dates not in entries.setdefault(project, []):
                        entries[project].append(dates)
                        sealed = seal(self._cipher, json.dumps(entries), who)
                        connection.execute("INSERT OR REPLACE INTO register VALUES (?, ?)", (who, sealed))
        found = ((person, self._known[entry]) for person, entry in wanted.items())
        return {person: finding for person, finding in found if finding}


def _overlap(projects: list[str]) -> Finding:
    return Finding(
        "subject.overlap",
        Severity.WARNING,
        f"the subject is in {', '.join(projects)} too; one keeps dates, one moves them: who has both can undo that",
    )
