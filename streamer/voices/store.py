"""The voices that keys have made, by key, id and name; what they are made of is read when they speak."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from streamer.blobs import DirectoryBlobs
from streamer.config import Settings
from streamer.errors import ContextConflict, JobLimit, NotFound, StreamerError, VoiceLimit
from streamer.resources import OwnVoice
from streamer.tasks import settled
from streamer.types import Voice, VoiceData
from streamer.voices.catalogue import OwnVoices
from streamer.voices.files import VoiceFiles, damaged
from streamer.voices.records import Record

log = logging.getLogger(__name__)

LOADED_BYTES = 64 << 20
"""Of voices that have spoken last, kept in memory; one takes 10 to 50 kB."""
SWEEP_S = 60.0

InUse = Callable[[], Awaitable[set[str]]]
"""The voices that unfinished jobs name."""


@dataclass(slots=True)
class _Key:
    """One key's, oldest first. `coming`: places and names of those that are being made."""

    records: dict[str, Record] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    """Ids by idempotency key."""
    coming: Counter[bool] = field(default_factory=Counter)
    names_coming: set[str] = field(default_factory=set)

    def count(self, passing: bool) -> int:
        kept = sum(record.voice.passing == passing for record in self.records.values())
        return kept + self.coming[passing]


class VoiceStore:
    """The voices of all keys. `start` before anything is served, in the one process of a data directory.

    `clock` is of Unix time that does not jump.
    """

    def __init__(
        self, blobs: DirectoryBlobs, settings: Settings, clock: Callable[[], float]
    ) -> None:
        self._files = VoiceFiles(blobs)
        self._settings = settings
        self._clock = clock
        self._keys: dict[str, _Key] = {}
        self._loaded: OrderedDict[str, VoiceData] = OrderedDict()
        self._loaded_bytes = 0
        self._used: dict[str, float] = {}
        """When a passing voice was last asked for."""

    async def start(self) -> None:
        """Read what is told of all voices; delete what a crash left half. Raises `StorageUnavailable` or
        `StorageFull`."""
        for record in await self._files.start():
            self._hold(record)

    async def run(self, in_use: InUse) -> None:
        """Let passing voices go, until cancelled."""
        while True:
            await asyncio.sleep(min(SWEEP_S, self._settings.file_ttl_s))
            try:
                await self.sweep(in_use)
            except StreamerError as error:
                log.warning("voices not swept", extra={"error": error.code})

    async def sweep(self, in_use: InUse) -> None:
        """Delete passing voices that nobody has asked for in `file_ttl_s`, and no unfinished job will."""
        before = self._clock() - self._settings.file_ttl_s
        due = [record for record in self._passing() if self._last_used(record) < before]
        if not due:
            return
        needed = await in_use()
        for record in due:
            if record.voice.id not in needed and self._last_used(record) < before:
                await self._remove(record)

    def of(self, key: str) -> OwnVoices:
        """The key's, as a catalogue sees them."""
        return _Own(self, key)

    def list(self, key: str) -> Sequence[OwnVoice]:
        """Those of a key that are listed, newest first."""
        kept = reversed(self._of(key).records.values())
        return [record.voice for record in kept if not record.voice.passing]

    def find(self, key: str, name: str) -> OwnVoice | None:
        """By id or by name. Raises `VoiceDamaged`."""
        record = self._find(key, name)
        return None if record is None else record.voice

    def get(self, key: str, name: str) -> OwnVoice:
        """By id or by name. Raises `NotFound` (another key's too), `VoiceDamaged`."""
        voice = self.find(key, name)
        if voice is None:
            raise NotFound("no such voice of this key", param="id")
        return voice

    def known(self, key: str, idempotency_key: str) -> tuple[OwnVoice, str] | None:
        """The voice that was made for a request with this key, and that request's fingerprint."""
        of_key = self._of(key)
        record = of_key.records.get(of_key.asked.get(idempotency_key, ""))
        if record is None:
            return None
        self._touch(record)
        return record.voice, record.fingerprint

    @contextmanager
    def place(self, key: str, name: str = "", *, passing: bool = False) -> Iterator[None]:
        """Hold a place, and the name, for a voice that is being made. Raises `VoiceLimit`, `JobLimit` of
        passing ones, `ContextConflict` where the name is taken."""
        of_key, limit = self._keys.setdefault(key, _Key()), self._settings.key_voices
        if name and (name in of_key.names or name in of_key.names_coming):
            raise ContextConflict(f"there is a voice {name[:64]!r} already", param="name")
        if of_key.count(passing) >= limit:
            if passing:
                raise JobLimit(
                    f"unfinished tasks need {limit} voices of their own",
                    limit=limit,
                    retry_after_s=5,
                )
            raise VoiceLimit(f"a key has {limit} voices at most: delete one", limit=limit)
        of_key.coming[passing] += 1
        of_key.names_coming.add(name)
        try:
            yield
        finally:
            of_key.coming[passing] -= 1
            of_key.names_coming.discard(name)

    async def keep(
        self, voice: OwnVoice, data: VoiceData, idempotency_key: str = "", fingerprint: str = ""
    ) -> None:
        """Store it, in the `place` that is held. What fails or is cancelled leaves nothing.

        Raises `StorageFull`, `StorageUnavailable`, `NotAvailable`, `ValueError` for what is no voice.
        """
        self._hold(await self._files.write(voice, data, idempotency_key, fingerprint))

    async def delete(self, key: str, name: str) -> None:
        """Nobody finds it from now on; who speaks with it goes on. Raises as `get`, and `StorageFull` or
        `StorageUnavailable`: then it is still there."""
        record = self._find(key, name)
        if record is None:
            raise NotFound("no such voice of this key", param="id")
        await self._remove(record)

    async def keeps(self, keys: Iterable[str]) -> set[str]:
        """Those of these keys that have voices."""
        return {key for key in keys if self._of(key).records}

    async def forget_key(self, key: str) -> None:
        """Delete all voices of a key, as `delete` does. Raises as that, once it has tried all of them."""
        failed: StreamerError | None = None
        for record in list(self._of(key).records.values()):
            try:
                await self._remove(record)
            except StreamerError as error:
                failed = error
        if failed is not None:
            raise failed

    async def make_room(self, key: str, in_use: InUse) -> None:
        """Let the passing voice go that was asked for longest ago, where the key has as many as it may and
        no unfinished job needs it."""
        of_key = self._of(key)
        if of_key.count(True) < self._settings.key_voices:
            return
        needed = await in_use()
        some = [record for record in of_key.records.values() if record.voice.passing]
        for record in sorted(some, key=self._last_used):
            if record.voice.id not in needed:
                await self._remove(record)
                return

    def data(self, id: str, key: str) -> VoiceData:
        """What the voice is made of, read when it is first asked for. Raises `VoiceDamaged`, also where it
        has been deleted, or `StorageUnavailable`."""
        record = self._of(key).records.get(id)
        if record is None:
            raise damaged(id)
        self._touch(record)
        data = self._loaded.get(id)
        if data is None:
            data = self._files.read(record)
            self._load(id, data)
        self._loaded.move_to_end(id)
        return data

    async def ready(self, key: str, name: str) -> None:
        """Read what the voice of that id or name is made of, off the loop, so that `data` need not. Raises
        nothing: what is wrong with it, `data` says."""
        with suppress(StreamerError):
            record = self._find(key, name)
            if record is not None and record.voice.id not in self._loaded:
                data = await asyncio.to_thread(self._files.read, record)
                if self._is_held(record):
                    self._load(record.voice.id, data)

    def _load(self, id: str, data: VoiceData) -> None:
        self._unload(id)
        self._loaded[id] = data
        self._loaded_bytes += _size(data)
        while self._loaded_bytes > LOADED_BYTES and len(self._loaded) > 1:
            self._unload(next(iter(self._loaded)))

    def _is_held(self, record: Record) -> bool:
        return self._of(record.voice.key).records.get(record.voice.id) is record

    async def _remove(self, record: Record) -> None:
        if not self._is_held(record):
            return
        self._drop(record)
        try:
            await settled(asyncio.ensure_future(self._files.erase(record.voice.id)))
        except StreamerError:
            self._hold(record)
            raise

    def _of(self, key: str) -> _Key:
        return self._keys.get(key) or _Key()

    def _find(self, key: str, name: str) -> Record | None:
        of_key = self._of(key)
        record = of_key.records.get(name) or of_key.records.get(of_key.names.get(name, ""))
        if record is None and name in self._files.damaged:
            raise damaged(name)
        return record

    def _hold(self, record: Record) -> None:
        voice = record.voice
        of_key = self._keys.setdefault(voice.key, _Key())
        of_key.records[voice.id] = record
        if voice.name:
            of_key.names[voice.name] = voice.id
        if record.idempotency_key:
            of_key.asked[record.idempotency_key] = voice.id

    def _drop(self, record: Record) -> None:
        voice, of_key = record.voice, self._keys[record.voice.key]
        del of_key.records[voice.id]
        of_key.names.pop(voice.name, None)
        of_key.asked.pop(record.idempotency_key, None)
        self._used.pop(voice.id, None)
        self._unload(voice.id)

    def _unload(self, id: str) -> None:
        if (data := self._loaded.pop(id, None)) is not None:
            self._loaded_bytes -= _size(data)

    def _passing(self) -> Sequence[Record]:
        kept = (record for key in self._keys.values() for record in key.records.values())
        return [record for record in kept if record.voice.passing]

    def _touch(self, record: Record) -> None:
        if record.voice.passing:
            self._used[record.voice.id] = self._clock()

    def _last_used(self, record: Record) -> float:
        return self._used.get(record.voice.id, record.voice.created)


class _Own:
    """See `OwnVoices`."""

    def __init__(self, store: VoiceStore, key: str) -> None:
        self._store = store
        self._key = key

    def all(self) -> Sequence[Voice]:
        return [_shown(voice) for voice in self._store.list(self._key)]

    def find(self, name: str) -> Voice | None:
        voice = self._store.find(self._key, name)
        return None if voice is None else _shown(voice)

    def loaded(self, voice: Voice) -> Voice:
        return replace(voice, data=self._store.data(voice.id, self._key))


def _shown(voice: OwnVoice) -> Voice:
    return Voice(voice.id, voice.engine, voice.name, voice.languages, description=voice.description)


def _size(data: VoiceData) -> int:
    return sum(array.nbytes for array in data.values())
