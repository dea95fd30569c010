"""An authority made for a test, a certificate of it for 127.0.0.1, good for both ends of a connection, and others."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["Certificates"]


class Certificates:
    """`authority.pem`, `own.pem` and `own.key` in the folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.authority, self.certificate, self.key = (folder / each for each in ("authority.pem", "own.pem", "own.key"))
        self._root, self._name = ec.generate_private_key(ec.SECP256R1()), _named("authority of a test")
        is_authority = x509.BasicConstraints(ca=True, path_length=None)
        public = self._root.public_key()
        self.authority.write_bytes(_signed(self._name, self._name, public, self._root, is_authority))
        self.make(self.certificate)

    def make(self, path: Path, *, days: int = 1, alone: bool = False) -> tuple[Path, Path]:
        """Another certificate at that path, and its key beside it; one that is `alone` has signed itself."""
        own, subject = ec.generate_private_key(ec.SECP256R1()), _named("localhost")
        issuer, by = (subject, own) if alone else (self._name, self._root)
        alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")])
        path.write_bytes(_signed(subject, issuer, own.public_key(), by, alternative, days))
        key = path.with_suffix(".key")
        key.write_bytes(
            own.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        key.chmod(0o600)
        return path, key

    def server(self, *, asks: bool = False) -> ssl.SSLContext:
        """For a server; `asks` for a certificate of the same authority."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.authority))
        context.load_cert_chain(self.certificate, self.key)
        context.verify_mode = ssl.CERT_REQUIRED if asks else ssl.CERT_NONE
        return context


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    by: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
    days: float = 1,
) -> bytes:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number())
    made = builder.not_valid_before(now - timedelta(days=2)).not_valid_after(now + timedelta(days=days))
    made = made.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return made.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
