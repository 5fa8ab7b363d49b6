"""A disk that is full or read-only and a database that is locked: told by name, nothing lost, no restart."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.robustness.checks import GOOD, speaks
from tests.robustness.jobs import (
    DATABASE,
    END_S,
    TEXTS,
    Jobs,
    Order,
    jobs_of,
    nothing_stray,
)
from tests.robustness.receiver import SECRET, Receiver, receiving
from tests.server_process import ServerProcess, refusal, running_server
from tests.small_disk import SmallDisk, root, small_disk

ORDINARY = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
"""What a command goes behind so that permissions hold for it also where root runs it."""
BEFORE = ORDINARY if os.geteuid() == 0 else ()
DISK = 6 << 20
LONG = "This is spoken while nothing can be stored, and it is stored later on. " * 3


def code_of(answer: httpx.Response) -> str:
    code: str = answer.json()["error"]["code"]
    return code


def no_fault(server: ServerProcess) -> None:
    """The log names what fails, without a traceback; no request was answered with 500."""
    assert "Traceback" not in server.log(), server.log()[-3000:]
    for line in server.log_lines():
        assert line.get("status") != 500, line
        assert "exception" not in line, line


async def submitted(client: Jobs, count: int, name: str) -> list[Order]:
    """Jobs that are accepted: one of some seconds and short ones behind it."""
    body = {"text": LONG, "voice": "heart", "audio": {"codec": "opus"}}
    made = [Order(f"{name}-0", body)]
    short = {"text": "Behind it.", "voice": "tone-low"}
    made += [Order(f"{name}-{n}", short) for n in range(1, count)]
    for order in made:
        await client.submit(order)
    return made


async def all_done(server: ServerProcess, client: Jobs, made: list[Order], *, live: int) -> None:
    """They are completed and charged once each, with `live` utterances, and there is nothing else."""
    for order in made:
        order.job = await client.ended(order.id)
        assert order.job["status"] == "completed", order.job
        sound = await client.ask("GET", f"/v1/jobs/{order.id}/audio")
        assert len(sound.content) == order.job["results"][0]["size"]
    listed = [job["id"] for job in await client.all("/v1/jobs", "jobs")]
    assert sorted(listed) == sorted(order.id for order in made)
    charged = sum(len(order.body["text"]) for order in made) + live * len(GOOD)
    assert await client.characters() == charged
    await nothing_stray(server)
    assert server.process.poll() is None


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", str(DISK)) as disk:
        yield disk


REFUSED = (
    ("/v1/jobs", {"text": "No room.", "voice": "tone-low"}),
    ("/v1/files", {"data": "data:text/plain;base64," + "QUJD" * 9000}),
)


@root
@pytest.mark.asyncio
async def test_full_disk_refuses_by_name_loses_nothing_and_needs_no_restart(
    disk: SmallDisk,
) -> None:
    receiver = Receiver()
    receiver.secrets.add(SECRET)
    async with receiving(receiver):
        flags = ["--job-workers", "1", *receiver.flags()]
        with running_server("tone,hibari", flags, data=disk.path / "data") as server:
            async with jobs_of(server) as client:
                first = Order("first", {"text": TEXTS[0], "voice": "tone-low"})
                first.job = {"id": await _told_in_vain(client, receiver)}
                made = await submitted(client, 5, "before")
                await client.begun(made[0].id)
                disk.fill()
                for method, path, json in (
                    ("DELETE", f"/v1/jobs/{made[4].id}", None),
                    ("GET", "/v1/usage", None),
                    *(("POST", path, json) for path, json in REFUSED),
                ):
                    if method == "GET":  # live speech is charged: there is something to write
                        await speaks(server)
                    answer = await client.ask(method, path, json=json)
                    assert (answer.status_code, code_of(answer)) == (507, "storage_full"), path
                await _told(receiver, first.id)
                await asyncio.sleep(1.5)
                assert len(receiver.told) == 2, "told again, as it could not be recorded"
                for order in made:
                    assert (await client.job(order.id))["status"] in ("queued", "running")
                disk.empty()
                made += [first, *await submitted(client, 2, "after")]
                await all_done(server, client, made, live=1)
            no_fault(server)


@root
@pytest.mark.asyncio
async def test_disk_that_is_full_of_results_has_room_again_when_they_expire(
    disk: SmallDisk,
) -> None:
    text = LONG * 4
    sound = {"codec": "pcm_s16le", "sample_rate": 48000}
    body = {"text": text, "voice": "tone-low", "audio": sound, "ttl_s": 1}
    with running_server("tone", data=disk.path / "data") as server:
        async with jobs_of(server) as client:
            made = [Order(f"order-{n}", body) for n in range(2)]
            for order in made:
                await client.submit(order)
            ends = [await client.ended(order.id) for order in made]
            assert {job["status"] for job in ends} == {"completed"}
            sizes = [job["results"][0]["size"] for job in ends]
            assert sizes[0] < DISK < 2 * sizes[0], "not two of them fit"
            assert await client.characters() == len(text) * len(made)
        no_fault(server)


@pytest.mark.asyncio
async def test_files_that_can_not_be_written_wait_until_they_can(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_server("tone,hibari", data=data, before=BEFORE) as server:
        async with jobs_of(server) as client:
            first = Order("first", {"text": "This goes well.", "voice": "tone-low"})
            await client.submit(first)
            await client.ended(first.id)
            (data / "files").chmod(0o500)
            made = [first, *await submitted(client, 4, "read-only")]
            path, json = REFUSED[1]
            answer = await client.ask("POST", path, json=json)
            assert (answer.status_code, code_of(answer)) == (503, "storage_unavailable")
            await speaks(server)
            sound = await client.ask("GET", f"/v1/jobs/{first.id}/audio")
            assert sound.status_code == 200
            await asyncio.sleep(1)
            for order in made[1:]:
                assert (await client.job(order.id))["status"] in ("queued", "running")
            (data / "files").chmod(0o700)
            await all_done(server, client, made, live=1)
        no_fault(server)


def test_data_directory_that_can_not_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    data.chmod(0o500)
    line = refusal(data, before=BEFORE)
    assert line.startswith("streamer: ")
    assert str(data) in line


def test_data_that_can_not_be_written_any_more_is_refused_in_one_line(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_server("tone", data=data, before=BEFORE):
        pass
    data.chmod(0o500)
    for file in data.iterdir():
        if file.is_file():
            file.chmod(0o400)
    assert refusal(data, before=BEFORE).startswith("streamer: ")


@root
def test_disk_that_is_read_only_is_refused_in_one_line(disk: SmallDisk) -> None:
    data = disk.path / "data"
    with running_server("tone", data=data):
        pass
    disk.remount("ro")
    assert refusal(data).startswith("streamer: ")
    disk.remount("rw")
    with running_server("tone", data=data):
        pass


@root
def test_disk_that_is_full_at_the_start_is_refused_in_one_line(disk: SmallDisk) -> None:
    data = disk.path / "data"
    disk.fill()
    assert refusal(data) == "streamer: the disk is full"
    disk.empty()
    with running_server("tone", data=data):
        pass


@root
@pytest.mark.asyncio
async def test_disk_that_has_filled_up_since_a_crash_loses_nothing(disk: SmallDisk) -> None:
    data = disk.path / "data"
    with running_server("tone,hibari", data=data) as server:
        async with jobs_of(server) as client:
            made = await submitted(client, 3, "before")
            await client.begun(made[0].id)
            server.kill()
            disk.fill()
            # Whether it can start depends on what the crash has left: with room in the log it can.
            with contextlib.suppress(RuntimeError):
                await asyncio.to_thread(server.restart)
            started = server.process.poll() is None
            if started:
                await speaks(server)
            else:
                assert server.log().endswith("\nstreamer: the disk is full\n")
            disk.empty()
            if not started:
                await asyncio.to_thread(server.restart)
            await all_done(server, client, made, live=int(started))
        no_fault(server)


@pytest.mark.asyncio
async def test_database_locked_by_another_process_for_5_s_loses_nothing() -> None:
    with running_server("tone,hibari") as server:
        async with jobs_of(server) as client:
            made = await submitted(client, 4, "before")
            await client.begun(made[0].id)
            late = [Order(f"late-{n}", made[1].body) for n in range(4)]
            with closing(sqlite3.connect(server.data / DATABASE, isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                waiting = [asyncio.create_task(_until_stored(client, order)) for order in late]
                held = asyncio.create_task(asyncio.sleep(5))
                await speaks(server)
                assert len(await client.all("/v1/jobs", "jobs")) == len(made)
                assert (await client.job(made[3].id))["id"] == made[3].id
                assert not held.done(), "live speech waited for the lock"
                await held
                other.execute("ROLLBACK")
            await asyncio.gather(*waiting)
            await all_done(server, client, made + late, live=1)
        no_fault(server)


async def _until_stored(client: Jobs, order: Order) -> None:
    """As a client does that is told to come again."""
    while True:
        headers = {"idempotency-key": order.key}
        answer = await client.ask("POST", "/v1/jobs", json=order.body, headers=headers)
        if answer.status_code != 503:
            break
        assert code_of(answer) == "storage_unavailable"
        await asyncio.sleep(float(answer.headers["retry-after"]))
    assert answer.status_code in (200, 202), answer.text
    order.job = answer.json()


CLOCK = (
    "-c",
    """
import sys, time
real, path = time.time, sys.argv.pop(1)
def jumping():
    with open(path) as file:
        return real() + float(file.read())
time.time = jumping
from streamer.cli import main
main()
""",
)
"""The program with a clock of day that is off by the seconds in a file."""


@pytest.mark.asyncio
async def test_clock_that_jumps_an_hour_loses_nothing_and_stalls_nothing(tmp_path: Path) -> None:
    await asyncio.gather(*(_clock_jumps(tmp_path, by) for by in (3600, -3600)))


async def _clock_jumps(place: Path, by: int) -> None:
    """While it runs nothing is to be seen of it; at the next start what waits is not stalled."""
    clock = place / f"clock{by}"
    clock.write_text("0")
    receiver = Receiver(any_time=True)
    receiver.secrets.add(SECRET)
    async with receiving(receiver):
        program = (*CLOCK, str(clock))
        with running_server("tone,hibari", receiver.flags(), program=program) as server:
            async with jobs_of(server) as client:
                kept = (await client.ended((await client.new(ttl_s=900))["id"]))["results"][0]
                first = await _told_in_vain(client, receiver)
                pending = await submitted(client, 3, "pending")
                clock.write_text(str(by))
                brief = (await client.ended((await client.new(ttl_s=1))["id"]))["results"][0]
                await _told(receiver, first)
                for order in pending:
                    assert (await client.ended(order.id))["status"] == "completed"
                assert (await client.ask("GET", _content(kept))).status_code == 200
                async with asyncio.timeout(END_S):
                    while (await client.ask("GET", _content(brief))).status_code != 410:
                        await asyncio.sleep(0.05)
                await speaks(server)

                second = await _told_in_vain(client, receiver)
                pending = await submitted(client, 3, "again")
                server.kill()
                await asyncio.to_thread(server.restart)
                for order in pending:
                    assert (await client.ended(order.id))["status"] == "completed"
                await _told(receiver, second)
                status = (await client.ask("GET", _content(kept))).status_code
                assert status == (410 if by > 900 else 200)
                await speaks(server)
            no_fault(server)
    assert not receiver.bad


def _content(result: dict[str, Any]) -> str:
    return f"/v1/files/{result['file']}/content"


async def _told_in_vain(client: Jobs, receiver: Receiver) -> str:
    """A job that is done, whose webhook waits for its second attempt."""
    receiver.answer = 500
    hook = {"url": receiver.url, "secret": SECRET}
    job: str = (await client.new(webhook=hook))["id"]
    async with asyncio.timeout(END_S):
        while True:
            found = (await client.get(f"/v1/webhooks/deliveries?job={job}"))["deliveries"]
            if found and found[0]["attempts"] == 1:
                break
            await asyncio.sleep(0.02)
    receiver.answer = 204
    return job


async def _told(receiver: Receiver, job: str) -> None:
    async with asyncio.timeout(END_S):
        while job not in receiver.kept():
            await asyncio.sleep(0.02)
    assert len(receiver.ids()[job]) == 1
