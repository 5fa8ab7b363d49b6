"""Text in which there is nothing to say (dots, emoji) is no error anywhere: a language model's sentences are
such, too. It ends well, and without sound."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.server.running import hear_until, say
from tests.server.voices import voiced

pytestmark = pytest.mark.asyncio
SILENT = ("…", "🙂", " - ! ")


HEADERS = {"mp3": b"", "aac": b"", "opus": b"OggS", "flac": b"fLaC", "pcm_s16le": b"RIFF"}


@pytest.mark.parametrize("codec", HEADERS)
async def test_over_http_there_is_a_header_where_the_file_has_one_and_no_sound(
    tmp_path: Path, codec: str
) -> None:
    async with voiced(tmp_path) as server, server.http() as http:
        for text in SILENT:
            answer = await http.post("/v1/speech", json={"text": text, "audio": {"codec": codec}})
            assert answer.status_code == 200, answer.text
            assert answer.content[:4] == HEADERS[codec]
            assert len(answer.content) < 200


async def test_lines_say_that_it_has_ended_and_how_long_it_was(tmp_path: Path) -> None:
    async with voiced(tmp_path) as server, server.http() as http:
        answer = await http.post("/v1/speech", json={"text": "…", "delivery": "lines"})
        assert answer.status_code == 200
        assert '"type":"error"' not in answer.text
        assert '"audio_ms":0' in answer.text.splitlines()[-1]


async def test_by_openais_api_too(tmp_path: Path) -> None:
    async with voiced(tmp_path) as server, server.http() as http:
        for text in SILENT:
            body = {"model": "tts-1", "voice": "alloy", "input": text}
            answer = await http.post("/v1/audio/speech", json=body)
            assert (answer.status_code, answer.content) == (200, b"")


async def test_a_job_is_completed_and_says_so(tmp_path: Path) -> None:
    async with voiced(tmp_path) as server, server.http() as http:
        job = (await http.post("/v1/jobs", json={"text": "…"})).json()
        async with asyncio.timeout(15):
            while job["status"] in ("queued", "running"):
                await asyncio.sleep(0.01)
                job = (await http.get(f"/v1/jobs/{job['id']}")).json()
        assert job["status"] == "completed"
        (result,) = job["results"]
        assert result["audio_ms"] == 0
        assert (await http.get(f"/v1/jobs/{job['id']}/audio")).status_code == 200


async def test_over_a_socket_the_context_is_done(tmp_path: Path) -> None:
    async with voiced(tmp_path) as server, server.socket() as socket:
        for text in SILENT:
            await say(socket, type="text", context="a", text=text)
            await say(socket, type="end", context="a")
            heard = await hear_until(socket, "done", "error")
            assert (heard[-1]["type"], heard[-1]["reason"]) == ("done", "end")
            assert heard[-1]["audio_ms"] == 0
            assert "binary" not in {message["type"] for message in heard}
