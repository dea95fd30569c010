"""What SDTM says of a table: its variables, which of them there must be, what they hold, and the terms of code lists.

Tables beside this module drive the reading of files, what is said of their faults, and the documentation: variables
are those of SDTMIG 3.4, terms those of NCI's code lists (`tools/sdtm.py` writes both), synonyms our own. Any domain
but DM may also have the columns in which codes of other systems stand beside its terms.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType

from cohortium.clinical import codes

__all__ = [
    "ALIASES",
    "CodeList",
    "Core",
    "Holds",
    "Variable",
    "codelist",
    "codelists",
    "described",
    "same",
    "variables",
]

DATA = Path(__file__).with_name("data")
ALIASES: Mapping[str, str] = MappingProxyType({"MBTESTDTL": "MBTSTDTL"})
"""Other names that specifications give a variable, and its own."""

YES_OR_NO = "C66742"
FLAGS = frozenset({"DTHFL", "--BLFL", "--LOBXFL", "--DRVFL", "--PRESP"})
"""Of yes and no they say yes, or nothing (SDTMIG 4.1.5)."""
PERIODS = ("DUR", "ELTM", "EVLINT", "PDUR")


class Core(StrEnum):
    """Whether a variable must be there; `Req` ones have a value in every row."""

    REQUIRED = "Req"
    EXPECTED = "Exp"
    PERMISSIBLE = "Perm"


class Holds(StrEnum):
    """What stands in a variable."""

    TEXT = "text"
    NUMBER = "a number"
    DATE = "a date as ISO 8601 writes it"
    PERIOD = "a duration as ISO 8601 writes it"


@dataclass(frozen=True, slots=True)
class CodeList:
    """Terms, each with the code of its concept; a list that is extensible may be added to."""

    code: str
    name: str
    extensible: bool
    terms: Mapping[str, str]
    alike: Mapping[str, str]  # term by how it, or another word for it, is written without case and marks

    def proposal(self, value: str) -> str:
        """The term that was probably meant by a value that is none; empty where none is alike."""
        return self.alike.get(_squashed(value), "")


@dataclass(frozen=True, slots=True)
class Variable:
    """A column of a domain."""

    domain: str
    name: str
    core: Core
    holds: Holds
    codelists: tuple[str, ...] = ()

    @property
    def general(self) -> str:
        """Its name as SDTM has it for every domain: `--SEQ` for LBSEQ."""
        return f"--{self.name[2:]}" if self.name.startswith(self.domain) and self.name != self.domain else self.name


@cache
def variables(domain: str) -> Mapping[str, Variable]:
    """The variables of a domain by name.

    Of a domain whose table is not here they are those that other domains have, all of them permissible but the four
    that every domain has.
    """
    if domain in _variables():
        return _variables()[domain]
    everywhere = ("STUDYID", "DOMAIN", "USUBJID", "--SEQ")
    names = dict.fromkeys([*everywhere, *_shared()])
    return {
        (name := general.replace("--", domain)): Variable(
            domain, name, Core.REQUIRED if general in everywhere else Core.PERMISSIBLE, *_shared()[general]
        )
        for general in names
    }


def described() -> tuple[str, ...]:
    """The domains whose variables are known here."""
    return tuple(sorted(_variables()))


def codelist(code: str) -> CodeList:
    """A code list that a variable names."""
    return _codelists()[code]


def codelists(variable: Variable) -> list[CodeList]:
    """The code lists of a variable; of yes and no the terms that it may have."""
    found = [codelist(code) for code in variable.codelists]
    if variable.general in FLAGS:
        return [replace(each, terms={"Y": each.terms["Y"]}) for each in found if each.code == YES_OR_NO]
    return found


def same(testcode: CodeList, test: CodeList) -> Mapping[str, str]:
    """The name of a test by its short name: both stand for one concept."""
    names = {concept: term for term, concept in test.terms.items()}
    return {term: names[concept] for term, concept in testcode.terms.items() if concept in names}


@cache
def _variables() -> Mapping[str, Mapping[str, Variable]]:
    found: dict[str, dict[str, Variable]] = defaultdict(dict)
    with (DATA / "sdtm_variables.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            domain, name = row["domain"], row["variable"]
            holds = Holds.NUMBER if row["type"] == "Num" else _holds(name.removeprefix(domain))
            found[domain][name] = Variable(domain, name, Core(row["core"]), holds, tuple(row["codelists"].split()))
    for domain in found.keys() - {"DM"}:
        for name in (general.replace("--", domain) for general in codes.columns()):
            found[domain].setdefault(name, Variable(domain, name, Core.PERMISSIBLE, Holds.TEXT))
    return found


@cache
def _shared() -> Mapping[str, tuple[Holds, tuple[str, ...]]]:
    """What a variable holds in any domain, and its code lists where all that have it have the same; not those of DM."""
    found: dict[str, set[tuple[Holds, tuple[str, ...]]]] = defaultdict(set)
    for domain in described():
        for each in variables(domain).values() if domain != "DM" else ():
            found[each.general].add((each.holds, each.codelists))
    return {name: kinds.pop() if len(kinds) == 1 else (min(kinds)[0], ()) for name, kinds in found.items()}


def _holds(name: str) -> Holds:
    """What a text variable holds, by the end of its name, as SDTM forms names."""
    if name.endswith("DTC"):
        return Holds.DATE
    return Holds.PERIOD if name in PERIODS else Holds.TEXT


@cache
def _codelists() -> Mapping[str, CodeList]:
    names: dict[str, tuple[str, bool]] = {}
    terms: dict[str, dict[str, str]] = defaultdict(dict)
    with (DATA / "sdtm_codelists.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["extensible"]:
                names[row["codelist"]] = row["term"], row["extensible"] == "yes"
            else:
                terms[row["codelist"]][row["term"]] = row["code"]
    alike = {code: {_squashed(term): term for term in known} for code, known in terms.items()}
    with (DATA / "sdtm_synonyms.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            alike[row["codelist"]].setdefault(_squashed(row["written"]), row["term"])
    return {
        code: CodeList(code, name, extensible, terms[code], alike[code]) for code, (name, extensible) in names.items()
    }


def _squashed(text: str) -> str:
    letters = "".join(each for each in text.casefold().replace("μ", "u") if each.isalnum() or each in "/%")
    return letters or text
