"""What a revoked key has stored is deleted: whoever revoked it, whenever, and whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from pathlib import Path

import httpx
import pytest

from streamer.blobs import DirectoryBlobs
from streamer.errors import StorageUnavailable
from streamer.server.auth import Key, KeyStore
from tests.parrot import Parrot
from tests.server.revoked import TABLES, blobs, kept, look, opened, stock
from tests.server.running import Running, eventually, hear_until, say
from tests.server.voices import VOICES, cloned, pitch_of, recording, voiced

pytestmark = pytest.mark.asyncio
ROOT = Path(__file__).parents[2]
OFTEN_S = 0.02
JSON = {"codec": "pcm_s16le", "transport": "json"}


def key_of(directory: Path, name: str) -> Key:
    return next(key for key in KeyStore(directory).list() if key.name == name)


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def parrot_of(server: Running) -> Parrot:
    engine = server.service.catalogue.engines["parrot"]
    assert isinstance(engine, Parrot)
    return engine


async def completed(http: httpx.AsyncClient, **asked: str) -> None:
    """Once a job of this has ended well."""
    job = (await http.post("/v1/jobs", json=asked)).json()
    async with asyncio.timeout(15):
        while job["status"] in ("queued", "running"):
            await asyncio.sleep(0.01)
            job = (await http.get(f"/v1/jobs/{job['id']}")).json()
    assert job["status"] == "completed", job


async def test_all_that_a_revoked_key_has_stored_is_deleted_and_nothing_of_another(
    tmp_path: Path,
) -> None:
    keys = KeyStore(tmp_path)
    mine, theirs = keys.new("mine"), keys.new("theirs")
    async with voiced(tmp_path, keys_recheck_s=OFTEN_S) as server:
        links = {}
        for secret in (mine, theirs):
            async with server.http(headers=bearer(secret)) as http:
                voice = await cloned(http, name="Ann")
                upload = await http.post("/v1/files", content=recording())
                await completed(http, text="Say it.", voice="Ann")
                hook = await http.post("/v1/webhooks", json={"url": "https://example.org/"})
                assert (upload.status_code, hook.status_code) == (201, 201)
                links[secret] = upload.json()["url"], voice["id"]
        before = {name: kept(tmp_path, key_of(tmp_path, name).id) for name in ("mine", "theirs")}
        assert before["mine"] == before["theirs"]
        assert before["mine"]["voices"] == before["mine"]["jobs"] == 1
        keys.revoke("mine")
        await eventually(lambda: not kept(tmp_path, key_of(tmp_path, "mine").id))
        await eventually(lambda: blobs(tmp_path) == (2, 2))
        assert kept(tmp_path, key_of(tmp_path, "theirs").id) == before["theirs"]
        async with server.http() as http:
            assert (await http.get(links[mine][0])).status_code == 410
            assert (await http.get(links[theirs][0])).status_code == 200
            told = await http.get(f"{VOICES}/{links[theirs][1]}", headers=bearer(theirs))
            assert told.status_code == 200


async def test_a_key_that_was_revoked_while_no_server_ran_is_forgotten_before_the_next_speaks(
    tmp_path: Path,
) -> None:
    keys = KeyStore(tmp_path)
    keys.new("mine")
    mine = key_of(tmp_path, "mine").id
    async with opened(tmp_path) as resources:
        await stock(resources, mine)
    assert set(kept(tmp_path, mine)) == {"voices", *TABLES}
    keys.revoke(mine)
    async with voiced(tmp_path, keys_recheck_s=1000.0) as server:
        assert not kept(tmp_path, mine)
        assert blobs(tmp_path) == (0, 0)
        counts = server.service.resources.jobs.counts
        assert (counts.queued, counts.running, counts.finished["completed"]) == (0, 0, 0)


async def test_killed_anywhere_while_it_deletes_the_next_start_deletes_the_rest(
    tmp_path: Path,
) -> None:
    seed = tmp_path / "seed"
    keys = KeyStore(seed)
    keys.new("mine"), keys.new("theirs")
    mine, theirs = (key_of(seed, name).id for name in ("mine", "theirs"))
    async with opened(seed) as resources:
        for key in (mine, theirs):
            await stock(resources, key)
    before = kept(seed, theirs)
    assert kept(seed, mine) == before
    keys.revoke(mine)
    copies = [tmp_path / str(number) for number in range(14)]
    for copy in copies:
        shutil.copytree(seed, copy)
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.server.revoked", *map(str, copies)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await asyncio.wait_for(child.communicate(), 60)
    ends = [int(line) for line in told.split()]
    steps = ends.index(0)
    assert steps > 8, "there is more to do than that"
    assert ends == [-signal.SIGKILL] * steps + [0] * (len(copies) - steps)
    assert kept(copies[0], mine) == before
    for number, copy in enumerate(copies[: steps + 1]):
        async with opened(copy) as resources:
            await look(copy, resources)
            assert not kept(copy, mine), number
            assert kept(copy, theirs) == before, number
            assert blobs(copy) == (4, 2), number
            assert [voice.name for voice in resources.voices.list(theirs)] == ["Ann"]
            assert not resources.voices.list(mine)


async def test_a_voice_that_speaks_at_that_moment_is_deleted_and_its_socket_closed(
    tmp_path: Path,
) -> None:
    secret = KeyStore(tmp_path).new("mine")
    mine = key_of(tmp_path, "mine").id
    async with (
        voiced(tmp_path, keys_recheck_s=OFTEN_S) as server,
        server.http(headers=bearer(secret)) as http,
    ):
        await cloned(http, 440, name="Ann")
        parrot = parrot_of(server)
        parrot.mouth.clear()
        body = {"text": "One two three.", "voice": "Ann", "audio": {"codec": "pcm_s16le"}}
        answer = asyncio.create_task(http.post("/v1/speech", json=body))
        async with server.socket(key=secret) as socket:
            await say(socket, type="start", context="a", voice="Ann", audio=JSON)
            await say(socket, type="text", context="a", text="One two three.")
            await say(socket, type="end", context="a")
            await eventually(lambda: len(parrot.spoken) == 2)
            server.keys.revoke("mine")
            told = await hear_until(socket, "error")
            assert told[-1]["code"] == "key_revoked"
        await eventually(lambda: blobs(tmp_path)[0] == 0)
        assert not server.service.resources.voices.list(mine)
        parrot.mouth.set()
        begun = await answer  # what was being said is said to its end
        assert begun.status_code == 200
        assert abs(pitch_of(begun.content) - 440) < 3
        refused = await http.post("/v1/speech", json=body)
        assert refused.json()["error"]["code"] == "key_revoked"


async def test_a_voice_that_is_being_made_at_that_moment_goes_too(tmp_path: Path) -> None:
    secret = KeyStore(tmp_path).new("mine")
    async with voiced(tmp_path, keys_recheck_s=OFTEN_S) as server:
        async with server.http(headers=bearer(secret)) as http:
            parrot = parrot_of(server)
            parrot.gate.clear()
            made = asyncio.create_task(cloned(http, name="Ann"))
            await eventually(lambda: parrot.making)
            server.keys.revoke("mine")
            parrot.gate.set()
            assert (await made)["name"] == "Ann"  # it was asked for in time
        await eventually(lambda: blobs(tmp_path)[0] == 0)


async def test_a_job_that_is_spoken_at_that_moment_ends_and_leaves_nothing(tmp_path: Path) -> None:
    keys = KeyStore(tmp_path)
    secret, other = keys.new("mine"), keys.new("theirs")
    mine = key_of(tmp_path, "mine").id
    async with voiced(tmp_path, keys_recheck_s=OFTEN_S, job_workers=1) as server:
        parrot, jobs = parrot_of(server), server.service.resources.jobs
        parrot.mouth.clear()
        async with server.http(headers=bearer(secret)) as http:
            await cloned(http, name="Ann")
            for _ in range(3):
                body = {"text": "One two three.", "voice": "Ann"}
                assert (await http.post("/v1/jobs", json=body)).status_code == 202
        await eventually(lambda: parrot.spoken)
        server.keys.revoke("mine")
        await eventually(lambda: not kept(tmp_path, mine) and jobs.counts.running == 0)
        assert jobs.reserved(mine) == 0
        assert jobs.counts.finished["cancelled"] == 3
        await eventually(lambda: blobs(tmp_path) == (0, 0))
        parrot.mouth.set()
        async with server.http(headers=bearer(other)) as http:  # its worker is free
            await completed(http, text="One.", voice="polly")
        assert len(parrot.spoken) == 2


async def test_what_a_disk_does_not_delete_is_deleted_by_a_later_look_and_the_rest_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = KeyStore(tmp_path)
    keys.new("mine")
    mine = key_of(tmp_path, "mine").id
    delete = DirectoryBlobs.delete
    async with opened(tmp_path) as resources:
        await stock(resources, mine)
        keys.revoke(mine)
        stuck = resources.voices.list(mine)[0].id

        async def fails(self: DirectoryBlobs, *names: str) -> None:
            if any(name.startswith(stuck) for name in names):
                raise StorageUnavailable("no")
            await delete(self, *names)

        monkeypatch.setattr(DirectoryBlobs, "delete", fails)
        await look(tmp_path, resources)
        assert kept(tmp_path, mine) == {"voices": 1}
        assert [voice.id for voice in resources.voices.list(mine)] == [stuck]
        monkeypatch.undo()
        await look(tmp_path, resources)
        assert not kept(tmp_path, mine)
        assert blobs(tmp_path) == (0, 0)


async def test_keys_that_cannot_be_read_delete_nothing(tmp_path: Path) -> None:
    keys = KeyStore(tmp_path)
    keys.new("mine")
    mine = key_of(tmp_path, "mine").id
    async with opened(tmp_path) as resources:
        await stock(resources, mine)
        before = kept(tmp_path, mine)
        (tmp_path / "keys.json").write_text("[")
        await look(tmp_path, resources)
        (tmp_path / "keys.json").unlink()  # nor those that are not there: they were never revoked
        await look(tmp_path, resources)
        assert kept(tmp_path, mine) == before
