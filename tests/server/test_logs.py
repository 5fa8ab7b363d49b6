"""Log lines: one per event, in two forms, and never what a client said."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging

import pytest

from streamer.server.logs import CutShort, RequestLog, configure


def test_json_lines_carry_the_request_id_and_the_fields() -> None:
    stream = io.StringIO()
    configure("info", "json", stream)
    log = RequestLog(logging.getLogger("streamer.server"), {"request_id": "r1", "key": None})
    log.info("context ends", extra={"context": "a", "characters": 3})
    log.debug("not shown")
    (line,) = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "streamer.server",
        "event": "context ends",
        "request_id": "r1",
        "context": "a",
        "characters": 3,
    }


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_fault_is_logged_by_type_and_place_not_by_message(form: str) -> None:
    stream = io.StringIO()
    configure("info", form, stream)  # type: ignore[arg-type]
    try:
        raise ValueError("can't say 'my secret text'")
    except ValueError:
        logging.getLogger("streamer.x").exception("fault")
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert "ValueError" in line
    assert "test_logs.py" in line
    assert "secret" not in line


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_asyncio_complains_of_is_not_quoted(form: str) -> None:
    gc.collect()  # what others have left
    stream = io.StringIO()
    configure("info", form, stream)  # type: ignore[arg-type]
    loop = asyncio.new_event_loop()
    lost = loop.create_future()
    lost.set_exception(ValueError("can't say 'my secret text'"))
    del lost
    gc.collect()
    loop.close()
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert "exception was never retrieved" in line
    assert "ValueError" in line
    assert "secret" not in line


@pytest.mark.parametrize("form", ["json", "text"])
def test_context_names_can_not_break_a_line(form: str) -> None:
    stream = io.StringIO()
    configure("info", form, stream)  # type: ignore[arg-type]
    name = 'a"\n{"level":"error"}\r\x1b[2K\u2028\x85'
    logging.getLogger("streamer.x").info("e", extra={"context": name})
    line = stream.getvalue()
    assert line.count("\n") == 1
    if form == "text":  # for the eyes of a terminal
        assert line.rstrip("\n").isprintable()


def test_answers_cut_on_purpose_are_no_faults_of_uvicorn() -> None:
    stream = io.StringIO()
    configure("info", "text", stream)
    uvicorn = logging.getLogger("uvicorn.error")
    try:
        raise CutShort
    except CutShort as cut:
        uvicorn.error("Exception in ASGI application", exc_info=cut)
    assert stream.getvalue() == ""
    uvicorn.error("something else")
    assert "something else" in stream.getvalue()
