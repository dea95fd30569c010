"""Names of files outside: whatever a pseudonym holds, it cannot climb out of its folder or become another's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cohortium.wire.names import instance_path, safe

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=64)


@given(TEXT)
def test_a_name_is_one_part_of_a_path_on_every_system(text: str) -> None:
    name = safe(text)
    assert name
    assert name.isascii()
    assert not set(name) & set('/\\:*?"<>| \0\n')
    assert not name.startswith(".")
    assert not name.endswith(".")


@given(TEXT, TEXT)
def test_two_names_are_equal_only_if_their_texts_are(one: str, other: str) -> None:
    assert (safe(one) == safe(other)) is (one == other)


def test_usual_pseudonyms_and_uids_stay_as_they_are() -> None:
    assert instance_path("S-0001", "1.2", "1.3", "1.4") == "S-0001/1.2/1.3/1.4.dcm"
    assert safe("..") == "%2E%2E"
