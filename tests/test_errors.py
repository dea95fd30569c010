"""Exit codes are part of the interface: documented, distinct, never given a second meaning."""

import inspect

import pytest

from cohortium import errors


def test_exit_codes_never_change_meaning():
    codes = {name: getattr(errors, name).exit_code for name in errors.__all__}
    assert codes == {
        "CohortiumError": 1,
        "ConfigError": 2,
        "Refused": 3,
        "Later": 3,
        "Malformed": 4,
        "Unavailable": 5,
        "Corrupt": 6,
    }


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_in_the_tree_and_drawn_in_it(name):
    assert issubclass(getattr(errors, name), errors.CohortiumError)
    assert name in inspect.getdoc(errors)


def test_malformed_says_at_which_byte():
    assert str(errors.Malformed("cut", 1234)) == "cut (byte 1234)"
    assert errors.Malformed("cut", 0).offset == 0
    assert str(errors.Malformed("cut")) == "cut"
    assert errors.Malformed("cut").offset is None
