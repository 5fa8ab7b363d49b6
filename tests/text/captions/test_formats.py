"""Other formats are refused by name, and bytes that are no text."""

from __future__ import annotations

import codecs
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.errors import InvalidCaptions
from streamer.text.captions import CueReader, Decoder, Dropped, ParsedCue, decode

CAPTIONS = "WEBVTT\n\n00:01.000 --> 00:02.000\nGrüße, 世界\n"

FOREIGN = {
    "TTML": '<?xml version="1.0"?>\n<!-- a --> \n<tt xmlns="http://www.w3.org/ns/ttml"><head/><body/></tt>',
    "TTML ": '<tt xmlns="http://www.w3.org/2006/10/ttaf1" xml:lang="en">\n<body>\n',
    "YouTube timed text": '<?xml version="1.0" ?><timedtext format="3">\n<body>',
    "SAMI": "<SAMI>\n<HEAD>\n<TITLE>x</TITLE>",
    "HTML": "<!DOCTYPE html>\n<html><body>404</body></html>",
    "XML": "<?xml version='1.0'?>\n<a/>",
    "SCC (CEA-608)": "Scenarist_SCC V1.0\n\n00:00:00:22\t9425 9425 94ad",
    "MCC (CEA-708)": "File Format=MacCaption_MCC V1.0\n\n",
    "ASS": "[Script Info]\nTitle: x\n",
    "MicroDVD": "{0}{25}Hello!\n{26}{50}there\n",
    "MPL2": "[10][20]Hello\n[20][30]there\n",
    "LRC": "[00:12.00]Line one\n[00:17.20]Line two\n",
    "LRC ": "[ar:Somebody]\n[00:12.00]Line one\n",
    "SBV": "0:00:00.599,0:00:04.160\nHello\n\n",
    "TMPlayer": "00:00:01:Hello\n00:00:02:there\n",
    "JSON": '{"events": [\n{}]}',
    "HLS playlist": "#EXTM3U\n#EXTINF:6,\na.vtt\n",
    "RTF": "{\\rtf1 hello}\n",
}


def read(*pieces: str) -> list[ParsedCue | Dropped]:
    reader = CueReader()
    return [cue for piece in pieces for cue in reader.push(piece)] + reader.flush()


def text_of(*pieces: bytes) -> str:
    decoder = Decoder()
    return "".join(map(decoder.push, pieces)) + decoder.flush()


@pytest.mark.parametrize("name", FOREIGN)
def test_another_format_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidCaptions) as refused:
        read(*FOREIGN[name])
    assert refused.value.details["format"] == name.strip()
    assert refused.value.param == "text"


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "hello\nworld\n",
        "WEBVTTX\n\n00:01",
        "x" * 5000,
        " " * 5000,
        "<b>\n" * 20,
        "1\n2\n3\n",
    ],
)
def test_what_is_no_format_at_all_is_refused(text: str) -> None:
    with pytest.raises(InvalidCaptions) as refused:
        read(text)
    assert "format" not in refused.value.details


def test_a_foreign_format_is_refused_before_its_end() -> None:
    reader = CueReader()
    assert reader.push("[Script Info]\n") == []
    with pytest.raises(InvalidCaptions):
        reader.push("Title: x\n")


@pytest.mark.parametrize(
    "head", ["WEBVTT", "WEBVTT\t- x", "WEBVTT FILE\nX-TIMESTAMP-MAP=LOCAL:00:00"]
)
def test_a_header_alone_is_a_file(head: str) -> None:
    assert read(head) == []


@pytest.mark.parametrize(
    "data",
    [
        CAPTIONS.encode(),
        codecs.BOM_UTF8 + CAPTIONS.encode(),
        CAPTIONS.encode("utf-16"),
        codecs.BOM_UTF16_BE + CAPTIONS.encode("utf-16-be"),
        CAPTIONS.encode("utf-32"),
        CAPTIONS.encode("utf-16-le"),
        CAPTIONS.encode("utf-16-be"),
    ],
)
def test_unicode_is_told_by_its_mark_or_its_first_characters(data: bytes) -> None:
    assert decode(data) == CAPTIONS
    assert text_of(*(data[i : i + 1] for i in range(len(data)))) == CAPTIONS


def test_a_character_set_that_is_named() -> None:
    assert decode("1\n£é".encode("cp1252"), "windows-1252") == "1\n£é"
    assert decode("1\n日本".encode("shift_jis"), "Shift_JIS") == "1\n日本"
    assert decode(codecs.BOM_UTF8 + "1\né".encode(), "latin-1") == "1\né"


@pytest.mark.parametrize(
    "charset",
    ["zlib", "hex", "punycode", "idna", "unicode_escape", "utf-7", "x" * 1000, "no\0ne", "é"],
)
def test_what_is_no_character_set_is_refused(charset: str) -> None:
    with pytest.raises(InvalidCaptions) as refused:
        decode(b"abc", charset)
    assert refused.value.param == "encoding"


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (b"1\n\xe9t\xe9", 2),
        (codecs.BOM_UTF8 + b"ab\xff", 5),
        (b"abc\xe2\x82", 3),
        (codecs.BOM_UTF16_LE + b"a\0b", 4),
        (b"\xff\xfe\x00\xd8a\x00", 2),
    ],
)
def test_bytes_that_are_not_of_the_encoding_are_refused_with_their_place(
    data: bytes, offset: int
) -> None:
    for step in (1, 3, len(data)):
        with pytest.raises(InvalidCaptions) as refused:
            text_of(*(data[i : i + step] for i in range(0, len(data), step)))
        assert (refused.value.param, refused.value.details["offset"]) == ("encoding", offset)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200))
def test_bytes_become_text_or_are_refused(data: bytes) -> None:
    for charset in (None, "utf-16", "cp1252", "gb18030"):
        with suppress(InvalidCaptions):
            read(decode(data, charset))
