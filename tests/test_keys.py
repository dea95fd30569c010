"""The site's key: made once, refused where others could read it, and nothing derived from it joins up."""

import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from cohortium import keys
from cohortium.errors import ConfigError, Refused, Unavailable

KEY = keys.SiteKey(bytes(range(32)))
uses = st.lists(st.text(max_size=4), min_size=1, max_size=3)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "site.key"


def test_what_is_made_can_be_read_by_its_owner_alone(file, tmp_path):
    made = keys.create(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert keys.load(file, tmp_path / "data").derive("x") == made.derive("x")
    assert list(file.parent.iterdir()) == [file]


def test_two_keys_differ(tmp_path):
    one, other = keys.create(tmp_path / "one"), keys.create(tmp_path / "other")
    assert one.fingerprint() != other.fingerprint()
    assert one.derive("x") != other.derive("x")


def test_a_key_is_never_overwritten(file):
    keys.create(file)
    before = file.read_bytes()
    with pytest.raises(Refused, match="never overwritten"):
        keys.create(file)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_a_place_that_takes_no_key_is_told_in_words(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="no site key could be made"):
        keys.create(tmp_path / "file" / "site.key")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601, 0o777])
def test_a_key_that_others_can_touch_is_refused(file, tmp_path, mode):
    keys.create(file)
    file.chmod(mode)
    with pytest.raises(Refused, match="chmod 600"):
        keys.load(file, tmp_path / "data")


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_of_its_owner_alone_is_taken(file, tmp_path, mode):
    made = keys.create(file)
    file.chmod(mode)
    assert keys.load(file, tmp_path / "data").fingerprint() == made.fingerprint()


def test_a_key_inside_the_data_root_is_refused_however_it_is_reached(tmp_path):
    data = tmp_path / "data"
    keys.create(data / "keys" / "site.key")
    (tmp_path / "link").symlink_to(data / "keys")
    for path in (data / "keys" / "site.key", data / "x" / ".." / "keys" / "site.key", tmp_path / "link" / "site.key"):
        with pytest.raises(Refused, match="inside the data root"):
            keys.load(path, data)


@pytest.mark.parametrize("content", [b"", b"00" * 31, b"00" * 33, b"zz" * 32, b"\xff" * 64, b"0" * 63])
def test_a_file_that_is_no_key_is_told_in_words_without_its_content(file, tmp_path, content):
    file.parent.mkdir()
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        keys.load(file, tmp_path / "data")
    assert "zz" not in str(caught.value)


def test_a_missing_key_and_a_folder_are_told_in_words(file, tmp_path):
    with pytest.raises(ConfigError, match="cohortium init"):
        keys.load(file, tmp_path / "data")
    file.mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot be read"):
        keys.load(file, tmp_path / "data")


def test_a_key_does_not_show_itself():
    secret = bytes(range(32)).hex()
    assert secret not in f"{KEY!r} {KEY} {KEY.fingerprint()}"
    assert KEY.fingerprint() not in secret


def test_what_is_derived_stays_what_it_was():
    """Everything pseudonymised or sealed under a site's key is lost or unlinkable when this changes."""
    expected = HKDF(SHA256(), 32, None, b'["cohortium", "seal", "study"]').derive(bytes(range(32)))
    assert KEY.derive("seal", "study") == expected
    assert expected.hex().startswith("68a973ff56927885")


@given(uses, uses)
def test_no_two_uses_share_a_key(one, other):
    assert (KEY.derive(*one) == KEY.derive(*other)) == (one == other)


@given(st.text(max_size=3), st.text(max_size=3), st.characters())
def test_no_separator_joins_two_contexts_into_one(one, other, between):
    assert KEY.derive("label", one, other) != KEY.derive("label", one + between + other)


def test_a_receipt_is_verified_by_the_public_key_and_by_no_other():
    signature = KEY.signer().sign(b"receipt")
    KEY.signer().public_key().verify(signature, b"receipt")
    with pytest.raises(InvalidSignature):
        keys.SiteKey(bytes(32)).signer().public_key().verify(signature, b"receipt")


def test_a_credential_of_systemd_has_the_mode_that_an_access_list_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run" / "cohortium-gateway.service" / "site.key"
    key = keys.create(path)
    path.chmod(0o440)
    with pytest.raises(Refused):
        keys.load(path, tmp_path / "data")
    monkeypatch.setattr(keys, "CREDENTIALS", tmp_path / "run")
    assert keys.load(path, tmp_path / "data").fingerprint() == key.fingerprint()
    for mode in (0o444, 0o460):
        path.chmod(mode)
        with pytest.raises(Refused):
            keys.load(path, tmp_path / "data")
