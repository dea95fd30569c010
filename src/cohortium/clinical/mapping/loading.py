"""A mapping file, TOML, held against the study's fields and SDTM's variables: all mistakes are reported together.

What always holds: a field that the data dictionary flags as an identifier is used only if the file names it in
`identifiers`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from cohortium.clinical import codes, sdtm
from cohortium.clinical.capture import Dictionary, Field
from cohortium.clinical.dates import ORDERS
from cohortium.clinical.mapping.converting import Unfit, constant
from cohortium.clinical.mapping.studymap import Source, StudyMap, Template, Test
from cohortium.clinical.sdtm import Variable
from cohortium.clinical.tables import domains
from cohortium.errors import ConfigError

__all__ = ["load"]

TOP = ("study", "partner", "subject", "missing", "not_done", "identifiers", "visits")
TEMPLATE = ("per", "form", "events", "when", "checkbox", "tests")
SOURCE = ("field", "value", "terms", "order", "time", "factor", "at", "several")
TEST = ("field", "test", "name", "unit", "standard", "factor", "terms", "loinc")
PER = ("subject", "event")
MADE = {"STUDYID": "study", "DOMAIN": "the name of the table", "USUBJID": "subject", "--SEQ": "the order of rows"}
PARTNER = re.compile(r"[A-Za-z0-9-]{1,20}")
LONGEST_CODE = 8  # characters of a --TESTCD


def load(path: Path, dictionary: Dictionary) -> StudyMap:
    """The mapping in a file; `ConfigError` lists every mistake by its key and says what to do."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"the mapping {path.name} is not TOML: {error}") from None
    except OSError as error:
        raise ConfigError(f"the mapping {path.name} cannot be read ({type(error).__name__})") from None
    loading = _Loading(dictionary, frozenset(filter(_is_text, _listed(document.get("identifiers")))))
    made = loading.study_map(document)
    if loading.problems:
        raise ConfigError(f"mapping {path.name}:\n" + "\n".join(f"  {problem}" for problem in loading.problems))
    return made


@dataclass
class _Loading:
    """A mapping that is read, and what was found wrong with it so far."""

    dictionary: Dictionary
    identifiers: frozenset[str]
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def wrong(self, where: str, what: str) -> None:
        self.problems.append(f"{where}: {what}")

    def study_map(self, document: Mapping[str, Any]) -> StudyMap:
        for key in document.keys() - {*TOP, *domains()}:
            self.wrong(
                key, f"no such setting{_near(key, [*TOP, *domains()])}; known: {', '.join(TOP)}, and SDTM domains"
            )
        for key in ("study", "partner"):
            if not _is_text(document.get(key)):
                self.wrong(key, "text is expected")
        partner = str(document.get("partner", ""))
        if _is_text(document.get("partner")) and not PARTNER.fullmatch(partner):
            self.wrong("partner", "1 to 20 letters, digits or hyphens are expected, for they name the files")
        for key in ("missing", "not_done", "identifiers"):
            if key in document and not (isinstance(document[key], list) and all(map(_is_text, document[key]))):
                self.wrong(key, "a list of texts is expected")
        subject = document.get("subject", self.dictionary.record)
        self.field("subject", subject)
        for name in self.identifiers - self.dictionary.fields.keys():
            self.wrong("identifiers", f"no field {name}{_near(name, self.dictionary.fields)}")
        templates = [
            self.template(domain, f"[[{domain}]] {number}", table)
            for domain in document.keys() & domains()
            for number, table in enumerate(self.tables(domain, document[domain]), 1)
        ]
        if not templates and not self.problems:
            self.wrong("file", "it maps nothing; write a table [[DM]]")
        return StudyMap(
            study=str(document.get("study", "")),
            partner=partner,
            subject=str(subject),
            templates=tuple(sorted(templates, key=lambda each: each.domain)),
            visits=self.visits(document.get("visits", {})),
            missing=frozenset(map(str, _listed(document.get("missing")))),
            not_done=frozenset(map(str, _listed(document.get("not_done")))),
            notes=tuple(self.notes),
        )

    def tables(self, domain: str, value: Any) -> Iterator[Mapping[str, Any]]:
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self.wrong(domain, f"tables are expected, each begun by [[{domain}]]")
            return
        yield from value

    def visits(self, value: Any) -> Mapping[str, Mapping[str, str]]:
        allowed = ("VISITNUM", "VISIT")
        if not isinstance(value, dict) or not all(isinstance(each, dict) for each in value.values()):
            self.wrong("visits", 'for each event a table is expected: baseline_arm_1 = { VISITNUM = "1" }')
            return {}
        for event, table in value.items():
            for key in table.keys() - {*allowed}:
                self.wrong(f"visits.{event}.{key}", "no such setting; known: VISITNUM, VISIT")
            if not _is_number(str(table.get("VISITNUM", "1"))):
                self.wrong(f"visits.{event}.VISITNUM", "a number is expected")
        return {event: {key: str(each) for key, each in table.items()} for event, table in value.items()}

    def template(self, domain: str, where: str, table: Mapping[str, Any]) -> Template:
        known = sdtm.variables(domain)
        variables = {name: value for name, value in table.items() if name.upper() == name}
        for key in table.keys() - variables.keys() - {*TEMPLATE}:
            self.wrong(
                f"{where} {key}", f"no such setting{_near(key, TEMPLATE)}; known: {', '.join(TEMPLATE)}, and variables"
            )
        per = table.get("per", PER[0] if domain == "DM" and "form" not in table else PER[1])
        if per not in PER:
            self.wrong(f"{where} per", "subject or event is expected; for a form that repeats say form = its name")
        form, checkbox = str(table.get("form", "")), str(table.get("checkbox", ""))
        if form and form not in self.dictionary.forms | self.dictionary.groups:
            self.wrong(f"{where} form", f"no form {form}{_near(form, self.dictionary.forms)}")
        if checkbox:
            found = self.field(f"{where} checkbox", checkbox)
            if found and found.kind != "checkbox":
                self.wrong(f"{where} checkbox", f"{checkbox} is no checkbox, but {found.kind}")
        if not variables and not table.get("tests"):
            self.wrong(where, "it maps no variables")
        if domain == "DM" and (form or checkbox or "tests" in table or per != PER[0]):
            self.wrong(where, "DM has one row for each subject, so neither form, checkbox, tests nor another per")
        made = {name: self.variable(known, f"{where} {name}", name, value) for name, value in variables.items()}
        return Template(
            where,
            domain,
            made,
            by_subject=per == PER[0],
            form=form,
            events=tuple(map(str, _listed(table.get("events")))),
            when=self.when(f"{where} when", table.get("when", {})),
            checkbox=checkbox,
            tests=tuple(self.tests(domain, known, where, table.get("tests", []))),
        )

    def when(self, where: str, value: Any) -> Mapping[str, tuple[str, ...]]:
        if not isinstance(value, dict):
            self.wrong(where, 'fields and what they must be are expected: { died = "1" }')
            return {}
        made = {name: tuple(map(str, _listed(each))) for name, each in value.items()}
        for name, wanted in made.items():
            found = self.field(f"{where}.{name}", name)
            for code in wanted if found and found.choices else ():
                if found and code not in found.choices:
                    self.wrong(f"{where}.{name}", f"{code} is no choice of {name}; known: {', '.join(found.choices)}")
        return made

    def variable(self, known: Mapping[str, Variable], where: str, name: str, value: Any) -> Source:
        variable = known.get(name)
        if variable is None:
            self.wrong(where, f"no variable of this domain{_near(name, known)}")
        elif variable.general in MADE:
            self.wrong(where, f"it is made of {MADE[variable.general]}, and not mapped")
        return self.source(where, value, variable)

    def source(self, where: str, value: Any, variable: Variable | None) -> Source:
        """A text names a field; a table says more."""
        table = {"field": value} if isinstance(value, str) else value
        if not isinstance(table, dict) or ("field" in table) is ("value" in table):
            self.wrong(where, 'a field is expected ("age"), or a table with field or value ({ value = "YEARS" })')
            return Source()
        for key in table.keys() - {*SOURCE}:
            self.wrong(f"{where}.{key}", f"no such setting{_near(key, SOURCE)}; known: {', '.join(SOURCE)}")
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
            self.wrong(where, f"no field {name}{_near(str(name), self.dictionary.fields)}")
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
            lists = sdtm.codelists(variable)
            meant = next((term for each in lists if (term := each.proposal(text))), "")
            self.wrong(where, f"{text!r} {unfit.why}{f'; perhaps {meant} is meant' if meant else ''}")
            return
        if system and (why := codes.SYSTEMS[system](text)):
            self.wrong(where, f"{text!r} {why} ({system})")
        lists = [each for each in sdtm.codelists(variable) if each.extensible]
        if lists and not any(text in each.terms for each in lists) and variable.general != "--STRESC":
            meant = next((term for each in lists if (term := each.proposal(text))), "")
            self.notes.append(
                f"{where}: {text!r} is no term of {lists[0].name}{f'; perhaps {meant} is meant' if meant else ''}"
            )

    def factor(self, where: str, value: Any) -> Decimal:
        if isinstance(value, bool) or not _is_number(str(value)) or Decimal(str(value)) <= 0:
            self.wrong(where, "a number over 0 is expected")
            return Decimal(1)
        return Decimal(str(value))

    def tests(self, domain: str, known: Mapping[str, Variable], where: str, value: Any) -> Iterator[Test]:
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self.wrong(f"{where} tests", 'tables are expected: { field = "alb", test = "ALB", unit = "g/L" }')
            return
        if value and f"{domain}TESTCD" not in known:
            self.wrong(f"{where} tests", f"{domain} has no tests")
            return
        for number, table in enumerate(value, 1):
            yield self.test(domain, known, f"{where} tests {number}", table)

    def test(self, domain: str, known: Mapping[str, Variable], where: str, table: Mapping[str, Any]) -> Test:
        variables = {name: each for name, each in table.items() if name.upper() == name}
        for key in table.keys() - variables.keys() - {*TEST}:
            self.wrong(f"{where} {key}", f"no such setting{_near(key, TEST)}; known: {', '.join(TEST)}, and variables")
        if not _is_text(table.get("field")) or not _is_text(table.get("test")):
            self.wrong(where, "field and test are expected")
        code = str(table.get("test", ""))
        named = self.named(domain, known, f"{where} test", code, table.get("name"))
        result = {key: table[key] for key in ("field", "terms") if key in table}
        made = {name: self.variable(known, f"{where} {name}", name, each) for name, each in variables.items()}
        if "loinc" in table:
            loinc = f"{domain}LOINC"
            made[loinc] = self.source(f"{where} loinc", {"value": table["loinc"]}, known[loinc])
        unit = table.get("unit", "")
        units = known.get(f"{domain}ORRESU")
        source = self.source(f"{where} unit", {"value": unit} if isinstance(unit, str) else unit, units)
        standard = str(table.get("standard", ""))
        if standard:
            self.constant(f"{where} standard", standard, known.get(f"{domain}STRESU"))
        return Test(
            self.source(where, result, known.get(f"{domain}STRESC")) if "field" in result else Source(),
            code,
            named,
            source,
            standard,
            self.factors(where, table.get("factor"), source, standard),
            made,
        )

    def named(self, domain: str, known: Mapping[str, Variable], where: str, code: str, name: Any) -> str:
        """The name of a test: that of its code in the code lists, or the one that the file gives."""
        lists = [each for end in ("TESTCD", "TEST") for each in sdtm.codelists(known[f"{domain}{end}"])]
        names = sdtm.same(*lists) if len(lists) == len(("TESTCD", "TEST")) else {}
        if len(code) > LONGEST_CODE:
            self.wrong(where, f"{code} has more than {LONGEST_CODE} characters")
        if code not in names and not _is_text(name):
            self.wrong(
                where, f"{code} is no test of the code list{_near(code, names)}; if it is meant, give its name too"
            )
        return str(name or names.get(code, ""))

    def factors(self, where: str, value: Any, unit: Source, standard: str) -> Mapping[str, Decimal]:
        """Factors by unit; without any, results stay in the unit in which they came."""
        if value is None:
            if standard and standard != unit.value:
                self.wrong(f"{where} factor", f"a number is expected by which results become {standard}")
            return {}
        if not standard:
            self.wrong(f"{where} standard", "the unit is expected that results come to have by factor")
        if isinstance(value, dict):
            return {each: self.factor(f"{where} factor.{each}", factor) for each, factor in value.items()}
        return {unit.value: self.factor(f"{where} factor", value)}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except ArithmeticError:
        return False


def _near(name: str, known: Any) -> str:
    """What was probably meant, as the end of a sentence."""
    found = get_close_matches(name, list(known), 1)
    return f" (perhaps {found[0]})" if found else ""
