"""HTTP endpoints of voices: which there are, new ones after a recording or a description, how they sound."""

from __future__ import annotations

import asyncio
import hashlib

from starlette.requests import Request
from starlette.responses import Response

from streamer.errors import NotFound, UnsupportedParameter
from streamer.protocols import native
from streamer.protocols.base import SpeechRequest
from streamer.protocols.native import voices as wire
from streamer.protocols.strict import Schema
from streamer.resources import OwnVoice
from streamer.server.bodies import hearing_out, read_body
from streamer.server.endpoint import NO_QUERY, idempotency_key_of, json_answer, query_of
from streamer.server.meter import Meter
from streamer.server.places import Places
from streamer.server.recordings import Recordings
from streamer.server.service import Service
from streamer.server.speech import Speech, bare, open_speech, while_listening
from streamer.types import Description, OptionsUpdate, Reference, Start
from streamer.voices import Wish
from streamer.voices.previews import preview_text

WIDE, WIDE_OF_KEY, WIDE_WAIT_S = 8, 2, 60.0
"""Recordings held in memory at once, and one key's of them; how long a place is waited for."""

_CLONE: Schema[wire.CloneQuery] = Schema(wire.CloneQuery)
_PREVIEW: Schema[wire.PreviewQuery] = Schema(wire.PreviewQuery)
_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})


class VoiceEndpoints:
    """`/v1/voices` and what is below it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._voices = service.resources.voices
        self._enroller = service.enroller
        self._enrolling = service.enrolling
        self._recordings = Recordings(service)
        self._limit = service.settings.max_file_bytes
        self._small = service.settings.max_body_bytes
        self._wide = Places(WIDE, WIDE_OF_KEY, WIDE_WAIT_S, what="recordings at once")

    async def list(self, request: Request, meter: Meter) -> Response:
        catalogue, only = self._service.catalogue, meter.key.voices
        own, aliases = self._voices.list(meter.key.id), catalogue.aliases
        if only is not None:
            catalogue = catalogue.limited_to(only)
            own = [voice for voice in own if voice.id in only]
            aliases = {alias: id for alias, id in aliases.items() if id in only}
        can = {name: engine.capabilities for name, engine in catalogue.engines.items()}
        return json_answer(native.encode_voices(catalogue.voices, aliases, own, can))

    async def get(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        return json_answer(wire.encode_voice(self._found(request, meter)))

    async def delete(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        await self._voices.delete(meter.key.id, request.path_params["id"])
        return Response(status_code=204)

    async def create(self, request: Request, meter: Meter) -> Response:
        """A clone."""
        async with hearing_out(request):
            slot = meter.connect()
            try:
                async with self._wide.place(meter.key.id):
                    return _told(*await self._cloned(request, meter))
            finally:
                slot.release()

    async def design(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        slot = meter.connect()
        try:
            body = await read_body(request, self._small)
            wanted = wire.decode_design(body)
            self._enroller.engine_for("design", wanted.model)
            meant = hashlib.sha256(b"design" + wire.encode_design(wanted)).hexdigest()
            wish = _wish(wanted, request, meant)
            text = wanted.preview_text or preview_text([wanted.language])
            source = wanted.description_with(text)
            return _told(*await self._made(request, meter, source, wish))
        finally:
            slot.release()

    async def preview(self, request: Request, meter: Meter) -> Speech:
        """It speaks: what it was designed by, else something in its language."""
        audio = query_of(request, _PREVIEW).audio
        voice = self._found(request, meter)
        text = voice.preview_text or preview_text(voice.languages)
        options = OptionsUpdate(voice=voice.id, seed=0)
        start = Start("preview", options, audio, timestamps="none")
        await self._service.prepare(meter.key.id, options)
        speech = open_speech(
            SpeechRequest(start, text),
            meter,
            lambda: self._service.open_session(start, meter.key, paced=False),
            bare,
            in_band=False,
            receive=request.receive,
        )
        await speech.begin()
        assert speech.started is not None
        speech.headers["content-type"] = speech.started.mime
        speech.headers["cache-control"] = "no-store"
        return speech

    def _found(self, request: Request, meter: Meter) -> wire.VoiceAnswer:
        name = request.path_params["id"]
        preset = self._service.catalogue.preset(name)
        if preset is not None:
            meter.key.allow_voice(preset.id)
            return wire.voice_answer(preset)
        own = self._voices.find(meter.key.id, name)
        if own is None:
            raise NotFound("no such voice", param="id")
        meter.key.allow_voice(own.id)
        return wire.own_answer(own)

    async def _cloned(self, request: Request, meter: Meter) -> tuple[OwnVoice, bool]:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in _FORMS:
            raise UnsupportedParameter(
                "a form is no recording: send its bytes with their own Content-Type, or"
                " application/json",
                param="content-type",
            )
        if kind == "application/json":
            query_of(request, NO_QUERY)
            body = await read_body(request, self._limit * 4 // 3 + self._small)
            wanted, data = await asyncio.to_thread(wire.decode_clone, body), None
        else:
            wanted, data = wire.clone_of(query_of(request, _CLONE)), b""
        self._enroller.engine_for("clone", wanted.model)
        if data is not None:
            data = await read_body(request, self._limit)
        wish = _wish(wanted, request, await asyncio.to_thread(_meaning, wanted, data or b""))

        async def make() -> OwnVoice:
            return await self._enrolling.make(
                meter, await self._reference(meter, wanted, data), wish
            )

        work = self._enroller.once(meter.key.id, wish, make)
        return await while_listening(request.receive, work)

    async def _reference(
        self, meter: Meter, wanted: wire.CloneRequest, data: bytes | None
    ) -> Reference:
        if wanted.data is not None:
            data = await self._recordings.inline(wanted.data)
        elif wanted.url is not None:
            data = await self._recordings.fetched(wanted.url)
        elif wanted.file is not None:
            data = await self._recordings.of_file(meter.key.id, wanted.file)
        return await self._recordings.decoded(data or b"", wanted.transcript)

    async def _made(
        self, request: Request, meter: Meter, source: Description, wish: Wish
    ) -> tuple[OwnVoice, bool]:
        async def make() -> OwnVoice:
            return await self._enrolling.make(meter, source, wish)

        work = self._enroller.once(meter.key.id, wish, make)
        return await while_listening(request.receive, work)


def _meaning(wanted: wire.CloneRequest, data: bytes) -> str:
    return hashlib.sha256(b"clone" + wire.encode_clone(wanted) + b"\0" + data).hexdigest()


def _wish(wanted: wire.CloneRequest | wire.DesignRequest, request: Request, meant: str) -> Wish:
    return Wish(
        wanted.name,
        wanted.language,
        wanted.model,
        idempotency_key=idempotency_key_of(request) or "",
        fingerprint=meant,
    )


def _told(voice: OwnVoice, new: bool) -> Response:
    headers = {"location": f"/v1/voices/{voice.id}"}
    if not new:
        headers["idempotency-replayed"] = "true"
    body = wire.encode_voice(wire.own_answer(voice))
    return json_answer(body, 201 if new else 200, headers)
