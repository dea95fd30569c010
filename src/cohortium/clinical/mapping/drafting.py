"""A first mapping, drafted from a data dictionary, for a person to correct.

What always holds: nothing is proposed but what a field's annotation, its name or its label says word by word, each
with the reason beside it; identifiers are never proposed; what was not understood is listed.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cohortium.clinical import sdtm
from cohortium.clinical.capture import Dictionary, Field
from cohortium.clinical.mapping.sources import MADE
from cohortium.clinical.sdtm import Holds, Variable

__all__ = ["Proposal", "draft", "proposals"]

ANNOTATION = re.compile(r"@SDTM\s*=\s*[\"']?(?:([A-Z]{2})\.)?([A-Z][A-Z0-9]{0,7})\b")
WITH_UNIT = re.compile(r"(.+?)\s*[(\[]([^()\[\]]+)[)\]]")
TESTED = ("LB", "VS", "MB")  # domains whose tests are looked through, in this order
UNITS = "C71620"
NUMERIC = ("integer", "number")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A field for a variable, or for results of a test (`code`), and why."""

    field: Field
    domain: str
    why: str
    variable: str = ""
    code: str = ""
    unit: str = ""


def draft(dictionary: Dictionary, study: str, partner: str) -> str:
    """The mapping as a TOML file."""
    found = list(proposals(dictionary))
    tables: dict[tuple[str, str], list[Proposal]] = defaultdict(list)
    for each in found:
        tables[each.domain, "" if each.domain == "DM" else each.field.form].append(each)
    lines = [f"study = {_quoted(study)}", f"partner = {_quoted(partner)}"]
    lines += ["missing = []  # codes that stand for no value, such as UNK", "not_done = []  # codes for tests not done"]
    for (domain, form), group in sorted(tables.items()):
        lines += ["", f"[[{domain}]]"]
        lines += [f"# form = {_quoted(form)}  # if it repeats: a row for each instance"] if form else []
        lines += [line for each in sorted(group, key=_is_table) for line in _lines(each)]
    named = {each.field.name for each in found}
    left = [each for name, each in dictionary.fields.items() if name not in named and name != dictionary.record]
    lines += ["", *(f"# identifier, left out: {each.name}" for each in left if each.identifier)]
    lines += [f"# not proposed: {each.name} ({each.kind}, form {each.form})" for each in left if not each.identifier]
    return "\n".join(lines) + "\n"


def proposals(dictionary: Dictionary) -> Iterator[Proposal]:
    """What is proposed for each field; a variable of a form is proposed once."""
    taken: set[tuple[str, ...]] = set()
    for name, each in dictionary.fields.items():
        if name == dictionary.record or each.identifier:
            continue
        for found in (_annotated(each), _named(each), _labelled(each)):
            if found is None:
                continue
            key = found.domain, "" if found.domain == "DM" else each.form, found.variable or found.code
            if key not in taken:
                taken.add(key)
                yield found
            break


def _annotated(field: Field) -> Proposal | None:
    match = ANNOTATION.search(field.annotation)
    if not match:
        return None
    domain, name = match[1] or _domain(match[2]), match[2]
    if domain in sdtm.described() and _may_be_mapped(domain, name):
        return Proposal(field, domain, "by its annotation", variable=name)
    if domain in TESTED and name in _tests(domain).values():
        return Proposal(field, domain, "by its annotation", code=name, unit=_unit(field))
    return None


def _named(field: Field) -> Proposal | None:
    name = field.name.upper()
    domain = _domain(name)
    if domain in sdtm.described() and _may_be_mapped(domain, name):
        return Proposal(field, domain, "by its name", variable=name)
    if field.validation.startswith(NUMERIC):
        for each in TESTED:
            if name in _tests(each).values():
                return Proposal(field, each, "by its name", code=name, unit=_unit(field))
    return None


def _labelled(field: Field) -> Proposal | None:
    match = WITH_UNIT.fullmatch(field.label)
    label = match[1] if match and _unit(field) else field.label
    for each in TESTED:
        if code := _tests(each).get(label.casefold()):
            return Proposal(field, each, "by its label", code=code, unit=_unit(field))
    return None


def _domain(variable: str) -> str:
    return "DM" if variable in sdtm.variables("DM") else variable[:2]


def _may_be_mapped(domain: str, name: str) -> bool:
    known = sdtm.variables(domain).get(name)
    return known is not None and known.general not in MADE


def _tests(domain: str) -> Mapping[str, str]:
    """Codes of a domain's tests, by their names in small letters."""
    known = sdtm.variables(domain)
    codes, names = (sdtm.codelists(known[f"{domain}{end}"]) for end in ("TESTCD", "TEST"))
    if not (codes and names):
        return {}
    return {name.casefold(): code for code, name in sdtm.same(codes[0], names[0]).items()}


def _unit(field: Field) -> str:
    """The unit that a label ends with, if it is a term: Albumin (g/L)."""
    match = WITH_UNIT.fullmatch(field.label)
    return match[2] if match and match[2] in sdtm.codelist(UNITS).terms else ""


def _is_table(proposal: Proposal) -> bool:
    """Whether it is written as a table of its own, which must come after plain lines; tests come last."""
    return bool(proposal.code) or bool(proposal.field.choices)


def _lines(proposal: Proposal) -> Iterator[str]:
    field, why = proposal.field, f"  # {proposal.why}"
    if proposal.code:
        yield from (
            "",
            f"[[{proposal.domain}.tests]]{why}",
            f"field = {_quoted(field.name)}",
            f"test = {_quoted(proposal.code)}",
        )
        if not field.choices:
            yield f"unit = {_quoted(proposal.unit)}"
        heading, variable = f"{proposal.domain}.tests.terms", f"{proposal.domain}STRESC"
    elif not field.choices:
        yield f"{proposal.variable} = {_quoted(field.name)}{why}"
        return
    else:
        yield from ("", f"[{proposal.domain}.{proposal.variable}]{why}", f"field = {_quoted(field.name)}")
        heading, variable = f"{proposal.domain}.{proposal.variable}.terms", proposal.variable
    if field.choices:
        yield f"[{heading}]"
        yield from _terms(field, sdtm.variables(proposal.domain)[variable])


def _terms(field: Field, variable: Variable) -> Iterator[str]:
    """A line for each choice; those without a term are to be written by hand."""
    lists = sdtm.codelists(variable)
    for code, label in field.choices.items():
        shown = " ".join(label.split())
        known = [term for each in lists for term in (shown, code) if term in each.terms]
        known += [term for each in lists if (term := each.proposal(shown))]
        free = shown if not lists and variable.holds is Holds.TEXT else ""
        term = next(iter(known), free)
        line = f"{_quoted(code)} = {_quoted(term)}"
        yield f"{line}  # {shown}" if term else f"# {line}  # {shown}: no term"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
