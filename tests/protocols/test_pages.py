"""The pages of the two dialects name everything there is, and nothing that is not."""

import re
from pathlib import Path

import msgspec
import pytest

from streamer.errors import CODES
from streamer.protocols import openai
from streamer.protocols.native import Client, Server, answers, close_code, decode_speech, messages

DOCS = Path(__file__).parents[2] / "docs"
PROTOCOL = (DOCS / "protocol.md").read_text("utf-8")
OPENAI = (DOCS / "openai.md").read_text("utf-8")

Message = type[msgspec.Struct]


def tagged() -> dict[str, Message]:
    """Every tagged message of either side."""
    found = {}
    for module in (messages, answers):
        for struct in vars(module).values():
            if isinstance(struct, type) and issubclass(struct, msgspec.Struct):
                tag = struct.__struct_config__.tag
                if tag is not None:
                    found[str(tag)] = struct
    return found


def section(name: str) -> str:
    match = re.search(rf"^### `{name}`$(.*?)(?=^##)", PROTOCOL, re.MULTILINE | re.DOTALL)
    assert match, f"no section of `{name}`"
    return match[1]


@pytest.mark.parametrize("name", [*sorted(tagged()), "error"])
def test_every_message_has_a_section_that_names_every_field(name: str) -> None:
    text = section(name)
    fields = (
        {"context", "sequence", "code", "message", "param", "retryable"}
        if name == "error"
        else {field.encode_name for field in msgspec.structs.fields(tagged()[name])}
    )

    for field in fields:
        assert re.search(rf"`({field}|{field}\.\w+)`", text), f"{name}.{field}"


def test_every_section_of_a_message_is_of_one_that_exists() -> None:
    sections = re.findall(r"^### `(\w+)`$", PROTOCOL, re.MULTILINE)

    assert set(sections) == {*tagged(), "error"}


@pytest.mark.parametrize("struct", [messages.SocketSound, messages.Pacing])
def test_every_nested_field_of_start_is_named(struct: Message) -> None:
    prefix = "audio" if struct is messages.SocketSound else "pacing"
    for field in msgspec.structs.fields(struct):
        assert f"`{prefix}.{field.encode_name}`" in section("start")


def test_every_error_has_its_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (yes|no) \|", PROTOCOL, re.MULTILINE)

    assert {(code, int(status), retry == "yes") for code, status, retry in rows} == {
        (code, kind.status, kind.retryable) for code, kind in CODES.items()
    }


def test_every_close_code_has_its_row() -> None:
    table = PROTOCOL.split("## Close codes")[1].split("## Errors")[0]
    rows = {int(code) for code in re.findall(r"^\| (\d{4}) \|", table, re.MULTILINE)}

    assert rows == {1000, 4003, *(close_code(kind("x")) for kind in CODES.values())}


def test_the_conversation_is_one() -> None:
    server, client = Server(), Client()
    block = PROTOCOL.split("## A conversation")[1].split("```")[1]
    lines = re.findall(r"^([<>]) (\{\".*?\})$(?=\n[<>]|\n\Z)", block, re.MULTILINE | re.DOTALL)
    assert len(lines) >= 8
    for side, message in lines:
        message = re.sub(r"\n\s+", "", message).replace("…", "")
        if side == ">":
            assert server.receive(message)
        else:
            assert client.receive(message)


def test_every_field_of_an_openai_request_has_its_row() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \| .* \| .* \| .*\|$", OPENAI, re.MULTILINE))

    assert rows == {field.encode_name for field in msgspec.structs.fields(openai.Request)}


def test_every_openai_format_and_voice_is_named() -> None:
    for name, mime in openai.CONTENT_TYPES.items():
        assert f"| `{name}` | `{mime}` |" in OPENAI
    for name in openai.BUILTIN_VOICES:
        assert f"`{name}`" in OPENAI


def test_the_curl_examples_are_good_requests() -> None:
    speech = re.findall(r"/v1/speech -d '(.*?)'", PROTOCOL)
    assert [decode_speech(body.encode()).delivery for body in speech] == ["audio", "lines"]

    (body,) = re.findall(r"/v1/audio/speech -d '(.*?)'", OPENAI)
    assert openai.decode_request(body.encode()).text == "Hello there."
