"""TLS: the operator's certificate, or a throwaway one made on the spot."""

from __future__ import annotations

import ipaddress
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from streamer.config import Settings
from streamer.errors import InvalidParameter

VALID = timedelta(days=30)


def self_signed(host: str) -> tuple[bytes, bytes, str]:
    """A certificate for `host` and this machine: PEM of it, PEM of its key, SHA-256 fingerprint."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import NameOID
    except ImportError:
        raise InvalidParameter(
            "tls = self needs the package cryptography: pip install 'streamer[tls]'", param="tls"
        ) from None
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    for address in {"127.0.0.1", "::1", host}:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(address)))
        except ValueError:
            names.append(x509.DNSName(address))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "streamer, throwaway")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
    )


def open_context(settings: Settings) -> tuple[ssl.SSLContext | None, str | None]:
    """The TLS context the settings ask for, and the fingerprint if its certificate is a throwaway.

    Raises `InvalidParameter` naming the setting at fault.
    """
    if settings.tls == "self":
        if settings.tls_cert or settings.tls_key:
            raise InvalidParameter("tls = self takes no certificate", param="tls_cert")
        certificate, key, fingerprint = self_signed(settings.host)
        # ssl reads certificates from files only; these live for a moment in a private directory.
        with tempfile.TemporaryDirectory() as directory:
            pair = Path(directory, "pair.pem")
            pair.touch(0o600)
            pair.write_bytes(key + certificate)
            return _context(str(pair), None), fingerprint
    if not settings.tls_cert:
        if settings.tls_key:
            raise InvalidParameter("tls_key without tls_cert", param="tls_cert")
        return None, None
    return _context(settings.tls_cert, settings.tls_key or None), None


def _context(certificate: str, key: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise InvalidParameter(
            f"{certificate}: {error.strerror or error}", param="tls_cert"
        ) from None
    return context
