"""Of the names that a provider gave, only what cannot be anybody's is shown."""

import pytest

from cohortium.check import naming

UID = "1.2.276.0.7230010.3.1.4.8323329"
OURS = "2.25.203450567274774006150486106496527921875"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (f"P001/{UID}/{OURS}/{UID}.dcm", f"…/{UID}/{OURS}/{UID}.dcm"),
        ("Mueller Hans/IM0001.dcm", "…/…"),
        ("clinical/p01_lb.csv", "…/p01_lb.csv"),
        ("p01_DM.XPT", "p01_DM.XPT"),
        ("hans_mueller.csv", "…"),
        ("hans_xy.csv", "…"),
        ("3.2.1961/x", "…/…"),
        ("2.25.19610203.dcm", "…"),
        ("1.2.3.4.5.6" + ".7" * 40, "…"),
        ("", ""),
    ],
)
def test_a_path_shows_uids_and_tables_alone(name, shown):
    assert naming.masked(name) == shown


def test_tables_are_known_by_their_name():
    assert naming.table("p01_lb.csv") == ("p01", "LB")
    assert naming.table("Site-2_Dm.xpt") == ("Site-2", "DM")
    assert naming.table("p01_lb.txt") is naming.table("lb.csv") is naming.table("p01_zz.csv") is None


@pytest.mark.parametrize(
    ("id", "shown"), [("P001", "P001"), ("a.b_c-d", "a.b_c-d"), ("MUELLER^HANS", "…"), ("a b", "…")]
)
def test_a_name_is_no_pseudonym(id, shown):
    assert naming.pseudonym(id) == shown


@pytest.mark.parametrize(("text", "shown"), [(UID, UID), ("", ""), ("Mueller", "…"), ("1." * 40, "…")])
def test_in_the_place_of_a_uid_anything_may_stand(text, shown):
    assert naming.uid(text) == shown
