"""HTTP endpoints: speech, models, usage, health, metrics. Thin: parse, speak, render."""

from __future__ import annotations

import asyncio
import json

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive

from streamer.errors import NotFound, TextLimit
from streamer.protocols import native, openai
from streamer.protocols.base import SpeechRequest
from streamer.server import metrics
from streamer.server.bodies import read_speech
from streamer.server.endpoint import json_answer
from streamer.server.meter import Meter
from streamer.server.service import Service
from streamer.server.speech import Encode, Speech, bare, open_speech
from streamer.types import OptionsUpdate


class Speaks:
    """The endpoints that speak, each in its dialect's words."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def native(self, request: Request, meter: Meter) -> Speech:
        body = await read_speech(request, self._service.settings.max_body_bytes, meter)
        wanted = native.decode_speech(body, accept=request.headers.get("accept", ""))
        return await self.speak(wanted, request, meter)

    async def speak(self, wanted: SpeechRequest, request: Request, meter: Meter) -> Speech:
        """The answer in the native words."""
        if wanted.delivery == "lines":
            encode = native.LineEncoder().push
            speech = await self._begin(wanted, meter, encode, request.receive, in_band=True)
            speech.headers["content-type"] = native.NDJSON
        else:
            speech = await self._begin(wanted, meter, bare, request.receive)
            assert speech.started is not None
            speech.headers["content-type"] = speech.started.mime
        return speech

    async def openai(self, request: Request, meter: Meter) -> Speech:
        body = await read_speech(request, self._service.settings.max_body_bytes, meter)
        catalogue = self._service.catalogue_of(meter.key.id)
        known = {voice.id for voice in catalogue.voices} | set(catalogue.aliases)
        known |= {voice.name for voice in self._service.resources.voices.list(meter.key.id)}
        wanted = openai.decode_request(body, known=known)
        sse = wanted.delivery == "sse"
        encode = openai.EventEncoder().push if sse else bare
        speech = await self._begin(wanted, meter, encode, request.receive, in_band=sse)
        speech.headers["content-type"] = openai.content_type(wanted)
        return speech

    async def _begin(
        self,
        wanted: SpeechRequest,
        meter: Meter,
        encode: Encode,
        receive: Receive,
        *,
        in_band: bool = False,
    ) -> Speech:
        settings = self._service.settings
        captions = wanted.start.input == "captions"
        if captions and len(wanted.text) > settings.max_context_chars:
            limit = settings.max_context_chars
            raise TextLimit(f"more than {limit} characters", param="text", limit=limit)
        voices = wanted.start.cues.speakers.values() if captions else ()
        for options in (wanted.start.options, *(OptionsUpdate(voice=voice) for voice in voices)):
            await self._service.prepare(meter.key.id, options)
        speech = open_speech(
            wanted,
            meter,
            lambda: self._service.open_session(wanted.start, meter.key, paced=False),
            encode,
            in_band=in_band,
            receive=receive,
            feed=settings.max_pending_chars if captions else None,
        )
        await speech.begin()
        speech.headers["cache-control"] = "no-store"
        return speech


class Tells:
    """The endpoints that tell about the server."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def models(self, request: Request, meter: Meter) -> Response:
        return json_answer(openai.encode_models([*self._service.catalogue.models, "tts-1"]))

    async def model(self, request: Request, meter: Meter) -> Response:
        name = request.path_params["name"]
        if name not in (*self._service.catalogue.models, "tts-1"):
            raise NotFound("no such model", param="model")
        return json_answer(openai.encode_model(name))

    async def usage(self, request: Request, meter: Meter) -> Response:
        """The key's own rows; all of them where there are no keys."""
        ledger, key = self._service.ledger, meter.key
        rows = await asyncio.to_thread(ledger.usage.rows, key.id or None)
        shown = [
            {
                "day": row.day,
                "key": row.key,
                "characters": row.used.characters,
                "audio_seconds": round(row.used.audio_seconds, 3),
                "contexts": row.used.contexts,
                "errors": row.used.errors,
                "cost": round(row.used.cost, 9),
            }
            for row in rows
        ]
        budget = {"budget": key.limits.budget, "spent": round(ledger.usage.spent(key.id), 9)}
        return json_answer(json.dumps({"usage": shown, **budget}).encode())

    async def health(self, request: Request, meter: Meter) -> Response:
        return json_answer(b'{"status":"ok"}')

    async def ready(self, request: Request, meter: Meter) -> Response:
        meter.check_draining()
        engines = self._service.engine_counts.breakable
        broken = {name: engine.broken for name, engine in engines.items() if engine.broken}
        if broken:
            body = json.dumps({"status": "broken", "engines": broken}).encode()
            return json_answer(body, 503)
        return json_answer(b'{"status":"ready"}')

    async def metrics(self, request: Request, meter: Meter) -> Response:
        resources = self._service.resources
        body = metrics.render(
            self._service.ledger.counters,
            resources.jobs.counts,
            resources.webhooks.counters,
            self._service.engine_counts,
        )
        return Response(body, headers={"content-type": metrics.CONTENT_TYPE})
