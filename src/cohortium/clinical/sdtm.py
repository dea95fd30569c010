"""What SDTM says of a table: its variables, which of them there must be, what they hold, and the terms of code lists.

Tables beside this module drive the reading of files, what is said of their faults, and the documentation: variables
are those of SDTMIG 3.4, terms those of NCI's code lists (`tools/sdtm.py` writes both), synonyms our own. Labels and
domains (their classes, what a record of them is) are those of SDTMIG 3.4 too; a label under `--` is for every domain
without its own. Any domain but DM may also have the columns in which codes of other systems stand beside its terms;
those that are not SDTM's have no role.
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
    "OLDER",
    "TERMINOLOGY",
    "CodeList",
    "Core",
    "Domain",
    "Holds",
    "Variable",
    "codelist",
    "codelists",
    "described",
    "domains",
    "general",
    "label",
    "same",
    "variable",
    "variables",
]

DATA = Path(__file__).with_name("data")
ALIASES: Mapping[str, str] = MappingProxyType({"MBTESTDTL": "MBTSTDTL"})
"""Other names that specifications give a variable, and its own."""
OLDER = frozenset({"LBSTREFC"})
"""Variables that SDTMIG 3.3 has and 3.4 has no more: accepted, and not asked for."""

TERMINOLOGY = "2025-03-28"
"""The package of SDTM Controlled Terminology that the code lists are of."""

YES_OR_NO = "C66742"
FLAGS = frozenset({"DTHFL", "--BLFL", "--LOBXFL", "--DRVFL", "--PRESP"})
"""Of yes and no they say yes, or nothing (SDTMIG 4.1.5)."""
SEVERAL, OF_SEVERAL = "MULTIPLE", frozenset({"RACE", "ETHNIC"})
"""What stands for more than one answer, in no code list (SDTMIG 4.2.8.3), and where a list cannot be extended by it."""
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
    role: str = ""

    @property
    def general(self) -> str:
        """Its name as SDTM has it for every domain: `--SEQ` for LBSEQ."""
        return general(self.domain, self.name)

    @property
    def label(self) -> str:
        """What it is, in at most 40 characters."""
        return label(self.domain, self.name)


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain with rows about subjects; `structure` says what a row is."""

    code: str
    observations: str  # the class, as Define-XML writes it
    label: str
    structure: str


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
        (name := each.replace("--", domain)): Variable(
            domain, name, Core.REQUIRED if each in everywhere else Core.PERMISSIBLE, *_shared()[each]
        )
        for each in names
    }


def variable(domain: str, name: str) -> Variable | None:
    """A variable of the domain by its name, or one that may be added, for another domain of its class has it."""
    known = variables(domain).get(name)
    if domain == "DM" or (known is not None and known.role):
        return known
    wanted = general(domain, name)
    for other in described():
        if other != "DM" and domains()[other].observations == domains()[domain].observations:
            for each in variables(other).values():
                if each.general == wanted and each.role:
                    lists = _shared()[wanted][1]
                    return replace(each, domain=domain, name=name, core=Core.PERMISSIBLE, codelists=lists)
    return None


def described() -> tuple[str, ...]:
    """The domains whose variables are known here."""
    return tuple(sorted(_variables()))


def general(domain: str, name: str) -> str:
    """The name of a variable as SDTM has it for every domain: `--SEQ` for LBSEQ."""
    return f"--{name[2:]}" if name.startswith(domain) and name != domain else name


def label(domain: str, name: str) -> str:
    """What a variable of that name is, in at most 40 characters; empty where nobody said."""
    return _labels().get(name) or _labels().get(general(domain, name), "")


@cache
def domains() -> Mapping[str, Domain]:
    """The domains with rows about subjects by code, in the order in which a submission lists them."""
    with (DATA / "sdtm_domains.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["domain"]: Domain(row["domain"], row["class"], row["label"], row["structure"])
            for row in csv.DictReader(file)
        }


def codelist(code: str) -> CodeList:
    """A code list that a variable names."""
    return _codelists()[code]


def codelists(variable: Variable) -> list[CodeList]:
    """The code lists of a variable; of yes and no the terms that it may have."""
    found = [codelist(code) for code in variable.codelists]
    if variable.name in OF_SEVERAL:
        return [replace(each, terms={**each.terms, SEVERAL: ""}) for each in found]
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
            lists = tuple(row["codelists"].split())
            found[domain][name] = Variable(domain, name, Core(row["core"]), holds, lists, row["role"])
    for domain in found.keys() - {"DM"}:
        for name in (each.replace("--", domain) for each in codes.columns()):
            found[domain].setdefault(name, Variable(domain, name, Core.PERMISSIBLE, Holds.TEXT))
    return found


@cache
def _labels() -> Mapping[str, str]:
    with (DATA / "sdtm_labels.csv").open(encoding="utf-8", newline="") as file:
        return {row["variable"]: row["label"] for row in csv.DictReader(file)}


@cache
def _shared() -> Mapping[str, tuple[Holds, tuple[str, ...], str]]:
    """What a variable holds in any domain but DM, its code lists where all have the same, and its role."""
    found: dict[str, set[tuple[Holds, tuple[str, ...]]]] = defaultdict(set)
    roles: dict[str, str] = {}
    for domain in described():
        for each in variables(domain).values() if domain != "DM" else ():
            found[each.general].add((each.holds, each.codelists))
            roles[each.general] = roles.get(each.general) or each.role
    return {
        name: (*(kinds.pop() if len(kinds) == 1 else (min(kinds)[0], ())), roles[name]) for name, kinds in found.items()
    }


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
