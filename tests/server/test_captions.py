"""Files of captions over HTTP: how they come in, and what is told before the first sound, against a scripted
session whose words are instructions: `late` and `skipped` are told, `fail` fails, `TTML` is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

from streamer.engines.tone import Tone
from streamer.errors import InvalidCaptions, TextLimit
from streamer.server.auth import ANONYMOUS
from streamer.server.limits import KeyLimits
from streamer.server.run import sessions as sessions_of
from streamer.types import (
    Audio,
    Done,
    Event,
    Late,
    SegmentStarted,
    Skipped,
    Start,
    Text,
)
from streamer.voices import Catalogue
from tests.server.running import eventually, running, settings_for
from tests.server.scripted import FRAME, ScriptedSession, Sessions
from tests.server.test_jobs import ended

CAPTIONS, SPEECH, JOBS = "/v1/captions", "/v1/speech", "/v1/jobs"
VTT = "WEBVTT\n\n00:00.000 --> 00:01.000\none two\n"


class Cues(ScriptedSession):
    """Every word is a cue. No more than `LIMIT` characters wait."""

    LIMIT = 2000

    def __init__(self, start: Start, *, price: float = 0.0) -> None:
        super().__init__(start, paced=False, price=price)
        self.pieces: list[str] = []
        self.most = 0
        self._spoken = 0

    @property
    def received(self) -> int:
        return len(self.input)

    @property
    def characters(self) -> int:
        return self._spoken

    @property
    def pending(self) -> int:
        return len(self.input) - self._spoken

    def text(self, command: Text) -> None:
        if "TTML" in command.text:
            raise InvalidCaptions("this is TTML", param="text", format="TTML")
        if self.pending + len(command.text) > self.LIMIT:
            raise TextLimit("too much", param="text", limit=self.LIMIT)
        self.input += command.text
        self.pieces.append(command.text)
        self.most = max(self.most, self.pending)
        self._wake.set()

    def rehearse(self) -> Any:
        self._spoken = len(self.input)
        return super().rehearse()

    async def events(self) -> AsyncGenerator[Event, None]:
        context, number = self.start.context, 0
        async with aclosing(super().events()) as events:
            async for event in events:
                if isinstance(event, Audio) and event.packet.duration:
                    number += 1
                    word = event.packet.data.decode()
                    self._spoken = max(
                        self._spoken, self.input.find(word, self._spoken) + len(word)
                    )
                    if word == "skipped":
                        yield Skipped(context, str(number), "late")
                    elif word == "late":
                        yield Late(context, str(number), FRAME * 5, 1.35)
                    if word != "skipped":
                        yield SegmentStarted(context, number, word, 0, 0, "end", cue=str(number))
                elif isinstance(event, Done):
                    self._spoken = len(self.input)
                    event = self.done("end")
                yield event


class CueSessions(Sessions):
    def __call__(self, start: Start, *, paced: bool, **how: Any) -> ScriptedSession:
        if start.input != "captions":
            return super().__call__(start, paced=paced, **how)
        session = Cues(start, price=self._price)
        self.made.append(session)
        return session


def code_of(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


@pytest.fixture
def sessions() -> CueSessions:
    return CueSessions()


@pytest.mark.asyncio
async def test_a_file_is_spoken_as_captions_whatever_it_is_called(
    tmp_path: Path, sessions: CueSessions
) -> None:
    async with running(tmp_path, sessions=sessions) as server, server.http() as http:
        for kind in ("text/vtt", "application/x-subrip", "text/plain; charset=utf-8", "", "x/y"):
            headers = {"content-type": kind} if kind else {}
            answer = await http.post(CAPTIONS, content=VTT.encode(), headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/pcm")
            assert answer.headers["cache-control"] == "no-store"
            assert answer.content == "".join(VTT.split()).encode()
        start = sessions.made[-1].start
        assert (start.input, start.cues.origin_ms, start.audio.container) == ("captions", 0, "ogg")
        assert (await http.post("/native" + CAPTIONS, content=VTT)).status_code == 200
        for path in (SPEECH, JOBS):
            answer = await http.post(path, json={"text": VTT, "input": "captions"})
            assert answer.status_code in (200, 202), answer.text
            assert sessions.made[-1].start.input == "captions"


@pytest.mark.asyncio
async def test_the_query_says_how(tmp_path: Path, sessions: CueSessions) -> None:
    async with running(tmp_path, sessions=sessions) as server, server.http() as http:
        query = {
            "voice": "alba",
            "speed": "1.25",
            "seed": "7",
            "codec": "mp3",
            "bit_rate": "64000",
            "origin_ms": "first",
            "max_rate": "1.5",
            "overrun": "merge",
            "overlap": "mix",
            "max_late_ms": "500",
            "descriptions": "speak",
            "timestamps": "none",
            "speaker.ANNE": "alba",
            "speaker.Old Bob": "alba",
            "captions": "true",
        }
        answer = await http.post(CAPTIONS, content=VTT, params=query)
        assert answer.status_code == 200
        start = sessions.made[-1].start
        assert (start.options.speed, start.options.seed, start.options.voice) == (1.25, 7, "alba")
        assert (start.audio.codec, start.audio.container, start.audio.bit_rate) == (
            *("mp3", "mp3", 64000),
        )
        cues = start.cues
        assert (cues.origin_ms, cues.max_rate, cues.overrun) == (None, 1.5, "merge")
        assert (cues.overlap, cues.max_late_ms, cues.descriptions) == ("mix", 500, "speak")
        assert cues.speakers == {"ANNE": "alba", "Old Bob": "alba"}
        assert (start.timestamps, start.captions) == ("none", True)


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ({"max_rate": "3"}, "invalid_parameter", "max_rate"),
        ({"max_rate": "nan"}, "invalid_parameter", "max_rate"),
        ({"origin_ms": "last"}, "invalid_parameter", "origin_ms"),
        ({"origin_ms": "-1"}, "invalid_parameter", "origin_ms"),
        ({"overrun": "never"}, "invalid_parameter", "overrun"),
        ({"delay_ms": "5"}, "unknown_parameter", "delay_ms"),
        ({"speaker.": "alba"}, "invalid_parameter", "speaker."),
        ({"job": "perhaps"}, "invalid_parameter", "job"),
        ({"job": "true", "delivery": "lines"}, "unknown_parameter", "delivery"),
        ({"results": "2"}, "unknown_parameter", "results"),
        ({"text": "x"}, "unknown_parameter", "text"),
    ],
)
@pytest.mark.asyncio
async def test_a_query_is_read_strictly(
    tmp_path: Path, query: dict[str, str], code: str, param: str
) -> None:
    async with running(tmp_path) as server, server.http() as http:
        answer = await http.post(CAPTIONS, content=VTT, params=query)
        assert code_of(answer) == (400, code, param)
        assert not server.sessions.made


@pytest.mark.parametrize("job", ["false", "true"])
@pytest.mark.asyncio
async def test_what_can_not_be_done_is_called_as_in_the_query(tmp_path: Path, job: str) -> None:
    catalogue = Catalogue({"tone": Tone()})
    opens = sessions_of(settings_for(tmp_path), catalogue)
    async with (
        running(tmp_path, catalogue=catalogue, sessions=opens) as server,
        server.http() as http,
    ):
        for query, status, param in (
            ({"codec": "xyz"}, 400, "codec"),
            ({"sample_rate": "7"}, 400, "sample_rate"),
            ({"speaker.Anna": "nobody"}, 404, "speaker"),
            ({"voice": "nobody"}, 404, "voice"),
        ):
            answer = await http.post(CAPTIONS, content=VTT, params={"job": job} | query)
            assert answer.status_code == status, answer.text
            assert answer.json()["error"]["param"] == param


@pytest.mark.asyncio
async def test_lines_tell_cues(tmp_path: Path, sessions: CueSessions) -> None:
    async with running(tmp_path, sessions=sessions) as server, server.http() as http:
        for options in (
            {"params": {"delivery": "lines"}},
            {"headers": {"accept": "application/x-ndjson"}},
        ):
            answer = await http.post(CAPTIONS, content="one late skipped", **options)  # type: ignore[arg-type]
            assert answer.headers["content-type"] == "application/x-ndjson"
            lines = [json.loads(line) for line in answer.text.splitlines()]
            told = [line["type"] for line in lines]
            assert told == [
                "started",
                "segment",
                "audio",
                "late",
                "segment",
                "audio",
                *("skipped", "audio", "done"),
            ]
            assert (lines[3]["cue"], lines[3]["by_ms"]) == ("2", 100)


@pytest.mark.asyncio
async def test_what_is_longer_than_a_session_may_hold_is_fed_as_room_comes(
    tmp_path: Path, sessions: CueSessions
) -> None:
    text = " ".join(f"w{number}" for number in range(4000))
    async with (
        running(tmp_path, sessions=sessions, max_pending_chars=Cues.LIMIT) as server,
        server.http() as http,
    ):
        answer = await http.post(CAPTIONS, content=text)
        assert answer.content == text.replace(" ", "").encode()
        session = sessions.made[0]
        assert isinstance(session, Cues)
        assert "".join(session.pieces) == text
        assert len(session.pieces) > len(text) // Cues.LIMIT
        assert session.most <= Cues.LIMIT


@pytest.mark.asyncio
async def test_an_error_before_the_first_sound_is_a_status(
    tmp_path: Path, sessions: CueSessions
) -> None:
    async with running(tmp_path, sessions=sessions) as server, server.http() as http:
        for path, body in (
            (CAPTIONS, {"content": "TTML"}),
            (CAPTIONS + "?delivery=lines", {"content": "TTML"}),
            (CAPTIONS + "?job=true", {"content": "TTML"}),
            (SPEECH, {"json": {"text": "TTML", "input": "captions"}}),
            (JOBS, {"json": {"text": "TTML", "input": "captions"}}),
        ):
            answer = await http.post(path, **body)
            assert code_of(answer) == (422, "invalid_captions", "text"), path
            assert answer.json()["error"]["format"] == "TTML"
        assert code_of(await http.post(CAPTIONS, content="fail"))[:2] == (502, "engine_failed")
        assert server.live == 0


@pytest.mark.asyncio
async def test_what_is_wrong_far_behind_is_a_status_too(
    tmp_path: Path, sessions: CueSessions
) -> None:
    text = "one " * 2000 + "TTML"
    limit = Cues.LIMIT
    async with (
        running(tmp_path, sessions=sessions, max_pending_chars=limit) as server,
        server.http() as http,
    ):
        answer = await http.post(CAPTIONS, content=text)
        assert code_of(answer) == (422, "invalid_captions", "text")
        assert not any(session.packets for session in sessions.made)


@pytest.mark.asyncio
async def test_an_error_after_the_first_sound_is_told_or_cuts_the_answer(
    tmp_path: Path, sessions: CueSessions
) -> None:
    text = "one " * 600 + "fail"
    limit = Cues.LIMIT
    async with (
        running(tmp_path, sessions=sessions, max_pending_chars=limit) as server,
        server.http() as http,
    ):
        answer = await http.post(CAPTIONS, content=text, params={"delivery": "lines"})
        last = json.loads(answer.text.splitlines()[-1])
        assert (last["type"], last["code"]) == ("error", "engine_failed")
        with pytest.raises(httpx.RemoteProtocolError):
            await http.post(CAPTIONS, content=text)
        assert server.service.ledger.counters.errors["engine_failed"] == 2


@pytest.mark.asyncio
async def test_bodies_that_are_no_captions(tmp_path: Path) -> None:
    async with running(tmp_path, max_body_bytes=4096) as server, server.http() as http:
        assert code_of(await http.post(CAPTIONS, content=b"x" * 5000))[:2] == (
            *(413, "message_limit"),
        )
        for empty in (b"", b"\xef\xbb\xbf\r\n \n"):
            answer = await http.post(CAPTIONS, content=empty)
            assert code_of(answer) == (422, "invalid_captions", "text")
        latin = "WEBVTT\n\n00:00.000 --> 00:01.000\nGrüße\n".encode("latin-1")
        answer = await http.post(CAPTIONS, content=latin)
        assert code_of(answer) == (422, "invalid_captions", "encoding")
        headers = {"content-type": "text/vtt; charset=klingon"}
        answer = await http.post(CAPTIONS, content=VTT, headers=headers)
        assert code_of(answer) == (422, "invalid_captions", "encoding")
        assert (await http.get(CAPTIONS)).headers["allow"] == "POST"


@pytest.mark.asyncio
async def test_a_charset_is_honoured(tmp_path: Path, sessions: CueSessions) -> None:
    async with running(tmp_path, sessions=sessions) as server, server.http() as http:
        for charset in ("iso-8859-1", '"windows-1252"', "utf-16"):
            body = "WEBVTT Grüße".encode(charset.strip('"'))
            headers = {"content-type": f"text/vtt; charset={charset}"}
            answer = await http.post(CAPTIONS, content=body, headers=headers)
            assert answer.content.decode() == "WEBVTTGrüße"


@pytest.mark.asyncio
async def test_a_job_of_a_file(tmp_path: Path, sessions: CueSessions) -> None:
    async with running(tmp_path, sessions=sessions) as server, server.http() as http:
        headers = {"idempotency-key": "talk"}
        query = {"job": "true", "ttl_s": "60", "codec": "mp3", "results": "2"}
        body = "one late two skipped"
        answer = await http.post(CAPTIONS, content=body, params=query, headers=headers)
        assert answer.status_code == 202
        job = answer.json()
        assert answer.headers["location"] == f"{JOBS}/{job['id']}"
        again = await http.post(CAPTIONS, content=body, params=query, headers=headers)
        assert (again.status_code, again.json()["id"]) == (200, job["id"])
        other = await http.post(
            CAPTIONS, content=body, params=query | {"overrun": "skip"}, headers=headers
        )
        assert code_of(other)[:2] == (422, "idempotency_conflict")
        job = await ended(http, job)
        assert job["status"] == "completed"
        for result in job["results"]:
            cues = {"spoken": 3, "late": 1, "skipped": 1, "worst_late_ms": 100}
            assert result["cues"] == cues
            assert (await http.get(result["url"])).content == b"onelatetwoskipped"
        (listed,) = (await http.get(JOBS)).json()["jobs"]
        assert listed["results"][0]["cues"]["late"] == 1
        assert job["text_characters"] == len(body)
        text = await http.post(JOBS, json={"text": "one"})
        assert "cues" not in (await ended(http, text.json()))["results"][0]


@pytest.mark.asyncio
async def test_a_job_needs_the_scope_of_jobs(tmp_path: Path, sessions: CueSessions) -> None:
    async with running(tmp_path, sessions=sessions) as server, server.http() as http:
        key = {"X-API-Key": server.keys.new("app", scopes=["speak"])}
        assert (await http.post(CAPTIONS, content=VTT, headers=key)).status_code == 200
        answer = await http.post(CAPTIONS, content=VTT, params={"job": "1"}, headers=key)
        assert code_of(answer)[:2] == (403, "scope_missing")
        assert code_of(await http.post(CAPTIONS, content=VTT))[:2] == (401, "unauthenticated")


@pytest.mark.asyncio
async def test_cues_are_counted(tmp_path: Path, sessions: CueSessions) -> None:
    async with running(tmp_path, sessions=sessions) as server, server.http() as http:
        assert (await http.post(CAPTIONS, content="one late two skipped")).status_code == 200
        job = await http.post(CAPTIONS, content="late one", params={"job": "true"})
        await ended(http, job.json())
        figures = (await http.get("/metrics")).text.splitlines()
        for line in (
            'streamer_cues_total{outcome="on_time"} 3.0',
            'streamer_cues_total{outcome="late"} 2.0',
            'streamer_cues_total{outcome="skipped"} 1.0',
            "streamer_cue_lateness_seconds_count 3.0",
            'streamer_cue_lateness_seconds_bucket{le="0.075"} 2.0',
            'streamer_cue_lateness_seconds_bucket{le="0.1"} 3.0',
        ):
            assert line in figures


@pytest.mark.asyncio
async def test_what_is_charged_is_what_was_spoken(tmp_path: Path) -> None:
    made = CueSessions(10.0)
    async with (
        running(tmp_path, sessions=made, price_per_1000=10.0) as server,
        server.http() as http,
    ):
        key = {"X-API-Key": server.keys.new("app", KeyLimits(budget=1.0))}
        assert (await http.post(CAPTIONS, content="one two", headers=key)).status_code == 200
        usage = (await http.get("/v1/usage", headers=key)).json()
        assert usage["usage"][0]["characters"] == len("one two")
        assert usage["spent"] == 0.07
        answer = await http.post(CAPTIONS, content="x " * 1000, headers=key)
        assert code_of(answer)[:2] == (402, "budget_spent")
        assert not server.service.ledger.unbooked


@pytest.mark.asyncio
async def test_a_listener_that_goes_away_stops_the_feeding_too(
    tmp_path: Path, sessions: CueSessions
) -> None:
    limit = Cues.LIMIT
    async with running(tmp_path, sessions=sessions, max_pending_chars=limit) as server:
        body = b"forever " + b"x " * 3000
        reader, writer = await asyncio.open_connection("127.0.0.1", server.server.port)
        head = f"POST {CAPTIONS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        async with asyncio.timeout(15):
            await reader.readuntil(b"\r\n\r\n")  # it is spoken, no longer rehearsed
        assert server.live == 1
        writer.transport.abort()
        await eventually(lambda: server.live == 0)
        await eventually(lambda: sessions.made[0].freed)


@pytest.mark.asyncio
async def test_cues_that_listeners_of_a_channel_are_told_of_are_not_counted_again(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as server:
        meter, counters = server.service.meter(ANONYMOUS, "r"), server.service.ledger.counters
        for charge in (meter.listen("heard"), meter.start("spoken")):
            charge.observe(Late("c", "1", FRAME, 1.0))
            charge.observe(Skipped("c", "2", "late"))
            charge.close(None, "end")
        assert counters.cues == {"late": 1, "skipped": 1}
