"""Certificates for tests, which one authority signs."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Issued:
    """A certificate and its private key, in PEM format."""

    certificate: str
    """The certificate."""
    key: str
    """The private key, in the form PKCS 8; encrypted if a password was given."""


class Authority:
    """Issues certificates that are valid for one day."""

    def __init__(self, folder: Path) -> None:
        """Writes the certificate of the authority into the folder."""
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _build_name("authority")
        builder = _start(self._name, self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = _dump(builder.sign(self._key, hashes.SHA256()))
        """The certificate of the authority, in PEM format."""
        self.cafile = self.write("ca.pem", self.certificate)
        """The file with the certificate of the authority."""

    def issue(self, name: str, password: str | None = None) -> Issued:
        """Returns a certificate for this name and for 127.0.0.1, as a server and as a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        addresses = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        builder = _start(_build_name(name), self._name, key.public_key()).add_extension(addresses, critical=False)
        encryption = (
            serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        )
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        return Issued(_dump(builder.sign(self._key, hashes.SHA256())), pem.decode())

    def write(self, name: str, *parts: str) -> str:
        """Writes a file into the folder and returns its path."""
        file = self._folder / name
        file.write_text("".join(parts))
        return str(file)


def _build_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _start(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))


def _dump(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
