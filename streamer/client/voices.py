"""Voices of a server: those that are there for all, and those that a key makes."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

import msgspec

from streamer.client.remote import Remote, part
from streamer.errors import InvalidParameter
from streamer.protocols.native.voices import (
    CloneRequest,
    DesignRequest,
    VoiceAnswer,
    decode_voice,
    decode_voice_list,
    encode_clone,
    encode_design,
)

MAKING_S = 240.0
"""A voice may wait for its turn, and then be made."""


class Voices:
    """Errors of the server are raised as their types, `OSError` where none answers. A voice is named by its
    id, its name or an alias."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    async def list(self) -> builtins.list[VoiceAnswer]:
        """All that are there, those that the key has made last."""
        return await self._remote.ask(decode_voice_list, "GET", "/v1/voices")

    async def get(self, voice: str) -> VoiceAnswer:
        """What is told of one. Raises `NotFound`."""
        return await self._remote.ask(decode_voice, "GET", f"/v1/voices/{part(voice)}")

    async def clone(
        self,
        recording: bytes | None = None,
        *,
        url: str | None = None,
        file: str | None = None,
        name: str | None = None,
        transcript: str | None = None,
        language: str | None = None,
        model: str | None = None,
        idempotency_key: str | None = None,
    ) -> VoiceAnswer:
        """Make a voice like a recording of 3 to 60 s: its bytes, its address, or the id of a file that is
        there, one of the three. `transcript` is what is said in it, word for word. Asked again with the same
        `idempotency_key`, it is the same voice."""
        if sum(given is not None for given in (recording, url, file)) != 1:
            message = "a recording is given by its bytes, by url or by file"
            raise InvalidParameter(message, param="recording")
        wanted = encode_clone(
            CloneRequest(None, url, file, name or "", transcript or "", language or "auto", model)
        )
        if recording is None:
            return await self._made("/v1/voices", wanted, "application/json", idempotency_key)
        return await self._made(
            *("/v1/voices", recording, "application/octet-stream", idempotency_key),
            params=msgspec.json.decode(wanted),
        )

    async def design(
        self,
        description: str,
        *,
        preview_text: str | None = None,
        name: str | None = None,
        language: str | None = None,
        model: str | None = None,
        seed: int | None = None,
        idempotency_key: str | None = None,
    ) -> VoiceAnswer:
        """Make a voice as described, which says `preview_text` first. The same with the same `seed` is the
        same voice."""
        wanted = DesignRequest(
            *(description, preview_text or "", name or ""),
            *(language or "auto", model, seed or 0),
        )
        return await self._made(
            "/v1/voices/design", encode_design(wanted), "application/json", idempotency_key
        )

    async def preview(self, voice: str, codec: str | None = None) -> bytes:
        """A file in which it speaks; `codec` as in `AudioFormat`, else Opus in Ogg."""
        path = f"/v1/voices/{part(voice)}/preview"
        return await self._remote.ask(bytes, "GET", path, params={"codec": codec})

    async def delete(self, voice: str) -> None:
        """Of those that the key has made. Who speaks with it just then goes on."""
        await self._remote.ask(lambda body: None, "DELETE", f"/v1/voices/{part(voice)}")

    async def _made(
        self,
        path: str,
        body: bytes,
        content_type: str,
        idempotency_key: str | None,
        params: Mapping[str, Any] | None = None,
    ) -> VoiceAnswer:
        headers = {"content-type": content_type}
        if idempotency_key is not None:
            headers["idempotency-key"] = idempotency_key
        return await self._remote.ask(
            *(decode_voice, "POST", path),
            params=params,
            body=body,
            headers=headers,
            timeout_s=MAKING_S,
        )
