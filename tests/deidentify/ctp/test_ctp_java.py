"""Java's habits: text, numbers, days, regular expressions and property files."""

from __future__ import annotations

import datetime
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohortium.deidentify.ctp import java


@pytest.mark.parametrize(
    ("text", "parts"),
    [("a^b", ["a", "b"]), ("a^^", ["a"]), ("^a", ["", "a"]), ("", [""]), ("^", []), ("a", ["a"])],
)
def test_split_forgets_empty_ends(text, parts):
    assert java.split(text, "^") == parts


@given(st.dates(min_value=datetime.date(1582, 10, 15)))
def test_days_are_those_of_the_calendar(date):
    number = java.day_of(date.year, date.month, date.day)
    assert number - date.toordinal() == 1721425
    assert java.day_to(number) == (date.year, date.month, date.day)


def test_the_calendar_is_lenient_and_changes_in_1582():
    assert java.day_to(java.day_of(2024, 13, 1)) == (2025, 1, 1)
    assert java.day_to(java.day_of(2024, 2, 30)) == (2024, 3, 1)
    assert java.day_to(java.day_of(2024, 0, 0)) == (2023, 11, 30)
    assert java.day_of(1582, 10, 15) - java.day_of(1582, 10, 4) == 1


@given(st.integers(-(10**7), 10**7))
def test_every_day_has_a_date(number):
    year, month, day = java.day_to(number)
    assert year > 0
    assert 1 <= month <= 12
    assert 1 <= day <= 31


@pytest.mark.parametrize("text", ["", " 1", "1.0", "x", "2147483648", None, "1_0"])
def test_what_is_no_whole_number(text):
    with pytest.raises(ValueError, match="number"):
        java.integer(text)


def test_whole_numbers():
    assert [java.integer(text) for text in ("0012", "+5", "-2147483648")] == [12, 5, -(2**31)]


@pytest.mark.parametrize(
    ("shortest", "java_writes"),
    [
        ("1.0", "1.0"),
        ("0.001", "0.001"),
        ("0.0001", "1.0E-4"),
        ("1e+20", "1.0E20"),
        ("12345678.0", "1.2345678E7"),
        ("-0.0", "-0.0"),
        ("2.5e-05", "2.5E-5"),
        ("nan", "NaN"),
        ("-inf", "-Infinity"),
    ],
)
def test_floating_point_as_java_prints_it(shortest, java_writes):
    assert java.floating(shortest) == java_writes


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (r"\d+", "123", True),
        (r"\d+", "١٢٣", False),
        (".", "\u2028", False),
        (r"\p{Alpha}+", "abc", True),
        (r"\P{Digit}", "a", True),
        (r"[\p{Upper}_]+", "A_B", True),
        (r"\Qa.b\E", "a.b", True),
        (r"\Qa.b\E", "axb", False),
        (r"a++b", "aab", True),
        ("[aeiou]", "e", True),
    ],
)
def test_regular_expressions_mean_what_they_mean_in_java(pattern, text, matches):
    assert (java.regex(pattern).fullmatch(text) is not None) == matches


@pytest.mark.parametrize("pattern", ["[a-z&&[b]]", "[a[b]]", "(", r"\p{IsGreek}", "\\", r"\R", "a{99999999999}"])
def test_what_python_cannot_say_is_refused(pattern):
    with pytest.raises(ValueError, match=r"\w"):
        java.regex(pattern)


@given(st.text("[]()\\pQE{}.*+?|^$-&azdD1 ,", max_size=12))
def test_any_pattern_compiles_or_is_refused(pattern):
    try:
        compiled = java.regex(pattern)
    except ValueError:
        return
    assert isinstance(compiled, re.Pattern)


def test_replacements_know_groups():
    pattern = java.regex("(a)(b)?")
    assert java.replace_all(pattern, "$1$2-", "ab a") == "ab- a-"
    assert java.replace_all(pattern, r"\$1", "a") == "$1"
    assert java.replace_all(pattern, "$11", "a") == "a1"


@pytest.mark.parametrize("replacement", ["$", "$9", "\\", "$x"])
def test_a_replacement_that_java_refuses(replacement):
    with pytest.raises(ValueError, match=r"\w"):
        java.replace_all(java.regex("a"), replacement, "a")


def test_property_files():
    text = "# no\n! no\n\n a b=c\\u0041\\\n   d\nk\\=1 : v w \nq\nx\\\\y=\\t1\n"
    assert list(java.properties(text)) == [
        (4, "a", "b=cAd"),
        (6, "k=1", "v w "),
        (7, "q", ""),
        (8, "x\\y", "\t1"),
    ]
