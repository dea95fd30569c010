"""A specification is checked itself: every mistake named at once, and a digest over what decides."""

import pytest

from cohortium import check
from cohortium.check import specification
from cohortium.errors import ConfigError
from cohortium.values import Severity

HEAD = 'name = "own"\nversion = "1"\ntitle = "Our own"\n'
RULE = """
[completeness.slices]
severity = "error"
explanation = "Enough slices."
mend = "send more"
least = 10
most = 20
"""


def own(tmp_path, text):
    path = tmp_path / "own.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_shipped_ones_hold_what_they_promise():
    dragon = {rule.id: rule for rule in check.load("dragon").rules}
    assert dragon.keys() == check.checks().keys()
    assert (dragon["completeness.slices"].least, dragon["completeness.slices"].most) == (25, 1500)
    assert (dragon["accuracy.pixel-spacing"].least, dragon["accuracy.pixel-spacing"].most) == (0.6, 1.5)
    assert (dragon["accuracy.slice-thickness"].least, dragon["accuracy.slice-thickness"].most) == (0.5, 1.5)
    assert dragon["accuracy.modality"].allowed == ("CT",)
    assert {rule.severity for rule in check.load("basic").rules} == {Severity.WARNING, Severity.INFO}
    assert specification.shipped() == ["basic", "dragon"]


def test_limits_are_inclusive_and_rules_come_in_the_order_of_their_ids(tmp_path):
    found = check.load(own(tmp_path, HEAD + RULE))
    assert [(rule.id, rule.least, rule.most) for rule in found.rules] == [("completeness.slices", 10.0, 20.0)]
    ids = [rule.id for rule in check.load("dragon").rules]
    assert ids == sorted(ids)


def test_the_digest_covers_what_decides_and_not_the_wording(tmp_path):
    digest = check.load(own(tmp_path, HEAD + RULE)).digest
    assert check.load(own(tmp_path, HEAD + RULE.replace("send more", "send all"))).digest == digest
    for old, new in [("least = 10", "least = 11"), ('"error"', '"warning"'), ("most = 20", "most = 20.5")]:
        assert check.load(own(tmp_path, HEAD + RULE.replace(old, new))).digest != digest


def test_all_mistakes_are_reported_together(tmp_path):
    text = """
name = "own"
version = 1
colour = "red"
completeness = {slices = {severity = "fatal", least = 5, most = 2, mend = "x", explanation = " "}, slice = {}}
[accuracy.modality]
severity = "error"
explanation = "x"
mend = "x"
allowed = []
[accuracy.pixel-spacing]
severity = "error"
explanation = "x"
mend = "x"
least = nan
most = true
tolerance = 1
[geometry]
tilt = 3
"""
    with pytest.raises(ConfigError) as caught:
        check.load(own(tmp_path, text))
    lines = [line.strip() for line in str(caught.value).splitlines()[1:]]
    for start in [
        "version: text",
        "title: text",
        "colour: no such setting",
        "[completeness.slice]: no such rule",
        "[completeness.slices] severity: one of off, info, warning, error",
        "[completeness.slices] explanation: text",
        "[completeness.slices] least: is more than most",
        "[accuracy.modality] allowed: a list of texts",
        "[accuracy.pixel-spacing] least: a number",
        "[accuracy.pixel-spacing] most: a number",
        "[accuracy.pixel-spacing] tolerance: no such setting",
        "[geometry.tilt]: a table is expected",
    ]:
        assert sum(line.startswith(start) for line in lines) == 1, start
    assert len(lines) == 12


@pytest.mark.parametrize("content", [b"\xff\xfe", b"= 1", b"[a", b"a.b=1\na=2"])
def test_what_is_no_toml_is_refused_in_words(tmp_path, content):
    path = tmp_path / "own.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="is not TOML"):
        check.load(path)


@pytest.mark.parametrize("name", ["dragoon", "no/such/file.toml", "\0", "."])
def test_a_name_that_leads_nowhere_is_refused_in_words(name):
    with pytest.raises(ConfigError, match=r"no specification|cannot be read"):
        check.load(name)


OVER = """
name = "ours"
version = "2"
title = "Ours"
extends = "dragon"
notes = ["Thick slices are allowed here."]
[accuracy.slice-thickness]
most = 5
[accuracy.modality]
severity = "off"
[geometry.tilt]
severity = "error"
"""


def test_a_specification_extends_another_setting_by_setting(tmp_path):
    ours, dragon = check.load(own(tmp_path, OVER)), check.load("dragon")
    rules, base = {rule.id: rule for rule in ours.rules}, {rule.id: rule for rule in dragon.rules}
    assert ours.label == "ours 2"
    assert ours.notes == (*dragon.notes, "Thick slices are allowed here.")
    assert base.keys() - rules.keys() == {"accuracy.modality"} == set(ours.off)
    assert (rules["accuracy.slice-thickness"].least, rules["accuracy.slice-thickness"].most) == (0.5, 5.0)
    assert rules["geometry.tilt"].severity is Severity.ERROR
    assert rules["geometry.tilt"].mend == base["geometry.tilt"].mend
    changed = {id for id in rules if rules[id] != base[id]}
    assert changed == {"accuracy.slice-thickness", "geometry.tilt"}
    assert ours.digest != dragon.digest


def test_a_file_extends_a_file_beside_it(tmp_path):
    (tmp_path / "base.toml").write_text(HEAD + RULE, "utf-8")
    above = own(tmp_path, HEAD + 'extends = "./base.toml"\n[completeness.slices]\nmost = 30\n')
    assert check.load(above).rules[0].limits == {"least": 10.0, "most": 30.0}


@pytest.mark.parametrize("extends", ["own.toml", "./own.toml", 3, "", "nothing"])
def test_what_extends_itself_or_nothing_is_refused_in_words(tmp_path, extends):
    text = HEAD + f"extends = {extends!r}\n".replace("'", '"')
    with pytest.raises(ConfigError, match=r"extends|no specification"):
        check.load(own(tmp_path, text))


def test_the_digest_of_what_extends_is_that_of_the_whole(tmp_path):
    same = check.load(own(tmp_path, HEAD + 'extends = "dragon"\n'))
    assert same.digest == check.load("dragon").digest
