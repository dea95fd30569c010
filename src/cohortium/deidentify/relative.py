"""Times of day in PET, where dates are removed and uptake values must still be computed.

All times that say when the tracer was injected and when its decay is reckoned from move together, so that the injection
is at six o'clock. What always holds: every interval between them stays exact, none of them is the true one, and none
passes midnight, so a reader that knows times alone computes what it would have computed from dates and times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from io import BytesIO

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.filereader import read_partial

from cohortium.deidentify import dates
from cohortium.deidentify.actions import DUMMIES, dummy
from cohortium.deidentify.subjects import UNREADABLE_FILE
from cohortium.dicom.plan import Context, ElementAction, Plan, View, padded
from cohortium.values import DateRule, Finding, Severity

__all__ = ["TAGS", "moved", "tags", "timed"]

PET = frozenset(("1.2.840.10008.5.1.4.1.1.128", "1.2.840.10008.5.1.4.1.1.130"))  # and Enhanced PET
TAGS = frozenset(
    int(tag_for_keyword(keyword) or 0)
    for keyword in (
        *("SeriesTime", "AcquisitionTime", "AcquisitionDateTime", "DecayCorrectionDateTime"),
        *("RadiopharmaceuticalStartTime", "RadiopharmaceuticalStopTime"),
        *("RadiopharmaceuticalStartDateTime", "RadiopharmaceuticalStopDateTime"),
        *("FrameAcquisitionDateTime", "FrameReferenceDateTime"),
    )
)
"""What the uptake value needs; all other dates and times go."""

RADIOPHARMACEUTICALS = 0x00540016
INJECTION, BEFORE, DAY = timedelta(hours=6), timedelta(hours=6), timedelta(days=1)
NO_DAY = DUMMIES["DA"].decode()  # the dummy of SeriesDate, so that a date-time and a date with a time still agree

FAR = Finding(
    "dates.far-from-injection",
    Severity.WARNING,
    "examined over 18 hours after the injection, or 6 before it, which times of day cannot tell; they were emptied",
)


def tags(rule: DateRule, sop_class: str) -> frozenset[int]:
    """The attributes that become relative in objects of a SOP class."""
    return TAGS if rule.times == "relative" and sop_class in PET else frozenset()


def timed(plan: Plan, buffer: bytes | memoryview) -> Plan:
    """The plan for this one file, whose times move by what its injection asks for."""
    clock, findings = _clock(buffer)

    def prepare(noted: View) -> Context:
        context = plan.prepare(noted)
        context.clock = clock
        context.findings += findings
        return context

    return replace(plan, prepare=prepare)


def moved(vr: str, *, required: bool) -> ElementAction:
    """The action on a TM or DT; where there is no injection to go by, nothing stays."""

    def action(value: bytes, context: Context) -> bytes:
        texts = value.decode("latin-1").split("\\")
        try:
            made = "\\".join(_moved(vr, text.strip(" \0"), context.clock) for text in texts)
        except ValueError:
            context.findings.append(dates.UNPARSEABLE)
            made = ""
        encoded = padded(made.encode("ascii"), vr)
        return encoded if encoded.strip(b"\\ ") or not required else dummy(vr)

    return action


def _moved(vr: str, text: str, clock: timedelta | None) -> str:
    if not text or clock is None:
        return ""
    if vr == "DT":
        found = dates.DATE_TIME(text)
        if not found or not found[4]:
            raise ValueError
        return NO_DAY + _written((_of_day(found[4]) + clock) % DAY)
    return _written((_of_day(text) + clock) % DAY)


def _of_day(text: str) -> timedelta:
    """How long after midnight; `ValueError` where the text is no time of day."""
    digits = text.replace(":", "")
    dates.checked(digits or "?")
    whole, _, fraction = digits.partition(".")
    hours, minutes, seconds = (int(whole[place : place + 2] or 0) for place in (0, 2, 4))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds, microseconds=int(fraction.ljust(6, "0") or 0))


def _written(time: timedelta) -> str:
    moment = datetime.min + time
    return f"{moment:%H%M%S}" + (f".{moment:%f}" if moment.microsecond else "")


def _clock(buffer: bytes | memoryview) -> tuple[timedelta | None, list[Finding]]:
    """By how much times of day move, if the file says when the injection was and its scan is near enough."""
    try:
        dataset = read_partial(BytesIO(buffer), stop_when=lambda tag, _vr, _length: tag > RADIOPHARMACEUTICALS)
        items = dataset.get("RadiopharmaceuticalInformationSequence") or [Dataset()]
        given = str(items[0].get("RadiopharmaceuticalStartDateTime") or "")
        day, time = given[:8], given[8:] or str(items[0].get("RadiopharmaceuticalStartTime") or "")
        injected = _of_day(time.partition("+")[0].partition("-")[0])
    except UNREADABLE_FILE:
        return None, []  # nothing to go by; whoever de-identifies the file says what is wrong
    if day and any(not -BEFORE <= scanned - _moment(day, injected) < DAY - BEFORE for scanned in _scanned(dataset)):
        return None, [FAR]
    return INJECTION - injected, []


def _scanned(dataset: Dataset) -> Iterator[datetime]:
    for kind in ("Series", "Acquisition"):
        day, time = (str(dataset.get(f"{kind}{part}") or "") for part in ("Date", "Time"))
        if day and time:
            yield _moment(day, _of_day(time))


def _moment(day: str, time: timedelta) -> datetime:
    return datetime.strptime(day, "%Y%m%d") + time
