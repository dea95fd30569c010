"""Whether everything lies where the specification has it, and belongs to one patient identifier."""

from __future__ import annotations

from pathlib import PurePosixPath

from cohortium.check.rule import Check, Found, Rule, Scope
from cohortium.check.scan import File, Scan

__all__ = ["CHECKS"]


PLACE = "PatientID/StudyInstanceUID/SeriesInstanceUID/*.dcm"


def place(scan: Scan, rule: Rule) -> Found:
    """Each object lies in PatientID/StudyInstanceUID/SeriesInstanceUID and is called .dcm; folders above are free."""
    wrong = [file for file in scan.files if not _is_in_place(file)]
    if wrong:
        fact = f"{len(wrong)} of {len(scan.files)} objects do not lie in {PLACE}"
        yield rule.finding(fact, SeriesInstanceUID=scan.SeriesInstanceUID)


def patient(scan: Scan, rule: Rule) -> Found:
    """Each object names its patient's identifier."""
    silent = [file for file in scan.files if not file.instance.PatientID]
    if silent:
        fact = f"PatientID is missing in {len(silent)} of {len(scan.files)} objects"
        yield rule.finding(fact, SeriesInstanceUID=scan.SeriesInstanceUID, variable="PatientID")


def _is_in_place(file: File) -> bool:
    path, instance = PurePosixPath(file.name), file.instance
    wanted = (instance.StudyInstanceUID, instance.SeriesInstanceUID)
    folders = path.parts[:-1]
    if path.suffix.lower() != ".dcm" or folders[-2:] != wanted:
        return False
    return not instance.PatientID or folders[-3:-2] == (instance.PatientID,)


CHECKS = (
    Check("layout.patient", Scope.FILES, patient),
    Check("layout.place", Scope.FILES, place),
)
