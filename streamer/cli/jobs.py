"""`streamer jobs`: give a running server texts to speak, and take the files when they are done."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.markup import escape

from streamer.cli import source, webhooks
from streamer.cli.server import AsJson, Limit, Server, asked, takes_server
from streamer.cli.sink import FORMATS, format_of, open_sink
from streamer.cli.table import print_fields, print_json, print_table
from streamer.cli.track import caption_format
from streamer.cli.waiting import finished
from streamer.client.remote import Remote, part
from streamer.errors import InvalidParameter
from streamer.protocols.native import jobs as native
from streamer.protocols.native.jobs import JobAnswer
from streamer.resources import JobRequest, WebhookTarget
from streamer.types import OptionsUpdate, Start

app = typer.Typer(
    help="Jobs of a running server: texts spoken into files, also while nobody waits.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="Its id.", show_default=False)]


@app.command("new")
@takes_server()
def new(
    server: Server,
    text: Annotated[
        str | None, typer.Argument(help="What to say; - is standard input.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="File to read; - is standard input.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Wait, then write this file; - is standard output. Of several: FILE-1, FILE-2.",
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended.")] = False,
    format: Annotated[
        str | None,
        typer.Option(metavar="|".join(FORMATS), help="Format, if the file's name doesn't say it."),
    ] = None,
    voice: Annotated[str | None, typer.Option(help="Voice of the server.")] = None,
    model: Annotated[str | None, typer.Option(help="Engine, or engine/model.")] = None,
    language: Annotated[str | None, typer.Option(help="BCP 47 tag, or auto.")] = None,
    instructions: Annotated[
        str | None, typer.Option(help="How to speak, where a voice can.")
    ] = None,
    speed: Annotated[float | None, typer.Option(help="0.25 to 4.")] = None,
    pitch: Annotated[float | None, typer.Option(help="0.5 to 2.")] = None,
    volume: Annotated[float | None, typer.Option(help="0 to 2.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same sound.")] = None,
    sample_rate: Annotated[int | None, typer.Option(help="In Hz.")] = None,
    bit_rate: Annotated[int | None, typer.Option(help="In bit/s.")] = None,
    results: Annotated[int, typer.Option(min=1, help="How many, each a little different.")] = 1,
    webhook: Annotated[
        str | None, typer.Option(metavar="URL", help="Where to tell that it has ended.")
    ] = None,
    ttl: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long its files are kept.")
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="The same request again is the same job.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Submit a text and print the job's id. With -o or --wait it is also waited for."""
    if output == "-" and results > 1:
        raise InvalidParameter("standard output takes one result", param="output")
    if output is not None and not Path(output).parent.is_dir():  # known before the job is made
        raise InvalidParameter(f"{output}: no such directory", param="output")
    named = output is not None or format is not None
    audio = format_of(output or "", format) if named else FORMATS["opus"]
    audio = replace(audio, sample_rate=sample_rate or audio.sample_rate, bit_rate=bit_rate)
    options = OptionsUpdate(voice, model, language, instructions, speed, pitch, volume, seed)
    target = None if webhook is None else WebhookTarget(webhook)

    async def submitted(remote: Remote) -> JobAnswer:
        spoken = await _read(source.of(text, file))
        request = JobRequest(Start("job", options, audio), spoken, results, target, ttl)
        job = await remote.ask(
            native.decode_job_state,
            "POST",
            "/v1/jobs",
            body=native.encode_job(request),
            headers={} if idempotency_key is None else {"idempotency-key": idempotency_key},
        )
        if output is None and not wait:
            return job
        job = await finished(remote, job)
        if output is not None:
            for index in range(len(job.results)):
                named = _named(output, index, len(job.results))
                await _save(remote, job.id, "audio", {"result": index}, named)
        return job

    job = asked(server, submitted)
    if as_json and output != "-":
        print_json(job)
    elif output != "-":
        print(job.id)


@app.command("list")
@takes_server()
def list_jobs(
    server: Server,
    status: Annotated[
        str | None,
        typer.Option(metavar="queued|running|completed|failed|cancelled", help="Only these."),
    ] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """List the key's jobs, newest first."""
    filters = {"status": status}
    jobs = asked(server, lambda remote: remote.rows(native.decode_jobs, "/v1/jobs", limit, filters))
    if as_json:
        print_json(jobs)
        return
    headers = ("job", "status", "done", "voice", "characters", "results", "created")
    print_table(headers, [tuple(map(escape, _job_cells(job))) for job in jobs])


@app.command("show")
@takes_server()
def show(server: Server, job: JobId, as_json: AsJson = False) -> None:
    """Everything the server tells of a job."""
    found = asked(
        server,
        lambda remote: remote.ask(native.decode_job_state, "GET", f"/v1/jobs/{part(job)}"),
    )
    if as_json:
        print_json(found)
        return
    print_fields(msgspec.to_builtins(found))


@app.command("cancel")
@takes_server()
def cancel(server: Server, job: JobId) -> None:
    """Cancel a job; the files of one that has ended are deleted."""
    left = asked(
        server,
        lambda remote: remote.ask(native.decode_job_state, "DELETE", f"/v1/jobs/{part(job)}"),
    )
    print(f"{left.id} {left.status}")


@app.command("audio")
@takes_server()
def audio(
    server: Server,
    job: JobId,
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE", help="File to write; - is standard output."),
    ],
    result: Annotated[int, typer.Option(min=0, help="Which one; the first is 0.")] = 0,
) -> None:
    """Write the sound of a completed job, in the format that the job was given."""
    asked(server, lambda remote: _save(remote, job, "audio", {"result": result}, output))


@app.command("captions")
@takes_server()
def captions(
    server: Server,
    job: JobId,
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE", help="File to write: .vtt or .srt."),
    ],
    result: Annotated[int, typer.Option(min=0, help="Which one; the first is 0.")] = 0,
) -> None:
    """Write captions of what a completed job has spoken."""
    params = {"format": caption_format(output), "result": result}
    asked(server, lambda remote: _save(remote, job, "captions", params, output))


app.command("webhooks")(webhooks.webhooks)
app.command("replay")(webhooks.replay)


async def _read(pieces: AsyncGenerator[str, None]) -> str:
    async with aclosing(pieces):
        return "".join([piece async for piece in pieces])


def _named(output: str, index: int, count: int) -> str:
    """`out.mp3`; of several results `out-1.mp3`, `out-2.mp3`."""
    path = Path(output)
    return output if count == 1 else str(path.with_stem(f"{path.stem}-{index + 1}"))


async def _save(
    remote: Remote, job: str, what: str, params: Mapping[str, str | int], output: str
) -> None:
    pieces = remote.download(f"/v1/jobs/{part(job)}/{what}", params)
    async with aclosing(pieces), open_sink(output) as sink:
        async for piece in pieces:
            await sink.write(piece)


def _job_cells(job: JobAnswer) -> tuple[str, ...]:
    return (
        job.id,
        job.status,
        f"{job.progress:.0%}",
        job.voice,
        str(job.text_characters),
        str(len(job.results)),
        job.created_at,
    )
