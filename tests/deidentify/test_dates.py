"""Dates: intervals survive a shift exactly, and nothing comes out that was not read as a date."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import tag_for_keyword

import factory
from cohortium.deidentify import Deidentified, Deidentifier, dates, load_protocol
from cohortium.deidentify.daterule import FULL_DATES, MODIFIED_DATES
from cohortium.deidentify.echoes import Echoes
from cohortium.deidentify.identifiers import Shifts
from cohortium.deidentify.protocol import action_for
from cohortium.dicom.plan import Context
from cohortium.errors import ConfigError
from cohortium.keys import SiteKey
from cohortium.values import Action, DateRule, Protocol

KEY = SiteKey(bytes(32))
HEAD = 'name = "p"\nversion = "1"\ntitle = "t"\nedition = "2026c"\nbase = "basic"\n'
Loaded = Callable[..., Protocol]


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    """A protocol with these options and what else stands in its file."""

    def load(text: str, *options: str) -> Protocol:
        path = tmp_path / "p.toml"
        path.write_text(f"{HEAD}options = {list(options)!r}\n{text}", "utf-8")
        return load_protocol(path)

    return load


def run(vr: str, rule: DateRule, value: bytes, days: int = -100, *, required: bool = False) -> tuple[bytes, int]:
    """The new value, and how many findings it left."""
    context = Context({}, ("iso8859",), [], "", Echoes((), ("iso8859",)), days)
    made = dates.modified(vr, rule, required=required)(value, context)
    assert made is not None
    assert len(made) % 2 == 0
    return made.rstrip(b" "), len(context.findings)


SHIFT = DateRule("shift")


@pytest.mark.parametrize(
    ("vr", "value", "new"),
    [
        ("DA", b"20200410", b"20200101"),
        ("DA", b"20200229", b"20191121"),
        ("DA", b"2020.04.10", b"20200101"),
        ("DA", b"20200410\\20210410 ", b"20200101\\20201231"),
        ("DA", b"20200410\\\\20210410", b"20200101\\\\20201231"),
        ("DT", b"20200410235959.999999+0530", b"20200101235959.999999+0530"),
        ("DT", b"20200410-0800", b"20200101-0800"),
        ("DT", b"2020", b"2020"),
        ("DT", b"202002", b"201911"),
        ("DT", b"2020041012", b"2020010112"),
        ("TM", b"101112.5", b"101112.5"),
        ("SH", b"+0100", b"+0100"),
        ("AS", b"091Y", b"090Y"),
        ("AS", b"090Y", b"090Y"),
        ("AS", b"089Y", b"089Y"),
        ("AS", b"999M", b"999M"),
        ("DA", b"", b""),
    ],
)
def test_a_shift_of_minus_100_days(vr: str, value: bytes, new: bytes) -> None:
    assert run(vr, SHIFT, value) == (new, 0)


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        ("DA", b"20200230"),
        ("DA", b"2020"),
        ("DA", b"MUELLER"),
        ("DA", b"20200101-20200201"),
        ("DA", b"00010102"),
        ("DA", b"20200101x"),
        ("DT", b"20201301"),
        ("DT", b"20200101250000"),
        ("DT", b"20200101 HANS"),
        ("TM", b"10:1112"),
        ("TM", b"MUELLER"),
        ("TM", b"9960"),
        ("SH", b"MUELLER"),
        ("AS", b"old"),
        ("DA", "２０２００１０１".encode()),
    ],
)
def test_what_cannot_be_read_is_emptied_with_a_finding(vr: str, value: bytes) -> None:
    rule = DateRule("shift", times="hour")
    if value != b"10:1112":
        assert run(vr, rule, value) == (b"", 1)
        made, findings = run(vr, rule, value, required=True)
        assert made != b""
        assert findings == 1
        assert not any(part in made for part in (b"MUELLER", b"HANS", value))


def test_one_bad_value_of_many_does_not_cost_the_others() -> None:
    assert run("DA", SHIFT, b"20200410\\gestern\\20200411") == (b"20200101\\\\20200102", 1)


@pytest.mark.parametrize("constant", [b"19000101", b"19700101", b"18581117", b"00010101", b"99991231"])
def test_a_constant_that_means_no_date_would_tell_the_shift(constant: bytes) -> None:
    assert run("DA", SHIFT, constant) == (b"", 1)
    assert run("DT", SHIFT, constant + b"000000") == (b"", 1)


@pytest.mark.parametrize(
    ("rule", "vr", "value", "new"),
    [
        (DateRule("truncate"), "DA", b"20200410", b"20200101"),
        (DateRule("truncate", precision="month"), "DA", b"20200410", b"20200401"),
        (DateRule("truncate"), "DT", b"20200410101112+0100", b"2020"),
        (DateRule("truncate", precision="month"), "DT", b"20200410101112+0100", b"202004"),
        (DateRule("keep", times="hour"), "TM", b"101112.5", b"10"),
        (DateRule("keep", times="hour"), "TM", b"10:11:12", b"10"),
        (DateRule("keep", times="obscure"), "TM", b"101112.5", b"000000"),
        (DateRule("keep", times="hour"), "DT", b"20200410101112.5+0100", b"2020041010+0100"),
        (DateRule("keep", times="obscure"), "DT", b"20200410101112.5+0100", b"20200410"),
        (DateRule("keep", times="obscure"), "SH", b"+0100", b""),
        (DateRule("keep", times="obscure"), "DA", b"20200410", b"20200410"),
    ],
)
def test_truncated_coarsened_obscured(rule: DateRule, vr: str, value: bytes, new: bytes) -> None:
    assert run(vr, rule, value) == (new, 0)


@given(st.text(min_size=1, max_size=20), st.integers(1, 3000))
def test_a_shift_is_never_nothing_and_in_the_range_stated(patient: str, width: int) -> None:
    days = Shifts(KEY, "project", -width - 27, -width).days(patient)
    assert -width - 27 <= days <= -width
    assert days == Shifts(KEY, "project", -width - 27, -width).days(patient)


def test_shifts_of_projects_sites_and_issuers_are_unrelated() -> None:
    def of(key: SiteKey, project: str, issuer: str) -> tuple[int, ...]:
        shifts = Shifts(key, project, -3650, -1)
        return tuple(shifts.days(str(number), issuer) for number in range(20))

    cases = [(KEY, "a", ""), (KEY, "b", ""), (SiteKey(b"\1" * 32), "a", ""), (KEY, "a", "hospital")]
    assert len({of(*case) for case in cases}) == len(cases)


days = st.dates(date(1975, 1, 1), date(2030, 12, 31))
moments = st.datetimes(datetime(1975, 1, 1), datetime(2030, 12, 31))
SHIFTING = Deidentifier(
    Protocol("p", "1", "", "2026c", (MODIFIED_DATES,), load_protocol("basic").subject, {}, "ab" * 32, SHIFT), KEY, "p"
)


@given(st.lists(st.tuples(days, moments), min_size=2, max_size=4), st.sampled_from(["+0000", "-0930", ""]))
def test_intervals_are_exact_across_modalities_years_and_depths(visits: list[tuple[date, datetime]], zone: str) -> None:
    """CT, MR and PET of one patient: every pair of dates is as far apart as before, at the top and in sequences."""
    old, new = [], []
    kinds = (("CT", factory.CT_IMAGE), ("MR", factory.MR_IMAGE), ("PT", factory.PET_IMAGE))
    for number, (day, moment) in enumerate(visits):
        modality, sop_class = kinds[number % 3]
        text = f"{moment:%Y%m%d%H%M%S.%f}{zone}".encode()
        step = {"ScheduledProcedureStepStartDate": f"{day:%Y%m%d}"}
        made = SHIFTING(
            factory.ct(
                SOPClassUID=sop_class,
                Modality=modality,
                StudyDate=f"{day:%Y%m%d}",
                AcquisitionDateTime=text,
                PerformedProtocolCodeSequence=[step],
            )
        )
        assert isinstance(made, Deidentified)
        output = factory.read(factory.joined(made.slices))
        inner = output.PerformedProtocolCodeSequence[0].ScheduledProcedureStepStartDate
        assert inner == output.StudyDate
        assert output.AcquisitionDateTime[14:] == text.decode()[14:], "time and zone stay to the microsecond"
        old += [day, moment.date()]
        new += [_day(output.StudyDate), _day(output.AcquisitionDateTime)]
        assert output.LongitudinalTemporalInformationModified == "MODIFIED"
    assert {after - before for before, after in zip(old, new, strict=True)} == {new[0] - old[0]}
    assert timedelta(-3650) <= new[0] - old[0] <= timedelta(-1)


def _day(text: str) -> date:
    return datetime.strptime(text[:8], "%Y%m%d").date()


def test_both_paths_move_dates_alike() -> None:
    """Big endian and deflated files go through pydicom, the others through the scanner."""
    step = [{"ScheduledProcedureStepStartDate": "20200410", "ScheduledProcedureStepStartTime": "12"}]
    found = set()
    for syntax in (factory.EXPLICIT, factory.IMPLICIT, factory.BIG_ENDIAN, factory.DEFLATED):
        made = SHIFTING(factory.ct(syntax=syntax, AcquisitionDate="20200230", PerformedProtocolCodeSequence=step))
        assert isinstance(made, Deidentified)
        assert {"dates.unparseable"} == {finding.rule for finding in made.findings}
        output = factory.read(factory.joined(made.slices))
        inner = output.PerformedProtocolCodeSequence[0]
        found.add((output.StudyDate, output.AcquisitionDate, inner.ScheduledProcedureStepStartDate))
    assert len(found) == 1
    assert found.pop()[1] == ""


def test_two_patients_are_shifted_apart() -> None:
    def study_date(patient: str) -> str:
        made = SHIFTING(factory.ct(PatientID=patient, PatientName="X"))
        assert isinstance(made, Deidentified)
        return str(factory.read(factory.joined(made.slices)).StudyDate)

    assert len({study_date(f"P{number}") for number in range(10)}) > 5
    assert "20200304" not in {study_date(f"P{number}") for number in range(10)}


def test_dates_of_devices_and_definitions_are_never_shifted(loaded: Loaded) -> None:
    """A known constant, or the day of a calibration, beside its shifted self would give the shift away."""
    plain, devices = loaded("", MODIFIED_DATES), loaded("", MODIFIED_DATES, "Retain Device Identity")
    ct = factory.CT_IMAGE
    for keyword in ("ContextGroupVersion", "DateOfLastCalibration", "DateOfInstallation", "TemplateVersion"):
        assert action_for(plain, int(tag_for_keyword(keyword) or 0), ct)[0] in (Action.REMOVE, Action.DUMMY), keyword
    calibrated = int(tag_for_keyword("DateOfLastCalibration") or 0)
    assert action_for(devices, calibrated, ct)[0] is Action.YEAR
    made = Deidentifier(devices, KEY, "p")(factory.ct(DateOfLastCalibration="20190703", TimeOfLastCalibration="1011"))
    assert isinstance(made, Deidentified)
    output = factory.read(factory.joined(made.slices))
    assert output.DateOfLastCalibration == "20190101"
    assert "TimeOfLastCalibration" not in output


def test_ages_are_capped_only_where_asked(loaded: Loaded) -> None:
    content = factory.ct(PatientAge="093Y")
    for ages, expected in (("keep", "093Y"), ("cap", "090Y")):
        protocol = loaded(f'[dates]\nages = "{ages}"\n', FULL_DATES, "Retain Patient Characteristics")
        made = Deidentifier(protocol, KEY, "p")(content)
        assert isinstance(made, Deidentified)
        assert factory.read(factory.joined(made.slices)).PatientAge == expected


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("", "REMOVED"),
        ('[elements]\nStudyDate = "keep"\n', "MODIFIED"),
        ('[elements]\nPatientBirthDate = "keep"\n', "REMOVED"),
    ],
)
def test_the_stamp_is_true_of_single_attributes_too(loaded: Loaded, text: str, stamp: str) -> None:
    made = Deidentifier(loaded(text), KEY, "p")(factory.ct())
    assert isinstance(made, Deidentified)
    assert factory.read(factory.joined(made.slices)).LongitudinalTemporalInformationModified == stamp


def test_the_birth_date_goes_as_the_protocol_says(loaded: Loaded) -> None:
    for action, expected in (("modify", None), ("year", "19610101"), ("empty", "")):
        protocol = loaded(f'[elements]\nPatientBirthDate = "{action}"\n', MODIFIED_DATES)
        made = Deidentifier(protocol, KEY, "p")(factory.ct())
        assert isinstance(made, Deidentified)
        output = factory.read(factory.joined(made.slices))
        if expected is None:
            assert _day(output.PatientBirthDate) - _day("19610203") == _day(output.StudyDate) - _day("20200304")
        else:
            assert output.PatientBirthDate == expected


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ('[dates]\nrule = "shift"\n', (), "needs the option"),
        ('[dates]\nrule = "shift"\n', (FULL_DATES,), "needs the option"),
        ('[dates]\nrule = "remove"\n', (FULL_DATES,), "contradicts the option"),
        ('[dates]\ntimes = "hour"\n', (FULL_DATES,), "needs the option"),
        ("", (FULL_DATES, MODIFIED_DATES), "not both"),
        ("[dates]\ndays = [-10, 10]\n", (MODIFIED_DATES,), "no date may stay as it was"),
        ("[dates]\ndays = [0, 100]\n", (MODIFIED_DATES,), "no date may stay as it was"),
        ("[dates]\ndays = [-10, -1]\n", (MODIFIED_DATES,), "at least 28 days"),
        ("[dates]\ndays = [-1, -100]\n", (MODIFIED_DATES,), "lower end first"),
        ("[dates]\ndays = -10\n", (MODIFIED_DATES,), "two whole numbers"),
        ('[dates]\nrule = "guess"\nyears = 3\n', (), "one of keep, shift"),
        ('[dates]\nprecision = "month"\n', (MODIFIED_DATES,), "only with rule = 'truncate'"),
        ('[elements]\nStudyDate = "keep"\n', (MODIFIED_DATES,), "gives those away"),
        ('[elements]\nStudyDate = "modify"\n', (FULL_DATES,), "needs a rule"),
        ('[elements]\nStudyID = "modify"\n', (MODIFIED_DATES,), "only dates, times and ages"),
        ('[elements]\nStudyTime = "year"\n', (MODIFIED_DATES,), "only dates can be cut"),
        ('[dates]\nages = "cap"\n[elements]\nPatientBirthDate = "keep"\n', (), "ages over 89"),
        ("dates = 3\n", (), "a table is expected"),
    ],
)
def test_contradictions_are_refused(loaded: Loaded, text: str, options: tuple[str, ...], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        loaded(text, *options)


def test_the_digest_knows_the_dates(loaded: Loaded) -> None:
    texts = ["", "[dates]\ndays = [-100, -1]\n", '[dates]\ntimes = "hour"\n', '[dates]\nrule = "truncate"\n']
    assert len({loaded(text, MODIFIED_DATES).digest for text in texts}) == len(texts)
    assert loaded('[dates]\nrule = "shift"\n', MODIFIED_DATES).digest == loaded("", MODIFIED_DATES).digest
