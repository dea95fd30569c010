"""docs/protocols.md: every protocol in it loads, and its tables name what there is."""

import re
from pathlib import Path

import pytest

from cohortium.deidentify import protocol, standard

PAGE = (Path(__file__).parents[2] / "docs" / "protocols.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_there_are_examples():
    assert len(EXAMPLES) >= 2


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_loads(text, tmp_path):
    path = tmp_path / "example.toml"
    path.write_text(text, encoding="utf-8")
    assert protocol.load(path).name in text


def test_every_option_stands_in_the_table_as_it_is():
    rows = dict(re.findall(r"^\| ((?:Clean|Retain)[^|]*?) \| ([^|]*) \|$", PAGE, re.MULTILINE))
    assert set(rows) == set(standard.options())
    assert not any("not yet" in what for what in rows.values())


def test_every_action_and_shipped_protocol_is_named():
    assert set(re.findall(r"^\| `([a-z]+)` \| [a-z]", PAGE, re.MULTILINE)) >= set(protocol.ACTIONS)
    assert all(f"`{name}`" in PAGE for name in protocol.names())
