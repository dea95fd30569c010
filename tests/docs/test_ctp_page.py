"""docs/ctp.md: every function stands in its table."""

import re
from pathlib import Path

from cohortium.deidentify.ctp.functions import FUNCTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "ctp.md").read_text("utf-8")


def test_every_function_is_in_the_table():
    table = PAGE.partition("## Functions")[2].partition("They are held")[0]
    assert set(re.findall(r"`([a-z]+)`", table)) == set(FUNCTIONS)
