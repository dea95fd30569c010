"""What a mapping file says of one variable: the field or the constant that it comes from, held against both sides.

What always holds: a field that the data dictionary flags as an identifier is used only if the file names it in
`identifiers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from cohortium.clinical import codes, sdtm
from cohortium.clinical.capture import Dictionary, Field
from cohortium.clinical.dates import ORDERS
from cohortium.clinical.mapping.converting import Unfit, constant
from cohortium.clinical.mapping.studymap import Source
from cohortium.clinical.sdtm import Variable

__all__ = ["MADE", "Sources", "is_number", "near"]

SOURCE = ("field", "value", "terms", "order", "time", "factor", "at", "several")
MADE = {"STUDYID": "study", "DOMAIN": "the name of the table", "USUBJID": "subject", "--SEQ": "the order of rows"}


@dataclass
class Sources:
    """What may be used, and what was found wrong, or worth a note, in a mapping so far."""

    dictionary: Dictionary
    identifiers: frozenset[str]
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def wrong(self, where: str, what: str) -> None:
        self.problems.append(f"{where}: {what}")

    def known(self, where: str, keys: Iterable[str], settings: Iterable[str], others: str = "") -> None:
        """Tell keys that are no settings; `where` ends as the key goes on."""
        for key in keys:
            if key not in settings:
                self.wrong(
                    f"{where}{key}", f"no such setting{near(key, settings)}; known: {', '.join(settings)}{others}"
                )

    def variable(self, known: Mapping[str, Variable], where: str, name: str, value: Any) -> Source:
        variable = known.get(name)
        if variable is None:
            self.wrong(where, f"no variable of this domain{near(name, known)}")
        elif variable.general in MADE:
            self.wrong(where, f"it is made of {MADE[variable.general]}, and not mapped")
        return self.source(where, value, variable)

    def source(self, where: str, value: Any, variable: Variable | None) -> Source:
        """A text names a field; a table says more."""
        table = {"field": value} if isinstance(value, str) else value
        if not isinstance(table, dict) or ("field" in table) is ("value" in table):
            self.wrong(where, 'a field is expected ("age"), or a table with field or value ({ value = "YEARS" })')
            return Source()
        self.known(f"{where}.", table, SOURCE)
        if "value" in table:
            self.constant(where, str(table["value"]), variable)
            return Source(value=str(table["value"]))
        name = str(table["field"])
        found = self.field(where, name)
        terms = table.get("terms")
        if terms is not None:
            terms = self.terms(f"{where}.terms", terms, found, variable)
        if table.get("order", ORDERS[0]) not in ORDERS:
            self.wrong(f"{where}.order", f"one of {', '.join(ORDERS)} is expected")
        if "time" in table:
            self.field(f"{where}.time", str(table["time"]))
        if "several" in table:
            self.constant(f"{where}.several", str(table["several"]), variable)
        return Source(
            field=name,
            terms=terms,
            order=str(table.get("order", "")),
            time=str(table.get("time", "")),
            factor=self.factor(f"{where}.factor", table["factor"]) if "factor" in table else None,
            at=str(table.get("at", "")),
            several=str(table.get("several", "")),
        )

    def field(self, where: str, name: Any) -> Field | None:
        """A field of the study that may be used."""
        found = self.dictionary.fields.get(name) if isinstance(name, str) else None
        if found is None:
            self.wrong(where, f"no field {name}{near(str(name), self.dictionary.fields)}")
        elif found.identifier and name not in self.identifiers:
            self.wrong(where, f'{name} is flagged as an identifier; use another, or say identifiers = ["{name}"]')
        return found

    def terms(self, where: str, value: Any, found: Field | None, variable: Variable | None) -> Mapping[str, str]:
        if not isinstance(value, dict) or not all(isinstance(each, str | int | float) for each in value.values()):
            self.wrong(where, 'for each choice its term is expected: { 1 = "M", 2 = "F" }')
            return {}
        made = {code: str(term) for code, term in value.items()}
        for code, term in made.items():
            if found and found.choices and code not in found.choices:
                self.wrong(f"{where}.{code}", f"no choice of {found.name}; known: {', '.join(found.choices)}")
            self.constant(f"{where}.{code}", term, variable)
        return made

    def constant(self, where: str, text: str, variable: Variable | None) -> None:
        """What the file itself puts into a variable: a term, a date, a number, a code."""
        if variable is None or not text:
            return
        system = codes.columns().get(variable.general, "")
        try:
            constant(variable, text)
        except Unfit as unfit:
            self.wrong(where, f"{text!r} {unfit.why}{_meant(variable, text)}")
            return
        if system and (why := codes.SYSTEMS[system](text)):
            self.wrong(where, f"{text!r} {why} ({system})")
        lists = [each for each in sdtm.codelists(variable) if each.extensible]
        if lists and not any(text in each.terms for each in lists) and variable.general != "--STRESC":
            self.notes.append(f"{where}: {text!r} is no term of {lists[0].name}{_meant(variable, text)}")

    def factor(self, where: str, value: Any) -> Decimal:
        if isinstance(value, bool) or not is_number(str(value)) or Decimal(str(value)) <= 0:
            self.wrong(where, "a number over 0 is expected")
            return Decimal(1)
        return Decimal(str(value))


def is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except ArithmeticError:
        return False


def near(name: str, known: Iterable[str]) -> str:
    """What was probably meant, as the end of a sentence."""
    found = get_close_matches(name, list(known), 1)
    return f" (perhaps {found[0]})" if found else ""


def _meant(variable: Variable, text: str) -> str:
    """The term that was probably meant, as the end of a sentence."""
    found = next((term for each in sdtm.codelists(variable) if (term := each.proposal(text))), "")
    return f"; perhaps {found} is meant" if found else ""
