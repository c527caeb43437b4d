"""A throw-away certificate authority, so that clients that insist on TLS can be pointed at the stand-ins.

It is made anew at every start and can vouch for loopback only. Its key never leaves memory; the server's key is in a
file that only its owner can read for as long as OpenSSL takes to load it.
"""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address, ip_network
from tempfile import NamedTemporaryFile
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME: Final = timedelta(days=90)
_SKEW: Final = timedelta(hours=1)
_NAMES: Final = (
    x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1")), x509.IPAddress(ip_address("::1")),
)  # fmt: skip
_PERMITTED: Final = (
    x509.DNSName("localhost"), x509.IPAddress(ip_network("127.0.0.0/8")), x509.IPAddress(ip_network("::1/128")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority's own certificate, as PEM, and a server's side of TLS that it vouches for."""

    certificate: str
    context: ssl.SSLContext


@cache
def authority() -> Authority:
    """Return this process's authority."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name, root = _name("Throw-away CA of the exemption guardrails sandbox"), root_key.public_key()
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root)
    certificate = (
        _begin(root_name, root_name, root)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(_PERMITTED, None), critical=True)
        .add_extension(signer, critical=False)
        .sign(root_key, SHA256())
    )
    server = (
        _begin(_name("localhost"), root_name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_NAMES), critical=False)
        .add_extension(signer, critical=False)
        .sign(root_key, SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with NamedTemporaryFile() as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.write(server.public_bytes(Encoding.PEM))
        file.flush()
        context.load_cert_chain(file.name)
    return Authority(certificate.public_bytes(Encoding.PEM).decode(), context)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _begin(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number(), now - _SKEW, now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )  # fmt: skip


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
