"""What a value looks like in bytes."""

from __future__ import annotations

import pytest

from cohortium.verify.patterns import patterns, searchable, words


def contents(text: str, *encodings: str) -> set[bytes]:
    return {pattern.content for pattern in patterns(text, encodings)}


@pytest.mark.parametrize("text", ["Doe", "4711", "山田", "김희", "A-1234", "Müller"])
def test_long_enough_to_search(text: str) -> None:
    assert searchable(text)


@pytest.mark.parametrize("text", ["", "J", "Li", "123", "^^", "A1"])
def test_too_short_to_mean_anything(text: str) -> None:
    assert not searchable(text)


def test_words_of_a_name_without_a_lone_year() -> None:
    assert list(words("Müller^Hans-Jürgen^^Dr. 1957 4711")) == ["Müller", "Hans", "Jürgen", "4711"]


def test_every_encoding_and_spelling() -> None:
    found = contents("Müller", "iso2022_jp")
    assert {"müller".encode(), "müller".encode("latin-1"), b"mueller", b"muller"} <= found
    assert "müller".encode("utf-16-le") in found
    assert "MÜLLER".encode().lower() in found


def test_the_encoding_of_the_input_is_among_them_and_may_go_on_after_the_word() -> None:
    (name,) = contents("山田", "iso2022_jp") & {"山田".encode("iso2022_jp").lower().removesuffix(b"\x1b(b")}
    assert "山田太郎".encode("iso2022_jp").lower().startswith(name)


def test_an_encoding_that_lacks_the_letters_gives_nothing() -> None:
    assert contents("Соколов", "latin-1") == contents("Соколов")
