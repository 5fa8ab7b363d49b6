"""The command line as a person and a shell meet it: text in, sound out, one line when it can't be."""

from __future__ import annotations

import inspect
import io
import json
import os
import re
import signal
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import webvtt

import streamer
from streamer.audio.decoder import decode
from streamer.cli import run, serve
from streamer.cli.sink import FORMATS
from streamer.config import SETTINGS, Settings
from streamer.engines.base import Engine
from streamer.server.auth import KeyStore
from tests.command_lines import isolate, started
from tests.providers.base import KEY
from tests.providers.base import running as providers_running
from tests.providers.openai import OpenAiProvider
from tests.scripted_engine import ScriptedEngine
from tests.server_process import ServerProcess, running_server

TONE = ("--engines", "tone")
TEXT = "One two three. Four five."


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server("tone") as process:
        yield process


def samples_of(path: Path) -> int:
    return len(decode(path.read_bytes())[0])


def failing_engine(settings: Settings) -> Engine:
    """An engine of one's own, that fails at its second sentence."""
    return ScriptedEngine(fail_at=1)


def test_every_setting_is_a_flag_of_serve() -> None:
    flags = set(inspect.signature(serve.serve).parameters)
    assert {row.name for row in SETTINGS} <= flags
    assert flags - {row.name for row in SETTINGS} == {"config", "first_key"}


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == streamer.__version__


@pytest.mark.parametrize(
    "command", [[], ["serve"], ["say"], ["captions"], ["jobs"], ["voices"], ["keys"], ["doctor"]]
)
def test_every_command_has_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--help"]) == 0
    assert "Usage: streamer" in capsys.readouterr().out


@pytest.mark.parametrize("group", [[], ["jobs"], ["keys"]])
def test_a_group_without_a_command_shows_its_commands_line_by_line(
    group: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(group) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Usage: streamer")
    assert "Commands:" in lines


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["say", "hi", "-o", "x.wav", "--speed", "9"], "speed"),
        (["say", "hi", "-o", "x.wav", "--speed", "fast"], "--speed"),
        (["say", "hi", "-o", "x.wav", "--voice", "nobody"], "nobody"),
        (["say", "hi", "-o", "x.wav", "--model", "nothing"], "nothing"),
        (["say", "hi", "-o", "x.opus", "--sample-rate", "44100"], "sample_rate"),
        (["say", "hi", "-o", "x.mp3", "--bit-rate", "5"], "bit_rate"),
        (["say", "hi", "-o", "x.doc"], "doc"),
        (["say", "hi", "-o", "missing/x.wav"], "missing/x.wav"),
        (["say", "hi", "-o", "x", "--format", "doc"], "format"),
        (["say", "hi", "-f", "text.txt", "-o", "x.wav"], "text"),
        (["say", "-f", "missing.txt", "-o", "x.wav"], "missing.txt"),
        (["say", "-f", ".", "-o", "x.wav"], "file"),
        (["say", " ", "-o", "x.wav"], "text"),
        (["say", "hi", "-o", "x.wav", "--url", "nonsense"], "url"),
        (["say", "hi", "-o", "x.wav", "--captions", "x.txt"], "x.txt"),
        (["say", "hi", "-o", "x.wav", "--captions", "nowhere/x.vtt", *TONE], "nowhere/x.vtt"),
        (["serve", "--port", "70000"], "port"),
        (["serve", "--nonsense", "1"], "--nonsense"),
        (["serve", "--config", "missing.toml"], "missing.toml"),
        (["serve", "--tls-key", "key.pem"], "tls_cert"),
        (["serve", "--host", "0.0.0.0"], "streamer keys new"),
        (["voices", "--engines", "nothing"], "nothing"),
        (["keys", "new", "app", "--scope", "everything"], "everything"),
        (["keys", "new", "app", "--contexts", "0"], "contexts"),
        (["keys", "revoke", "nothing"], "nothing"),
        (["keys", "rotate", "nothing"], "nothing"),
        (["nothing"], "nothing"),
    ],
)
def test_what_cannot_be_had_is_one_line_that_names_it(
    arguments: list[str], named: str, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    if arguments[0] == "say":
        arguments = [*arguments, *TONE]
    assert run(arguments) == 2
    out, err = capfd.readouterr()
    assert not out
    assert len(err.splitlines()) == 1
    assert named in err
    assert not [path for path in tmp_path.rglob("*") if "x.wav" in path.name]


def test_unknown_settings_fail_before_an_engine_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "streamer.toml").write_text("prt = 1")
    monkeypatch.setenv("STREAMER_CONFIG", str(tmp_path / "streamer.toml"))
    assert run(["voices", "--engines", "nothing"]) == 2
    assert "prt" in capsys.readouterr().err


def test_settings_of_the_environment_hold_and_a_clients_key_may_lie_beside_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STREAMER_ENGINES", "tone")
    monkeypatch.setenv("STREAMER_KEY", "sk-of-some-server")
    assert run(["voices", "--json"]) == 0
    assert {voice["engine"] for voice in json.loads(capsys.readouterr().out)} == {"tone"}


@pytest.mark.parametrize("ending", [ending for ending in FORMATS if ending != "pcm"])
def test_a_file_decodes_to_the_sound_its_name_asks_for(ending: str, tmp_path: Path) -> None:
    assert run(["say", TEXT, "-o", f"said.{ending}", *TONE]) == 0
    assert run(["say", TEXT, "-o", "said.pcm", *TONE]) == 0
    samples, rate = decode((tmp_path / f"said.{ending}").read_bytes())
    exact = len(np.fromfile(tmp_path / "said.pcm", "<i2")) / 24000
    # MP3 and AAC files end on a whole frame and begin with the codec's lead-in.
    assert exact - 0.01 <= len(samples) / rate <= exact + 0.15
    assert np.max(np.abs(samples)) > 0.1


def test_the_header_of_a_wav_file_says_its_length(tmp_path: Path) -> None:
    assert run(["say", TEXT, "-o", "said.wav", *TONE]) == 0
    with wave.open(str(tmp_path / "said.wav")) as file:
        assert file.getframerate() == 24000
        assert len(file.readframes(2**31)) == 2 * file.getnframes() > 24000
    assert (tmp_path / "said.wav").stat().st_size == 44 + 2 * samples_of(tmp_path / "said.wav")


def test_options_change_the_sound(tmp_path: Path) -> None:
    assert run(["say", TEXT, "-o", "plain.wav", *TONE]) == 0
    fast = ["--speed", "2", "--voice", "tone-high", "--sample-rate", "8000", "--volume", "0.5"]
    assert run(["say", TEXT, "-o", "fast.wav", *fast, *TONE]) == 0
    plain, rate = decode((tmp_path / "plain.wav").read_bytes())
    changed, low_rate = decode((tmp_path / "fast.wav").read_bytes())
    assert low_rate == 8000
    assert len(changed) / low_rate == pytest.approx(len(plain) / rate / 2, rel=0.05)


def test_an_utterance_that_fails_leaves_the_file_that_was_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "said.wav").write_bytes(b"before")
    engine = f"{__name__}:{failing_engine.__name__}"
    assert run(["say", TEXT, "-o", "said.wav", "--engines", engine]) == 1
    assert capsys.readouterr().err == "streamer: scripted failure\n"
    assert [path.name for path in tmp_path.iterdir()] == ["said.wav"]
    assert (tmp_path / "said.wav").read_bytes() == b"before"


def test_a_file_is_spoken_whole_however_little_may_wait(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "text.txt").write_bytes(b"\xef\xbb\xbf" + "Ein Satz – kurz. ".encode() * 60)
    (tmp_path / "short.txt").write_text("Ein Satz – kurz. ")
    monkeypatch.setenv("STREAMER_MAX_PENDING_CHARS", "400")
    monkeypatch.setenv("STREAMER_MAX_CONTEXT_CHARS", "500")
    assert run(["say", "-f", "text.txt", "-o", "long.wav", *TONE]) == 0
    assert run(["say", "-f", "short.txt", "-o", "short.wav", *TONE]) == 0
    assert samples_of(tmp_path / "long.wav") >= 60 * samples_of(tmp_path / "short.wav")


def test_text_that_is_not_utf8_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.txt").write_bytes(b"One two. \xff\xfe")
    assert run(["say", "-f", "text.txt", "-o", "said.wav", *TONE]) == 2
    assert "UTF-8" in capsys.readouterr().err
    assert not (tmp_path / "said.wav").exists()


def test_standard_input_is_spoken_as_it_arrives() -> None:
    with started("say", "-", "-o", "-", "--format", "pcm", *TONE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("One two thr\N{LATIN SMALL LETTER E WITH ACUTE}".encode()[:-1])
        process.stdin.flush()
        process.stdin.write("é".encode()[-1:] + b"e. Four ")
        process.stdin.flush()
        before = process.stdout.read(24000)  # half a second, while the input is still open
        process.stdin.write(b"five.")
        process.stdin.close()
        after = process.stdout.read()
    assert process.returncode == 0
    assert len(before) == 24000
    assert len(after) > 24000
    assert np.max(np.abs(np.frombuffer(before, "<i2"))) > 3000


def test_wav_on_standard_output_has_the_header_of_a_stream() -> None:
    with started("say", TEXT, "-o", "-", *TONE) as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert out[:4] == b"RIFF"
    assert out[4:8] == out[40:44] == b"\xff" * 4
    assert len(decode(out)[0]) > 24000


@pytest.mark.parametrize(
    ("text", "engine"), [("-", "tone"), ("text.txt", "tone"), ("text.txt", "hibari")]
)
@pytest.mark.parametrize(("ending", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_leaves_nothing(
    text: str, engine: str, ending: signal.Signals, code: int, tmp_path: Path
) -> None:
    (tmp_path / "text.txt").write_text("A sentence that goes on. " * 200_000)
    with started("say", "-f", text, "-o", "said.wav", "--engines", engine) as process:
        while not any(path.name.startswith(".said.wav") for path in tmp_path.iterdir()):
            assert process.poll() is None
        process.send_signal(ending)
        process.wait()
        out, err = process.communicate()
    assert (process.returncode, out, err) == (code, b"", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


@pytest.mark.parametrize("engine", ["tone", "hibari"])
def test_a_reader_that_goes_away_is_no_traceback(engine: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("A sentence that goes on. " * 2000)
    with started("say", "-f", "text.txt", "-o", "-", "--engines", engine) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(100)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_a_player_gets_what_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    player = tmp_path / "bin" / "aplay"
    player.parent.mkdir()
    player.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/flags\nexec cat > {tmp_path}/played\n')
    player.chmod(0o755)
    monkeypatch.setenv("PATH", f"{player.parent}:{os.environ['PATH']}")
    assert run(["say", TEXT, *TONE]) == 0
    assert "S16_LE" in (tmp_path / "flags").read_text()
    played = np.fromfile(tmp_path / "played", "<i2")
    assert len(played) > 48000
    assert np.max(np.abs(played)) > 3000


def test_without_a_player_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["say", TEXT, *TONE]) == 2
    assert "-o FILE" in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["opus", "flac"])
def test_a_server_says_the_same(server: ServerProcess, ending: str, tmp_path: Path) -> None:
    assert run(["say", TEXT, "-o", f"here.{ending}", "--seed", "1", *TONE]) == 0
    assert run(["say", TEXT, "-o", f"there.{ending}", "--seed", "1", "--url", server.url]) == 0
    assert samples_of(tmp_path / f"there.{ending}") == samples_of(tmp_path / f"here.{ending}")


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_closes_the_connection_so_that_the_server_waits_for_nobody(
    server: ServerProcess, ending: signal.Signals, code: int, tmp_path: Path
) -> None:
    with started("say", "-", "-o", "said.wav", "--url", server.url) as process:
        assert process.stdin is not None
        process.stdin.write(b"A sentence that goes on. And on, ")
        process.stdin.flush()
        while not server.metrics()["streamer_active_contexts"]:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(ending)
        process.wait()
        process.stdin.close()
        assert process.stderr is not None
        assert (process.returncode, process.stderr.read()) == (code, b"")
    while server.metrics()["streamer_connections"]:
        time.sleep(0.02)
    assert not server.metrics()["streamer_active_contexts"]
    assert not server.metrics()["streamer_detached_connections"]
    closes = [line["code"] for line in server.log_lines() if line["event"] == "connection ends"]
    assert closes[-1] == 1000


def test_a_servers_refusal_is_one_line(
    server: ServerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["say", "hi", "-o", "x.wav", "--voice", "nobody", "--url", server.url]) == 2
    err = capsys.readouterr().err
    assert "nobody" in err
    assert "tone-low" in err
    assert len(err.splitlines()) == 1


def test_a_server_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["say", "hi", "-o", "x.wav", "--url", "ws://127.0.0.1:1/#key=secret"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "ws://127.0.0.1:1" in line
    assert "secret" not in line


def test_voices_are_listed_default_first(capsys: pytest.CaptureFixture[str]) -> None:
    aliases = ["--voice-aliases", "alloy=tone-high"]
    assert run(["voices", *TONE, "--voice", "tone-high", *aliases]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["voice", "tone-high", "tone-low"]
    assert lines[1].split()[:2] == ["tone-high", "alloy"]
    assert run(["voices", *TONE, "--voice", "alloy", *aliases, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)[0]
    assert (first["id"], first["default"], first["aliases"]) == ("tone-high", True, ["alloy"])


def test_a_key_is_shown_once_listed_and_revoked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    there = ["--data-dir", str(tmp_path / "data")]
    assert run(["keys", "new", "app", "--contexts", "3", "--budget", "2.5", *there]) == 0
    key = capsys.readouterr().out.strip()
    assert len(key) > 40
    assert run(["keys", "list", "--json", *there]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed[0]["limits"] == {"contexts": 3, "budget": 2.5}
    assert listed[0]["revoked"] is None
    assert listed[0]["scopes"] == [*("speak", "publish", "listen", "manage", "usage", "tokens")]
    everything = b"".join(p.read_bytes() for p in (tmp_path / "data").rglob("*") if p.is_file())
    assert key.encode() not in everything
    assert run(["keys", "revoke", "app", *there]) == 0
    capsys.readouterr()
    assert run(["keys", "list", *there]) == 0
    assert run(["keys", "list", "--json", *there]) == 0
    out = capsys.readouterr().out
    assert key not in out
    assert json.loads(out[out.index("[\n") :])[0]["revoked"] is not None


def test_a_rotated_key_s_new_secret_is_all_that_is_printed_and_is_kept_nowhere(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    there = ["--data-dir", str(tmp_path)]
    store = KeyStore(tmp_path)
    before = store.find(store.new("app"))
    assert run(["keys", "rotate", before.id, *there]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    secret = told.out.removesuffix("\n")
    assert store.find(secret).id == before.id
    everything = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert secret.encode() not in everything
    assert run(["keys", "list", "--json", *there]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["id"], listed["rotations"]) == (before.id, 1)


@pytest.mark.parametrize(
    ("answer", "more", "status", "revoked"),
    [("n\n", [], 1, False), ("", [], 130, False), ("y\n", [], 0, True), ("", ["--yes"], 0, True)],
)
def test_at_a_terminal_a_key_is_revoked_with_what_it_has_stored_only_once_that_is_confirmed(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    answer: str,
    more: list[str],
    status: int,
    revoked: bool,
) -> None:
    there = ["--data-dir", str(tmp_path)]
    KeyStore(tmp_path).new("app")
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    assert run(["keys", "revoke", "app", *more, *there]) == status
    told = capsys.readouterr()
    assert ("delete its voices, files, jobs and webhooks?" in told.err) is (not more)
    assert ("are deleted" in told.out) is revoked
    assert (KeyStore(tmp_path).list()[0].revoked is not None) is revoked


def test_doctor_says_which_engines_can_run_and_why_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json", "--engines", "tone,missing.module:engine", "--port", "0"]) == 1
    found = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert found["tone"]["state"] == "ok"
    assert found["missing.module:engine"]["state"] == "failed"
    assert "missing" in found["missing.module:engine"]["detail"]
    assert found["av"]["state"] == "ok"
    assert found["data_dir"]["state"] == "ok"


def test_doctor_asks_providers_and_shows_no_key(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def found(*flags: str, code: int) -> dict[tuple[str, str], dict[str, str]]:
        assert run(["doctor", "--json", "--port", "0", *TONE, *flags]) == code
        out = capsys.readouterr().out
        assert KEY not in out
        return {(row["topic"], row["name"]): row for row in json.loads(out)}

    chain = ["--fallbacks", "agent=openai:nova tone:tone-low"]
    with providers_running(OpenAiProvider()) as double:
        table = {"url": double.url, "key": KEY, "voice": "nova", "price_per_1000": 0.3}
        openai = json.dumps({"openai": table})
        told = found("--providers", openai, *chain, code=0)
        assert told["providers", "openai"]["state"] == "ok"
        for part in (double.url, "key set", "gpt-4o-mini-tts", "nova", "0.3 for", "is taken"):
            assert part in told["providers", "openai"]["detail"]
        for topic in ("providers", "engines"):
            assert "not in the settings" not in told[topic, "openai"]["detail"]
            assert "neither" not in told[topic, "openai"]["detail"]
        wrong = json.dumps({"openai": table | {"key": "another"}})
        told = found("--providers", wrong, *chain, code=1)
        assert told["providers", "openai"]["detail"].endswith("the key is refused")
        told = found("--providers", wrong, code=0)
        assert told["providers", "openai"]["state"] == "missing"
        assert "in neither engines nor fallbacks" in told["providers", "openai"]["detail"]
        asked = len(double.requests)
        told = found("--providers", wrong, *chain, "--offline", code=0)
        assert told["providers", "openai"]["detail"].endswith("not asked")
        assert len(double.requests) == asked


def test_doctor_finds_a_data_dir_that_cannot_be(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "open").mkdir(mode=0o755)
    for bad in ("file/data", "open"):
        assert run(["doctor", *TONE, "--port", "0", "--data-dir", str(tmp_path / bad)]) == 1
        assert str(tmp_path / bad) in capsys.readouterr().out


def test_doctor_asks_a_running_server(
    server: ServerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    port = server.host.rpartition(":")[2]
    for host in ("127.0.0.1", "0.0.0.0"):
        assert run(["doctor", "--running", "--host", host, "--port", port]) == 0
    assert run(["doctor", "--running", "--port", "1"]) == 1
    assert "refused" in capsys.readouterr().out


def test_progress_is_told_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["say", TEXT, "-o", "said.wav", *TONE]) == 0
    assert capsys.readouterr() == ("", "")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert run(["say", TEXT, "-o", "said.wav", *TONE]) == 0
    assert "said.wav: " in terminal.getvalue()
    assert "25 characters" in terminal.getvalue()


def captions_of(path: Path) -> list[webvtt.Caption]:
    """As a library reads them."""
    text = path.read_text()
    if path.suffix == ".srt":
        return list(webvtt.from_buffer(io.StringIO(text), format="srt").captions)
    return list(webvtt.from_string(text, strict=True).captions)


def test_captions_of_what_is_said_are_written_beside_it(
    server: ServerProcess, tmp_path: Path
) -> None:
    here = ["say", TEXT, "-o", "here.wav", "--seed", "1", *TONE]
    there = ["say", TEXT, "-o", "there.wav", "--seed", "1", "--url", server.url]
    assert run([*here, "--captions", "here.vtt"]) == 0
    assert run([*here, "--captions", "here.srt"]) == 0
    assert run([*there, "--captions", "there.vtt"]) == 0
    assert (tmp_path / "there.vtt").read_text() == (tmp_path / "here.vtt").read_text()
    read, plain = captions_of(tmp_path / "here.vtt"), captions_of(tmp_path / "here.srt")
    assert " ".join(" ".join(caption.lines) for caption in plain) == TEXT
    assert [(c.start, c.end) for c in plain] == [(c.start, c.end) for c in read]
    assert len(re.findall(r"<\d\d:\d\d:\d\d\.\d{3}>", (tmp_path / "here.vtt").read_text())) >= 3
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_captions_are_not_there_when_speaking_fails(tmp_path: Path) -> None:
    (tmp_path / "said.vtt").write_text("before")
    engine = f"{__name__}:{failing_engine.__name__}"
    arguments = ["say", TEXT, "-o", "said.wav", "--captions", "said.vtt", "--engines", engine]
    assert run(arguments) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["said.vtt"]
    assert (tmp_path / "said.vtt").read_text() == "before"
