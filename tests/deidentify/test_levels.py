"""Levels of privacy: chosen by name, in order, each more private than the one before for every attribute there is."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from pydicom._dicom_dict import DicomDictionary

from cohortium.deidentify import load_protocol, standard
from cohortium.deidentify.levels import GIVES_AWAY
from cohortium.deidentify.protocol import action_for, names
from cohortium.errors import ConfigError
from cohortium.values import Action, Protocol

HEAD = 'name = "p"\nversion = "1"\ntitle = "t"\nedition = "2026c"\nbase = "basic"\n'
MODIFIED = 'options = ["Retain Longitudinal Temporal Information Modified Dates", "Clean Descriptors"]\n'
PRIVATE = '["Retain Longitudinal Temporal Information Modified Dates", "Retain Safe Private"]'
Load = Callable[..., Protocol]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def from_text(text: str, level: str = "") -> Protocol:
        (tmp_path / "p.toml").write_text(HEAD + MODIFIED + text, "utf-8")
        return load_protocol(tmp_path / "p.toml", level)

    return from_text


def test_a_level_rules_over_the_one_before(load: Load) -> None:
    text = """[dates]
days = [-730, -30]
[elements]
PatientSex = "keep"
StudyID = "hash"
[levels.low]
[levels.medium.elements]
StudyID = "empty"
[levels.high]
options = ["Retain Longitudinal Temporal Information Modified Dates"]
[levels.high.dates]
times = "hour"
"""
    own, low, medium, high = (load(text, level) for level in ("", "low", "medium", "high"))
    assert own.levels == ("low", "medium", "high") == high.levels
    assert low.elements == own.elements == {"PatientSex": Action.KEEP, "StudyID": Action.HASH}
    assert medium.elements == {"PatientSex": Action.KEEP, "StudyID": Action.EMPTY} == high.elements
    assert (medium.options, high.options) == (own.options, own.options[1:])
    assert (high.dates.times, high.dates.earliest) == ("hour", -730)
    assert (high.label, own.label) == ("p 1 level high", "p 1")
    assert len({each.digest for each in (own, low, medium, high)}) == 4


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ('levels = ["high"]\n', "levels: tables such as"),
        ('[levels]\nhigh = "x"\n', r"levels\.high: a table"),
        ('[levels."Very high"]\n', r"levels\.Very high: .*letters"),
        ('[levels.high.subject]\nkind = "hash"\n', r"levels\.high\.subject: no such setting"),
        ('[levels.high]\nelements = "x"\n', r"levels\.high\.elements: a table"),
        ('[levels.high.elements]\nStudyID = "shred"\n', r"levels\.high: elements\.StudyID: one of"),
        ('[levels.high.dates]\ntimes = "never"\n', r"levels\.high: dates\.times: one of"),
        ('[levels.high]\noptions = ["Nothing"]\n', r"levels\.high: options: PS3.15 Annex E has no"),
        ('[levels.high.elements]\nStudyID = "keep"\n', r"levels\.high: gives away more than .* in StudyID"),
        (
            '[elements]\nStudyID = "empty"\n[levels.a]\n[levels.b.elements]\nStudyID = "hash"\n',
            r"more than a in StudyID",
        ),
        ("[levels.a]\n[levels.b]\n", r"levels\.b: is no more private than a"),
        (
            f"[levels.a]\n[levels.b]\noptions = {PRIVATE}\n",
            r"levels\.b: gives away more than a in private attributes of ",
        ),
        ('[dates]\ntimes = "hour"\n[levels.a.dates]\ntimes = "keep"\n', r"levels\.a"),
        ("[dates]\ndays = [-800, -10]\n[levels.a.dates]\ndays = [-100, -10]\n", r"levels\.a\.dates: give away more"),
        ('[levels.a.dates]\nrule = "truncate"\n', r"levels\.a\.dates: give away more .*or other things"),
    ],
)
def test_every_mistake_is_named(load: Load, text: str, mistake: str) -> None:
    with pytest.raises(ConfigError, match=mistake):
        load(text)


def test_only_what_is_offered_can_be_chosen(load: Load) -> None:
    with pytest.raises(ConfigError, match="no level 'high'; it offers none"):
        load("", "high")
    with pytest.raises(ConfigError, match="offered: low, medium, high"):
        load_protocol("incisive", "utmost")


@pytest.mark.parametrize("name", [name for name in names() if load_protocol(name).levels])
def test_shipped_levels_in_every_kind_of_object(name: str) -> None:
    """The check at loading knows no IOD; here each attribute is asked in kinds whose IODs type many of them."""
    rank = {action: number for number, actions in enumerate(GIVES_AWAY) for action in actions}
    levels = [load_protocol(name, level) for level in ("", *load_protocol(name).levels)]
    kinds = list(standard.storage_sop_classes())[::17]
    for weaker, stronger in pairwise(levels):
        for tag in (tag for tag in DicomDictionary if tag >> 16 >= 8):
            for kind in kinds:
                before, after = (action_for(each, tag, kind)[0] for each in (weaker, stronger))
                assert rank[after] >= rank[before], (standard.keyword(tag), kind, stronger.label)


def test_every_action_gives_away_something_known() -> None:
    assert sorted(action for actions in GIVES_AWAY for action in actions) == sorted(Action)
