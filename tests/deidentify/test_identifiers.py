"""New identifiers: keyed, stable within a project, unrelated between projects, and valid DICOM."""

from __future__ import annotations

import uuid

import pydicom.uid
from hypothesis import given
from hypothesis import strategies as st

from cohortium.deidentify.identifiers import Pseudonyms, Uids
from cohortium.keys import SiteKey

KEY, OTHER_KEY = SiteKey(bytes(32)), SiteKey(b"\1" * 32)
UIDS = Uids(KEY, "project")
TEXT = st.text(min_size=1, max_size=20).filter(lambda text: text.strip())


@given(st.from_regex(r"\A[0-9]{1,3}(\.(0|[1-9][0-9]{0,8})){2,6}\Z"))
def test_a_mapped_uid_is_valid_and_says_nothing_of_the_old(uid: str) -> None:
    mapped = UIDS(uid.encode())
    assert len(mapped) % 2 == 0
    new = pydicom.uid.UID(mapped.rstrip(b"\0").decode())
    assert new.is_valid
    assert new.startswith("2.25.")
    made = uuid.UUID(int=int(new.removeprefix("2.25.")))
    assert (made.version, made.variant) == (8, uuid.RFC_4122)
    assert UIDS(uid.encode() + b"\0") == UIDS(uid.encode() + b" ") == mapped


def test_each_value_of_many_is_mapped_as_if_alone() -> None:
    one, other = UIDS(b"1.2.3").rstrip(b"\0"), UIDS(b"1.2.4").rstrip(b"\0")
    assert UIDS(b"1.2.3\\1.2.4").rstrip(b"\0") == one + b"\\" + other
    assert UIDS(b"") == UIDS(b"\0\0") == b""


def test_standard_uids_stay_and_what_only_looks_like_one_does_not() -> None:
    assert UIDS(b"1.2.840.10008.5.1.4.1.1.2\0") == b"1.2.840.10008.5.1.4.1.1.2\0"
    for false in (b"1.2.840.10008.MUELLER", b"1.2.840.10008.", b"1.2.840.100081.5", b"1.2.840.10008.19610203123456789"):
        assert UIDS(false).startswith(b"2.25.")


def test_projects_and_sites_cannot_be_joined() -> None:
    others = [Uids(KEY, "other"), Uids(OTHER_KEY, "project")]
    assert len({uids(b"1.2.3") for uids in (UIDS, *others)}) == 3
    people = [Pseudonyms(KEY, "project", 16), Pseudonyms(KEY, "other", 16), Pseudonyms(OTHER_KEY, "project", 16)]
    assert len({each.pseudonym("P") for each in people}) == 3
    assert len({each.mark("P") for each in people}) == 3


@given(TEXT, TEXT)
def test_pseudonyms_fit_a_patient_id_and_tell_patients_apart(one: str, other: str) -> None:
    people = Pseudonyms(KEY, "project", 16)
    pseudonym = people.pseudonym(one)
    assert len(pseudonym) == 16
    assert pseudonym.isalnum()
    assert pseudonym.upper() == pseudonym
    assert people.pseudonym(one, other) != pseudonym, "an issuer counts"


def test_an_identifier_is_read_as_people_read_it() -> None:
    people = Pseudonyms(KEY, "project", 10)
    assert people.pseudonym("Mu\u0308ller ") == people.pseudonym(" Müller")
    assert people.pseudonym("a", "b") != people.pseudonym("b", "a")
    assert people.pseudonym("b\x1fa") != people.pseudonym("a", "b"), "the separator cannot be typed"


def test_a_short_pseudonym_is_the_start_of_a_long_one() -> None:
    """So a protocol may be lengthened; whether two patients share the short one, only the mark tells."""
    assert Pseudonyms(KEY, "project", 64).pseudonym("P").startswith(Pseudonyms(KEY, "project", 8).pseudonym("P"))
    assert len(Pseudonyms(KEY, "project", 8).mark("P")) == 64
