"""Runs inside the environment of the OpenAI clients: streams speech through them, tells what came.

Input: a base URL and a directory as arguments. Output: one JSON object. Nothing of this project is
imported here.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

TEXT = "The lighthouse stands on the last rock of the coast, and its light is seen from far away."
VOICE = "heart"


def through_the_sdk(url: str, directory: Path, codec: str) -> dict[str, Any]:
    """Stream to a file, as the SDK's own documentation does; when did the first bytes come?"""
    from openai import OpenAI

    with OpenAI(base_url=url, api_key="unused", max_retries=0) as client:
        begun = time.perf_counter()
        chunks: list[tuple[float, bytes]] = []
        with client.audio.speech.with_streaming_response.create(
            model="hibari",
            voice=VOICE,
            input=TEXT,
            response_format=codec,
        ) as answer:
            for chunk in answer.iter_bytes(chunk_size=512):
                chunks.append((time.perf_counter() - begun, chunk))
            headers = dict(answer.headers)
    (directory / f"sdk.{codec}").write_bytes(b"".join(chunk for _, chunk in chunks))
    return {
        "first_s": chunks[0][0],
        "last_s": chunks[-1][0],
        "chunks": len(chunks),
        "content_type": headers["content-type"],
        "request_id": headers.get("x-request-id"),
    }


async def through_livekit(url: str, codec: str) -> dict[str, Any]:
    """The sound as livekit's plug-in decodes it."""
    from livekit.agents.utils import http_context
    from livekit.plugins import openai

    async with http_context.open():
        tts = openai.TTS(
            base_url=url, api_key="unused", model="hibari", voice=VOICE, response_format=codec
        )
        seconds, peak, frames = 0.0, 0, 0
        async for event in tts.synthesize(TEXT):
            seconds += event.frame.duration
            peak = max(peak, *map(abs, event.frame.data)) if len(event.frame.data) else peak
            frames += 1
        await tts.aclose()
    return {"seconds": seconds, "peak": peak, "frames": frames}


def main() -> None:
    url, directory = sys.argv[1], Path(sys.argv[2])
    sdk = {codec: through_the_sdk(url, directory, codec) for codec in ("mp3", "opus", "pcm")}
    livekit = {
        codec: asyncio.run(through_livekit(url, codec))
        for codec in ("mp3", "opus", "wav", "flac", "aac")
    }
    print(json.dumps({"sdk": sdk, "livekit": livekit}))


if __name__ == "__main__":
    main()
