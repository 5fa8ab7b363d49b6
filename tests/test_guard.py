"""Media from strangers: sound comes back, nothing else gets in or out, every bound holds."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import sys
import time
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import av
import numpy as np
import pytest
import pytest_asyncio

from streamer.errors import InternalError, InvalidMedia, MessageLimit
from streamer.guard import Guard, Limits
from streamer.guarded.decoding import Refused
from streamer.guarded.decoding import decode as decode_here
from tests.media_files import FORMATS, encoded, film, flac_of_silence, mutations, pitch, sine

pytestmark = pytest.mark.timeout(60)

BUSY = {"sample_rate": 8_000, "max_s": 20_000.0}
"""With these three hours of silence keep a child busy for seconds."""


@pytest_asyncio.fixture
async def guard() -> AsyncIterator[Guard]:
    guard = Guard()
    yield guard
    await guard.aclose()


@pytest.fixture(scope="module")
def bomb() -> bytes:
    return flac_of_silence(3 * 3600)


async def refusal(guard: Guard, data: bytes, **options: float) -> InvalidMedia:
    with pytest.raises(InvalidMedia) as caught:
        await guard.decode(data, **options)  # type: ignore[arg-type]
    assert caught.value.param == "audio"
    return caught.value


def children(of: int) -> list[int]:
    """The processes that have it as their parent, and are no zombies."""
    found = []
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            with contextlib.suppress(OSError):
                state, parent = (directory / "stat").read_text().rpartition(")")[2].split()[:2]
                if int(parent) == of and state != "Z":
                    found.append(int(directory.name))
    return found


def zygotes(of: int) -> list[int]:
    """Those children that run the decoder."""
    found = []
    for pid in children(of):
        with contextlib.suppress(OSError):
            if b"streamer.guarded" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


async def until(condition: Callable[[], object], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        await asyncio.sleep(0.01)


async def busy_child(zygote: int) -> int:
    """A child that has confined itself: it has only one descriptor left."""
    await until(lambda: [c for c in children(zygote) if len(os.listdir(f"/proc/{c}/fd")) == 1])
    return children(zygote)[0]


def gone(pid: int) -> bool:
    """No such process, or only what its parent has still to reap."""
    try:
        return status(pid)["State"][0] == "Z"
    except OSError:
        return True


def limits_of(pid: int) -> dict[str, list[str]]:
    """Soft and hard, by the kernel's names."""
    rows = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {row[:26].strip(): row[26:].split()[:2] for row in rows}


def environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.mark.asyncio
@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(("rate", "layout"), [(24_000, "mono"), (48_000, "stereo")])
async def test_sound_of_every_format_comes_back(
    guard: Guard, suffix: str, rate: int, layout: str
) -> None:
    data = encoded(suffix, sine(2, 440, rate), rate=rate, layout=layout)
    samples = await guard.decode(data)
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    padding = 1200 if suffix in ("mp3", "m4a") else 2
    assert abs(len(samples) - 48_000) <= padding
    assert abs(pitch(samples[4_800:43_200]) - 440) < 1
    assert 0.45 < np.abs(samples).max() < 0.56


@pytest.mark.asyncio
async def test_lossless_sound_at_its_own_rate_is_exact(guard: Guard) -> None:
    sound = sine(1)
    for suffix in ("wav", "flac"):
        samples = await guard.decode(encoded(suffix, sound))
        assert np.abs(samples - sound).max() < 2 / 32768


@pytest.mark.asyncio
async def test_the_rate_is_the_callers(guard: Guard) -> None:
    samples = await guard.decode(encoded("wav", sine(1)), sample_rate=16_000)
    assert abs(len(samples) - 16_000) <= 2
    assert abs(pitch(samples, 16_000) - 440) < 2


@pytest.mark.asyncio
async def test_of_a_film_only_the_sound_is_taken(guard: Guard) -> None:
    assert abs(pitch(await guard.decode(film(sine(1)))) - 440) < 2


@pytest.mark.asyncio
async def test_a_minute_may_be_had_and_a_sample_more_is_refused(guard: Guard) -> None:
    for rate in (24_000, 44_100):
        samples = await guard.decode(encoded("wav", sine(60, rate=rate), rate=rate))
        assert len(samples) == 60 * 24_000
    longer = np.append(sine(60), np.float32(0))
    error = await refusal(guard, encoded("wav", longer))
    assert error.details == {"limit": 60.0}
    assert (await refusal(guard, encoded("ogg", sine(2)), max_s=1.5)).details == {"limit": 1.5}


@pytest.mark.asyncio
async def test_a_file_over_the_bound_is_not_looked_at() -> None:
    guard = Guard(limits=Limits(max_bytes=1000))
    with pytest.raises(MessageLimit) as caught:
        await guard.decode(bytes(1001))
    assert (caught.value.param, caught.value.details) == ("audio", {"limit": 1000})
    assert zygotes(os.getpid()) == []
    await guard.aclose()


def strange_files() -> dict[str, bytes]:
    """Files that are no sound, or name others; `CANARY` and `PORT` are filled in."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("sound.wav", encoded("wav", sine(0.1)))
    header = b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:5,\n"
    return {
        "empty": b"",
        "one byte": b"R",
        "junk": bytes(range(256)) * 40,
        "zeros": bytes(10_000),
        "text": b"Hello, this is no sound at all. " * 40,
        "header only": encoded("wav", sine(0.1))[:44],
        "no frames": encoded("flac", sine(0.1))[:60],
        "ffconcat, relative": b"ffconcat version 1.0\nfile canary.wav\n",
        "ffconcat, absolute": b"ffconcat version 1.0\nfile CANARY\n",
        "ffconcat, unsafe": b"ffconcat version 1.0\noption safe 0\nfile CANARY\n",
        "hls, file": header + b"file://CANARY\n#EXT-X-ENDLIST\n",
        "hls, http": header + b"http://127.0.0.1:PORT/a.ts\n#EXT-X-ENDLIST\n",
        "m3u": b"#EXTM3U\nfile:///etc/passwd\nCANARY\nhttp://127.0.0.1:PORT/a.mp3\n",
        "pls": b"[playlist]\nFile1=http://127.0.0.1:PORT/a.mp3\nNumberOfEntries=1\n",
        "dash": (
            b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
            b'mediaPresentationDuration="PT5S"><Period><AdaptationSet mimeType="audio/mp4">'
            b'<Representation id="1" bandwidth="1"><BaseURL>http://127.0.0.1:PORT/a.mp4</BaseURL>'
            b"</Representation></AdaptationSet></Period></MPD>"
        ),
        "sdp": (
            b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            b"m=audio PORT RTP/AVP 0\r\n"
        ),
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file://CANARY"/></svg>',
        "subtitles": b"1\n00:00:00,000 --> 00:00:01,000\nfile://CANARY\n",
        "ass": b"[Script Info]\nScriptType: v4.00+\n[Events]\nFormat: Start, End, Text\n",
        "zip": packed.getvalue(),
        "png": bytes.fromhex(
            "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
            "1f15c4890000000d49444154789c6300010000050001"
        ),
        "pictures only": pictures_only(),
    }


def pictures_only() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("mjpeg", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        container.mux(stream.encode(av.VideoFrame(64, 64, "yuvj420p")))
        container.mux(stream.encode(None))
    return file.getvalue()


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of sound that every user may read, in the directory we are in."""
    path = tmp_path / "canary.wav"
    path.write_bytes(encoded("wav", sine(1, 777)))
    path.chmod(0o644)
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    return path


@pytest.mark.asyncio
async def test_files_that_name_others_reach_nothing(guard: Guard, canary: Path) -> None:
    visits = []
    server = await asyncio.start_server(lambda *_: visits.append(1), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for name, data in strange_files().items():
        data = data.replace(b"CANARY", bytes(canary)).replace(b"PORT", b"%d" % port)
        error = await refusal(guard, data)
        assert error.details == {}, name
        # The list of formats alone holds, too, where nothing else keeps the decoder from the file.
        with pytest.raises((Refused, av.error.FFmpegError)):
            decode_here(io.BytesIO(data), 24_000, 48_000)
    await asyncio.sleep(0)
    assert visits == []
    server.close()
    await server.wait_closed()


def test_without_the_list_of_formats_the_canary_sings(canary: Path) -> None:
    file = io.BytesIO(strange_files()["ffconcat, relative"])
    with av.open(file, mode="r") as container:
        parts = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    assert abs(pitch(np.concatenate(parts).astype(np.float32)) - 777) < 2


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("at", "value"),
    [
        (4, b"\xff\xff\xff\xff"),  # the file's length
        (22, b"\xff\xff"),  # channels
        (22, b"\x00\x00"),
        (24, b"\xff\xff\xff\xff"),  # samples a second
        (24, b"\x01\x00\x00\x00"),
        (24, b"\x00\x00\x00\x00"),
        (32, b"\x00\x00"),  # bytes in a block
        (34, b"\x00\x00"),  # bits in a sample
        (34, b"\xff\xff"),
    ],
)
async def test_a_header_that_lies_does_no_harm(guard: Guard, at: int, value: bytes) -> None:
    plain = bytearray(
        b"RIFF\x64\x4b\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"
        b"\xc0\x5d\x00\x00\x80\xbb\x00\x00\x02\x00\x10\x00data\x40\x4b\x00\x00"
    ) + bytes(0x4B40)
    plain[at : at + len(value)] = value
    with contextlib.suppress(InvalidMedia):
        assert 0 < len(await guard.decode(bytes(plain))) <= 60 * 24_000
    assert guard.peak_bytes < 200 << 20


@pytest.mark.asyncio
async def test_samples_that_are_no_numbers_are_refused(guard: Guard) -> None:
    file = io.BytesIO()
    sound = sine(1)
    sound[1000] = np.nan
    with av.open(file, "w", format="wav") as container:
        stream = container.add_stream("pcm_f32le", rate=24_000)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout = "mono"
        frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="flt", layout="mono")
        frame.sample_rate, frame.pts = 24_000, 0
        container.mux([*stream.encode(frame), *stream.encode(None)])
    await refusal(guard, file.getvalue())


@pytest.mark.asyncio
async def test_three_hours_in_a_small_file_are_refused_at_the_first_minute(
    guard: Guard, bomb: bytes
) -> None:
    assert len(bomb) < 4 << 20
    assert (await refusal(guard, bomb)).details == {"limit": 60.0}
    assert guard.peak_bytes < 200 << 20


@pytest.mark.asyncio
async def test_each_bound_of_a_file_is_named(bomb: bytes) -> None:
    for limits, bound in (
        (Limits(wall_s=1.5), 1.5),
        (Limits(cpu_s=0.5), 0.5),
        (Limits(memory_bytes=300 << 20), 300 << 20),
    ):
        guard = Guard(limits=limits)
        assert (await refusal(guard, bomb, **BUSY)).details == {"limit": bound}
        assert len(await guard.decode(encoded("wav", sine(0.1)))) == 2400
        assert guard.peak_bytes <= limits.memory_bytes
        await guard.aclose()


@pytest.mark.asyncio
async def test_a_child_has_nothing(
    guard: Guard, bomb: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMER_SECRET_FOR_TEST", "do-not-tell")
    task = asyncio.create_task(guard.decode(bomb, **BUSY))  # type: ignore[arg-type]
    await until(lambda: zygotes(os.getpid()))
    (zygote,) = zygotes(os.getpid())
    child = await busy_child(zygote)
    await until(lambda: status(child)["NoNewPrivs"] == "1")
    for pid in (zygote, child):
        assert status(pid)["Threads"] == "1"
        assert b"do-not-tell" not in environment(pid)
        assert b"HOME=" not in environment(pid)
    limits = limits_of(child)
    assert limits["Max open files"] == ["0", "0"]
    assert limits["Max file size"] == ["0", "0"]
    assert limits["Max core file size"] == ["0", "0"]
    assert limits["Max processes"] == ["0", "0"]
    assert limits["Max cpu time"] == ["5", "6"]
    assert limits["Max address space"] == [str(1 << 30)] * 2
    (descriptor,) = os.listdir(f"/proc/{child}/fd")
    assert os.readlink(f"/proc/{child}/fd/{descriptor}").startswith("socket:")
    assert os.readlink(f"/proc/{child}/cwd") == "/"
    if os.geteuid() == 0:
        assert status(child)["Uid"].split() == ["65534"] * 4
        assert int(status(child)["CapEff"], 16) == 0
    if os.uname().machine == "x86_64":
        await until(lambda: status(child)["Seccomp"] == "2")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: children(zygote) == [])


@pytest.mark.asyncio
async def test_cancelling_ends_the_process_and_frees_its_place(bomb: bytes) -> None:
    guard = Guard(limits=Limits(concurrency=1))
    sound = encoded("wav", sine(0.1))
    await guard.decode(sound)
    (zygote,) = zygotes(os.getpid())
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        task = asyncio.create_task(guard.decode(bomb, **BUSY))  # type: ignore[arg-type]
        await busy_child(zygote)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: children(zygote) == [])
        assert len(await guard.decode(sound)) == 2400
    assert zygotes(os.getpid()) == [zygote]
    assert len(os.listdir("/proc/self/fd")) == len(before)
    await guard.aclose()


@pytest.mark.asyncio
async def test_cancelled_while_the_process_starts_nothing_is_left() -> None:
    guard = Guard()
    task = asyncio.create_task(guard.decode(encoded("wav", sine(0.1))))
    await until(lambda: zygotes(os.getpid()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert zygotes(os.getpid()) == []
    assert len(await guard.decode(encoded("wav", sine(0.1)))) == 2400
    await guard.aclose()


@pytest.mark.asyncio
async def test_many_at_once_get_each_their_own_and_no_more_run_than_may(guard: Guard) -> None:
    await guard.decode(encoded("wav", sine(0.1)))
    (zygote,) = zygotes(os.getpid())
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, len(children(zygote)))
            await asyncio.sleep(0.005)

    watching = asyncio.create_task(watch())
    frequencies = [300 + 50 * number for number in range(16)]
    files = [encoded("flac", sine(1, frequency)) for frequency in frequencies]
    sounds = await asyncio.gather(*map(guard.decode, files))
    watching.cancel()
    for frequency, samples in zip(frequencies, sounds, strict=True):
        assert abs(pitch(samples) - frequency) < 2
    assert 1 <= most <= 2


@pytest.mark.asyncio
async def test_whoever_came_first_is_served_first() -> None:
    guard = Guard(limits=Limits(concurrency=1))
    served = []

    async def decode(number: int) -> None:
        await guard.decode(encoded("wav", sine(0.1)))
        served.append(number)

    await asyncio.gather(*(decode(number) for number in range(8)))
    assert served == list(range(8))
    await guard.aclose()


@pytest.mark.asyncio
async def test_a_child_killed_from_outside_costs_its_own_file_only(
    guard: Guard, bomb: bytes
) -> None:
    await guard.decode(encoded("wav", sine(0.1)))
    (zygote,) = zygotes(os.getpid())
    task = asyncio.create_task(guard.decode(bomb, **BUSY))  # type: ignore[arg-type]
    os.kill(await busy_child(zygote), signal.SIGKILL)
    with pytest.raises(InvalidMedia):
        await task
    assert len(await guard.decode(encoded("wav", sine(0.1)))) == 2400
    assert zygotes(os.getpid()) == [zygote]


@pytest.mark.asyncio
async def test_a_file_whose_zygote_dies_is_given_to_another_once(guard: Guard, bomb: bytes) -> None:
    await guard.decode(encoded("wav", sine(0.1)))
    (zygote,) = zygotes(os.getpid())
    task = asyncio.create_task(guard.decode(bomb, **BUSY))  # type: ignore[arg-type]
    child = await busy_child(zygote)
    os.kill(zygote, signal.SIGKILL)
    await until(lambda: gone(child))
    await until(lambda: zygotes(os.getpid()) not in ([], [zygote]))
    (other,) = zygotes(os.getpid())
    await busy_child(other)
    os.kill(other, signal.SIGKILL)
    with pytest.raises(InternalError):
        await task


@pytest.mark.asyncio
async def test_a_zygote_that_dies_while_it_idles_is_not_noticed(guard: Guard) -> None:
    for _ in range(5):
        assert len(await guard.decode(encoded("wav", sine(0.1)))) == 2400
        (zygote,) = zygotes(os.getpid())
        os.kill(zygote, signal.SIGKILL)
    assert len(await guard.decode(encoded("wav", sine(0.1)))) == 2400


@pytest.mark.asyncio
async def test_a_zygote_that_hangs_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.guard.GRACE_S", 0.2)
    guard = Guard(limits=Limits(wall_s=1.0))
    await guard.decode(encoded("wav", sine(0.1)))
    (zygote,) = zygotes(os.getpid())
    os.kill(zygote, signal.SIGSTOP)
    with pytest.raises(InternalError):
        await guard.decode(encoded("wav", sine(0.1)))
    assert len(await guard.decode(encoded("wav", sine(0.1)))) == 2400
    assert zygotes(os.getpid()) != [zygote]
    await guard.aclose()


@pytest.mark.asyncio
async def test_where_no_process_starts_it_is_our_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    for executable in ("/nonexistent/python", "/bin/false"):
        guard = Guard()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", executable)
            with pytest.raises(InternalError):
                await guard.decode(encoded("wav", sine(0.1)))
        assert len(await guard.decode(encoded("wav", sine(0.1)))) == 2400
        await guard.aclose()


@pytest.mark.asyncio
async def test_closing_ends_everything_and_fails_what_runs(bomb: bytes) -> None:
    guard = Guard()
    await guard.decode(encoded("wav", sine(0.1)))
    (zygote,) = zygotes(os.getpid())
    task = asyncio.create_task(guard.decode(bomb, **BUSY))  # type: ignore[arg-type]
    child = await busy_child(zygote)
    await guard.aclose()
    assert gone(zygote)
    assert gone(child)
    with pytest.raises(InternalError):
        await task
    with pytest.raises(InternalError):
        await guard.decode(encoded("wav", sine(0.1)))
    await guard.aclose()


SERVER = """
import asyncio, sys
from pathlib import Path
from streamer.guard import Guard

async def main():
    await Guard().decode(Path(sys.argv[1]).read_bytes(), sample_rate=8000, max_s=20000.0)

asyncio.run(main())
"""


@pytest.mark.asyncio
async def test_when_the_server_is_killed_nothing_of_it_lives_on(
    tmp_path: Path, bomb: bytes
) -> None:
    path = tmp_path / "bomb.flac"
    path.write_bytes(bomb)
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, str(path))
    await until(lambda: zygotes(server.pid))
    (zygote,) = zygotes(server.pid)
    child = await busy_child(zygote)
    server.kill()
    await server.wait()
    await until(lambda: gone(zygote) and gone(child))


@pytest.mark.asyncio
async def test_300_mutated_files_end_in_sound_or_a_refusal(guard: Guard) -> None:
    sounds = 0
    for data in mutations(300, seed=3):
        with contextlib.suppress(InvalidMedia):
            samples = await guard.decode(data)
            assert np.isfinite(samples).all()
            assert 0 < len(samples) <= 60 * 24_000
            sounds += 1
    assert 30 < sounds < 270, "it is neither all good nor all nonsense"
    assert guard.peak_bytes < 1 << 30
    assert len(await guard.decode(encoded("wav", sine(0.1)))) == 2400
