"""Whether the tables of a delivery belong together, and to its images: the domains there must be, and one identifier.

A subject of a table is named by USUBJID, which is the PatientID of its images. What always holds: a finding counts
subjects, and names none that the images do not name.
"""

from __future__ import annotations

from cohortium.check import naming
from cohortium.check.delivery import Delivery
from cohortium.check.rule import Check, Found, Limit, Rule, Scope, Skipped
from cohortium.check.together import DM, of_dm, subjects, why_not

__all__ = ["CHECKS"]

NO_IMAGES = "there are no images"
UNNAMED = "some images name no patient"


def domains(delivery: Delivery, rule: Rule) -> Found:
    """There is a table of each domain that the specification names."""
    there = {table.domain for table in delivery.tables}
    for domain in rule.limits["domains"]:
        if domain not in there:
            yield rule.finding(f"there is no table of {domain}", variable=domain)


def subject(delivery: Delivery, rule: Rule) -> Found:
    """Every subject of a table has a row in DM."""
    if why := why_not(delivery):
        yield Skipped(why)
        return
    known = of_dm(delivery)
    for table in delivery.tables:
        rows = [row for subject, row in subjects(delivery).get(table.name, {}).items() if subject not in known]
        if rows:
            fact = f"{_count(len(rows))} of {table.domain} with no row in DM"
            yield rule.finding(fact, file=naming.masked(table.name), row=min(rows), variable="USUBJID")


def patient(delivery: Delivery, rule: Rule) -> Found:
    """Every patient of the images has a row in DM, under the same identifier."""
    if why := why_not(delivery) or ("" if delivery.outlines else NO_IMAGES):
        yield Skipped(why)
        return
    known = of_dm(delivery)
    for each in delivery.patients():
        if each.PatientID and each.PatientID not in known:
            yield rule.finding(
                "a patient of the images has no row in DM", variable="USUBJID", patient=each.outlines[0].patient
            )


def images(delivery: Delivery, rule: Rule) -> Found:
    """Every subject of DM has images, under the same identifier."""
    patients = {PatientID for outline in delivery.outlines for PatientID in outline.patients}
    why = why_not(delivery) or ("" if patients else NO_IMAGES) or (UNNAMED if "" in patients else "")
    if why:
        yield Skipped(why)
        return
    for table in delivery.tables:
        rows = [row for subject, row in subjects(delivery).get(table.name, {}).items() if subject not in patients]
        if table.domain == DM and rows:
            fact = f"{_count(len(rows))} of DM without images"
            yield rule.finding(fact, file=naming.masked(table.name), row=min(rows), variable="USUBJID")


def _count(number: int) -> str:
    return "1 subject" if number == 1 else f"{number} subjects"


CHECKS = (
    Check("sdtm.domains", Scope.DELIVERY, domains, {"domains": Limit.TEXTS}),
    Check("sdtm.domains-expected", Scope.DELIVERY, domains, {"domains": Limit.TEXTS}),
    Check("sdtm.images", Scope.DELIVERY, images),
    Check("sdtm.patient", Scope.DELIVERY, patient),
    Check("sdtm.subject", Scope.DELIVERY, subject),
)
