"""By what a server is known over TLS: authorities of a file, or the fingerprint of its certificate.

A fingerprint is compared as the last step of TLS's handshake, so that nothing has been sent by then: no key,
no request.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Iterator
from os import PathLike

from streamer.errors import InvalidParameter

SHA256 = re.compile(r"[0-9A-Fa-f]{64}")


class OtherCertificate(ssl.SSLCertVerificationError):
    """The server has another certificate than the one with that fingerprint."""


def tls_context(
    url: str, cafile: str | PathLike[str] | None = None, fingerprint: str | None = None
) -> ssl.SSLContext | None:
    """None: neither is given, and the usual authorities decide. A `fingerprint` is the SHA-256 of the
    certificate in hexadecimal digits, with or without colons. Raises `InvalidParameter`, also where `url` is
    not of TLS, which neither would protect."""
    given = [
        name for name, it in (("cafile", cafile), ("fingerprint", fingerprint)) if it is not None
    ]
    if not given:
        return None
    if len(given) > 1:
        raise InvalidParameter("a cafile or a fingerprint, not both", param="fingerprint")
    if url.partition(":")[0].lower() not in ("wss", "https"):
        raise InvalidParameter(f"{given[0]} is for wss:// and https://", param=given[0])
    if fingerprint is not None:
        return _pinned(fingerprint)
    try:
        return ssl.create_default_context(cafile=cafile)
    except (OSError, ValueError) as error:  # ssl's errors are OSErrors
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidParameter(f"{cafile}: {reason}", param="cafile") from None


def refusal(error: BaseException | None) -> InvalidParameter | None:
    """What a connection that was not made deserves, if it was for its certificate."""
    for cause in _causes(error):
        if isinstance(cause, OtherCertificate):
            return InvalidParameter(str(cause.strerror), param="fingerprint")
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _pinned(fingerprint: str) -> ssl.SSLContext:
    digits = fingerprint.replace(":", "").strip()
    if SHA256.fullmatch(digits) is None:
        message = "a fingerprint is a SHA-256 in 64 hexadecimal digits"
        raise InvalidParameter(message, param="fingerprint")
    wanted = bytes.fromhex(digits)

    class Pinned(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            found = hashlib.sha256(self.getpeercert(binary_form=True) or b"").digest()
            if found != wanted:
                shown = found.hex(":").upper()  # as `serve --tls self` prints it
                message = f"the server's certificate has another fingerprint: {shown}"
                raise OtherCertificate(1, message)

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # no authority is asked: it is that one certificate
    context.sslobject_class = Pinned
    return context
