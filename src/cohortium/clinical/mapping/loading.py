"""A mapping file, TOML, held against the study's fields and SDTM's variables: all mistakes are reported together."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from cohortium.clinical import sdtm
from cohortium.clinical.capture import Dictionary
from cohortium.clinical.mapping.sources import Sources, is_number, near
from cohortium.clinical.mapping.studymap import Source, StudyMap, Template, Test
from cohortium.clinical.sdtm import Variable
from cohortium.clinical.tables import domains
from cohortium.errors import ConfigError

__all__ = ["load"]

TOP = ("study", "partner", "subject", "missing", "not_done", "identifiers", "visits")
TEMPLATE = ("per", "form", "events", "when", "checkbox", "tests")
VISIT = ("VISITNUM", "VISIT")
TEST = ("field", "test", "name", "unit", "standard", "factor", "terms", "loinc")
PER = ("subject", "event")
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


class _Loading(Sources):
    """A whole mapping that is read."""

    def study_map(self, document: Mapping[str, Any]) -> StudyMap:
        self.known("", (key for key in document if key not in domains()), TOP, ", and SDTM domains such as DM")
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
        for name in sorted(self.identifiers - self.dictionary.fields.keys()):
            self.wrong("identifiers", f"no field {name}{near(name, self.dictionary.fields)}")
        templates = [
            self.template(domain, f"[[{domain}]] {number}", table)
            for domain in document
            if domain in domains()
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
        if not isinstance(value, dict) or not all(isinstance(each, dict) for each in value.values()):
            self.wrong("visits", 'for each event a table is expected: baseline_arm_1 = { VISITNUM = "1" }')
            return {}
        for event, table in value.items():
            self.known(f"visits.{event}.", table, VISIT)
            if not is_number(str(table.get("VISITNUM", "1"))):
                self.wrong(f"visits.{event}.VISITNUM", "a number is expected")
        return {event: {key: str(each) for key, each in table.items()} for event, table in value.items()}

    def template(self, domain: str, where: str, table: Mapping[str, Any]) -> Template:
        known = sdtm.variables(domain)
        variables = {name: value for name, value in table.items() if name.upper() == name}
        self.known(f"{where} ", (key for key in table if key not in variables), TEMPLATE, ", and variables")
        per = table.get("per", PER[0] if domain == "DM" and "form" not in table else PER[1])
        if per not in PER:
            self.wrong(f"{where} per", "subject or event is expected; for a form that repeats say form = its name")
        form, checkbox = str(table.get("form", "")), str(table.get("checkbox", ""))
        if form and form not in self.dictionary.forms | self.dictionary.groups:
            self.wrong(f"{where} form", f"no form {form}{near(form, self.dictionary.forms)}")
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
        self.known(f"{where} ", (key for key in table if key not in variables), TEST, ", and variables")
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
                where, f"{code} is no test of the code list{near(code, names)}; if it is meant, give its name too"
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
