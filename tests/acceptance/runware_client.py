"""Runs inside the environment of Runware's SDK: asks for speech through it, tells what came.

Input: the server's `host:port` as the argument. Output: one JSON object. Nothing of this project is
imported here.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import json
import sys
import urllib.request
import uuid
from pathlib import Path
from typing import Any

SDK: Any = importlib.import_module("runware") if __name__ == "__main__" else None
TEXT = "The northbound sleeper service will arrive shortly."
MODEL = "alibaba:qwen@3-tts-1.7b-customvoice"
CLONE = "alibaba:qwen@3-tts-1.7b-base"


def task(**fields: Any) -> dict[str, Any]:
    speech = {"text": TEXT, "voice": "Serena", "language": "English", "speed": 0.96}
    return {"taskType": "audioInference", "model": MODEL, "speech": speech, **fields}


async def failed(work: Any) -> dict[str, Any]:
    """What the SDK makes of an error."""
    try:
        await work
    except SDK.RunwareError as error:
        return {
            "code": error.code,
            "retryable": error.retryable,
            "parameter": error.parameter,
            "task_uuid": error.task_uuid,
        }
    return {}


async def asked(address: str, transport: str, delivery: str, recording: bytes) -> dict[str, Any]:
    client = SDK.Runware(
        api_key="any",
        transport=transport,
        ws_base_url=f"ws://{address}/runware/v1",
        http_base_url=f"http://{address}/runware/v1",
        max_retries=0,
    )
    async with client as runware:
        one = await runware.run(
            task(deliveryMethod=delivery, outputFormat="WAV", includeCost=True, ttl=600)
        )
        some = await runware.run(
            task(
                deliveryMethod=delivery,
                numberResults=3,
                outputType="base64Data",
                outputFormat="OGG",
                audioSettings={"bitrate": 48, "sampleRate": 24000},
            )
        )
        id = one[0]["taskUUID"]
        polled = await runware.get_response({"taskType": "getResponse", "taskUUID": id})
        details = await runware.get_task_details({"taskType": "getTaskDetails", "taskUUID": id})
        media = "data:audio/wav;base64," + base64.b64encode(recording).decode()
        kept = await runware.media_storage({"operation": "upload", "media": media})
        cloned = await runware.run(
            task(
                model=CLONE,
                deliveryMethod=delivery,
                speech={"text": TEXT, "voice": "clone"},
                settings={"transcript": "Welcome.", "xVectorOnly": False},
                inputs={"audio": kept[0]["mediaUUID"]},
            )
        )
        gone = await runware.media_storage({"operation": "delete", "media": kept[0]["mediaUUID"]})
        return {
            "one": one,
            "lengths": [len(base64.b64decode(item["audioBase64Data"])) for item in some],
            "polled": polled,
            "details": details,
            "kept": kept,
            "cloned": cloned,
            "gone": gone,
            "again": await failed(runware.run(task(deliveryMethod="sync", taskUUID=id))),
            "bitrate": await failed(
                runware.run(task(deliveryMethod=delivery, audioSettings={"bitrate": 161}))
            ),
            "nothing": await failed(
                runware.get_response({"taskType": "getResponse", "taskUUID": str(uuid.uuid4())})
            ),
        }


async def jobs(address: str) -> int:
    """How many the server knows."""
    with await asyncio.to_thread(urllib.request.urlopen, f"http://{address}/v1/jobs") as answer:
        return len(json.load(answer)["jobs"])


async def resumed(address: str) -> dict[str, Any]:
    """A connection is lost while a task is under way: the SDK comes back, and has its result."""
    async with SDK.Runware(
        api_key="any", ws_base_url=f"ws://{address}/runware/v1", retry_delay=50
    ) as runware:
        transport = runware._ws_transport
        before = transport.session_id
        known = await jobs(address)
        running = asyncio.create_task(runware.run(task(deliveryMethod="async")))
        while await jobs(address) == known:  # until it has been taken
            await asyncio.sleep(0.02)
        transport._ws.transport.abort()
        told = await running
        return {"same": transport.session_id == before, "told": told}


async def main(address: str, recording: bytes) -> None:
    told: dict[str, Any] = {
        f"{transport} {delivery}": await asked(address, transport, delivery, recording)
        for transport in ("websocket", "rest")
        for delivery in ("sync", "async")
    }
    print(json.dumps(told | {"resumed": await resumed(address)}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]).read_bytes()))
