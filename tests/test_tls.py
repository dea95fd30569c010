"""The files of TLS: named from the folder of the configuration, and what is wrong with them is told at the start."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from certificates import Certificates
from cohortium import tls
from cohortium.config import Receiver
from cohortium.errors import ConfigError, Refused

SETTINGS = Receiver("scanners", certificate="own.pem", certificate_key="own.key", authority="authority.pem")


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "tls")


@pytest.mark.parametrize("end", [tls.client, tls.server])
def test_files_lie_beside_the_configuration_wherever_the_process_stands(end: object, made: Certificates) -> None:
    below = made.certificate.parent
    context = end(SETTINGS, below)  # type: ignore[operator]
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode.name == "CERT_REQUIRED"
    relative = Path(os.path.relpath(below))
    assert end(SETTINGS, relative).minimum_version.name == "TLSv1_2"  # type: ignore[operator]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"authority": "none.pem"}, "scanners: authority none.pem cannot be read as PEM"),
        ({"authority": "own.key"}, "scanners: authority own.key cannot be read as PEM"),
        ({"certificate": "none.pem"}, "scanners: certificate none.pem and certificate_key own.key cannot be read"),
        ({"certificate": "authority.pem"}, "certificate authority.pem and certificate_key own.key cannot be read"),
        ({"certificate_key": "none.key"}, "certificate_key of scanners: .*none.key cannot be read"),
        ({"certificate_key": "locked.key"}, "certificate_key locked.key cannot be read"),
    ],
)
@pytest.mark.parametrize("end", [tls.client, tls.server])
def test_what_is_wrong_is_told_by_its_setting(
    end: object, made: Certificates, change: dict[str, str], told: str
) -> None:
    own = serialization.load_pem_private_key(made.key.read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"a password that nobody is asked for")
    file = made.key.with_name("locked.key")
    file.write_bytes(own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))
    file.chmod(0o600)
    with pytest.raises(ConfigError, match=told):
        end(replace(SETTINGS, **change), made.key.parent)  # type: ignore[operator]


def test_a_key_that_others_can_read_is_not_used(made: Certificates) -> None:
    made.key.chmod(0o640)
    with pytest.raises(Refused, match="chmod 600"):
        tls.server(SETTINGS, made.key.parent)
