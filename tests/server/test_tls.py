"""Certificates: a throwaway one that a client can really use, and typed errors for bad ones."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from pathlib import Path

import pytest

from streamer.config import Settings
from streamer.errors import InvalidParameter
from streamer.server.tls import open_context, self_signed


@pytest.mark.asyncio
async def test_a_client_that_trusts_the_throwaway_certificate_connects(tmp_path: Path) -> None:
    certificate, key, fingerprint = self_signed("127.0.0.1")
    (tmp_path / "cert.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(key)
    settings = Settings(tls_cert=str(tmp_path / "cert.pem"), tls_key=str(tmp_path / "key.pem"))
    context, made = open_context(settings)
    assert made is None

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(4))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        port = server.sockets[0].getsockname()[1]
        for name in ("127.0.0.1", "localhost"):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=trusting, server_hostname=name
            )
            der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            assert hashlib.sha256(der).hexdigest() == fingerprint.replace(":", "").lower()
            writer.write(b"ping")
            assert await reader.read() == b"ping"
            writer.close()
            await writer.wait_closed()


def test_self_makes_a_new_certificate_each_time() -> None:
    first, one = open_context(Settings(tls="self"))
    second, two = open_context(Settings(tls="self"))
    assert first is not None
    assert second is not None
    assert one != two


def test_without_settings_there_is_no_tls() -> None:
    assert open_context(Settings()) == (None, None)


@pytest.mark.parametrize(
    "settings",
    [
        Settings(tls="self", tls_cert="x"),
        Settings(tls_key="x"),
        Settings(tls_cert="/nonexistent/cert.pem"),
        Settings(tls_cert=__file__),
    ],
)
def test_bad_settings_name_the_parameter(settings: Settings) -> None:
    with pytest.raises(InvalidParameter) as caught:
        open_context(settings)
    assert caught.value.param == "tls_cert"
