"""Whether a scan was made and reconstructed in one way: one value per attribute over all of it.

A finding shows the values only where they are numbers; text might say more than it should.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cohortium.check.delivery import Patient
from cohortium.check.rule import Check, Rule, Scope
from cohortium.check.series import Series, figure
from cohortium.dicom import meta
from cohortium.values import Finding, Instance

__all__ = ["CHECKS"]

SHOWN = 3
NOTHING = ""


def value(series: Series, rule: Rule) -> Iterator[Finding]:
    """Each attribute that must has one value over the scan, localizers aside; absent counts as a value."""
    apart = {id(each) for each in series.localizers}
    instances = [each for each in series.instances if id(each) not in apart]
    for attribute in meta.attributes():
        concerned = [each for each in instances if "*" in attribute.one_value or each.Modality in attribute.one_value]
        groups = _by_value(concerned, attribute.keyword)
        if len(groups) > 1:
            smallest = min(groups.values(), key=len)
            blamed = smallest if len(groups) == 2 and len(concerned) > 2 else ()
            yield series.finding(rule, _differs(attribute.keyword, groups), blamed, attribute.keyword)


def patient(patient: Patient, rule: Rule) -> Iterator[Finding]:
    """All series of a patient identifier are of one sex, where they say it; else two people may be one."""
    sexes = {sex for outline in patient.outlines if (sex := outline.first.text("PatientSex"))}
    if len(sexes) > 1:
        fact = f"PatientSex has {len(sexes)} values over the {len(patient.outlines)} series of the patient"
        yield rule.finding(fact, patient=patient.outlines[0].patient, variable="PatientSex")


def _by_value(instances: Sequence[Instance], keyword: str) -> Mapping[Any, Sequence[Instance]]:
    groups: dict[Any, list[Instance]] = defaultdict(list)
    for each in instances:
        frames = each.attributes.get(f"{keyword}Vector")
        if isinstance(frames, list):  # frames of one object that differ
            for known in dict.fromkeys(map(str, frames)):
                groups[known].append(each)
            continue
        text = getattr(each, keyword) if keyword in meta.FIELDS else each.text(keyword)
        groups[each.numbers(keyword) or text].append(each)
    return groups


def _differs(keyword: str, groups: Mapping[Any, Sequence[Instance]]) -> str:
    """The most common values first; equally common ones in their own order, whatever the series' order was."""
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), str(item[0])))
    parts = [f"{_shown(known)}in {len(instances)}" for known, instances in ordered[:SHOWN]]
    more = ["..."] if len(ordered) > SHOWN else []
    return f"{keyword} has {len(groups)} values over the scan: {', '.join(parts + more)} objects"


def _shown(known: Any) -> str:
    if known == NOTHING:
        return "none "
    return "\\".join(map(figure, known)) + " " if isinstance(known, tuple) else "one "


CHECKS = (
    Check("uniformity.patient", Scope.PATIENT, patient),
    Check("uniformity.value", Scope.SERIES, value),
)
