"""What a mapping file says, once it was read and found right: which tables are made of a study's fields, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

__all__ = ["Source", "StudyMap", "Template", "Test"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a variable comes from: a field, or a constant `value`.

    `terms` turns choices (or texts) into terms; `order` is that in which a date is written, `time` the field with its
    time; a number is multiplied by `factor`; `at` names the event to look in; `several` stands for more than one
    choice of a checkbox.
    """

    field: str = ""
    value: str = ""
    terms: Mapping[str, str] | None = None
    order: str = ""
    time: str = ""
    factor: Decimal | None = None
    at: str = ""
    several: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.field, self.time)))


@dataclass(frozen=True, slots=True)
class Test:
    """A field that holds results of one test, which become rows; `factors` by unit, into that of `standard`."""

    result: Source
    code: str
    name: str
    unit: Source = Source()
    standard: str = ""
    factors: Mapping[str, Decimal] = field(default_factory=dict)
    variables: Mapping[str, Source] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Template:
    """How rows of a domain are made: one for each subject, event, or instance of a form that repeats.

    Of each of them come as many rows as there are checked choices of a `checkbox`, or results of `tests`.
    """

    where: str
    domain: str
    variables: Mapping[str, Source]
    by_subject: bool = False
    form: str = ""
    events: tuple[str, ...] = ()
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    checkbox: str = ""
    tests: tuple[Test, ...] = ()


@dataclass(frozen=True, slots=True)
class StudyMap:
    """A whole mapping; `notes` are what a reader should look at though it is no mistake."""

    study: str
    partner: str
    subject: str
    templates: tuple[Template, ...]
    visits: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    not_done: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def uses(self) -> Mapping[str, list[str]]:
        """Of each field that is used, what it becomes: LB.LBORRES (ALB)."""
        found: dict[str, list[str]] = {self.subject: ["USUBJID"]}

        def use(names: tuple[str, ...], what: str) -> None:
            for name in names:
                if what not in found.setdefault(name, []):
                    found[name].append(what)

        for each in self.templates:
            domain = each.domain
            for name, source in each.variables.items():
                use(source.fields, f"{domain}.{name}")
            for test in each.tests:
                use(test.result.fields, f"{domain}.{domain}ORRES ({test.code})")
                use(test.unit.fields, f"{domain}.{domain}ORRESU ({test.code})")
                for name, source in test.variables.items():
                    use(source.fields, f"{domain}.{name} ({test.code})")
            use(tuple(each.when), f"which rows {domain} has")
            use((each.checkbox,) if each.checkbox else (), f"which rows {domain} has")
        return found
