"""The files of voices: two each in one directory, both there or no voice.

What a voice is made of is written first, what is told of it last: without that there is no voice, and the
next start takes away the rest. Deleting goes the other way.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import Sequence

from streamer.blobs import DirectoryBlobs
from streamer.database import reason, storage_error
from streamer.errors import StreamerError, VoiceDamaged
from streamer.resources import OwnVoice
from streamer.tasks import settled
from streamer.types import VoiceData
from streamer.voices import records
from streamer.voices.records import Record, Unreadable

log = logging.getLogger(__name__)

ID = re.compile(r"voice_[0-9a-f]{24}")
_ARRAYS, _TOLD = ".safetensors", ".json"


def new_id() -> str:
    """A voice's id, which nobody guesses."""
    return "voice_" + secrets.token_hex(12)


class VoiceFiles:
    """`damaged` are ids of which what is told can't be read: whose they are is not known."""

    def __init__(self, blobs: DirectoryBlobs) -> None:
        self.damaged: set[str] = set()
        self._blobs = blobs

    async def start(self) -> Sequence[Record]:
        """All that is told, oldest first; deletes what a crash left half. Raises `StorageUnavailable` or
        `StorageFull`."""
        names = await self._blobs.names()
        ids = [n.removesuffix(_TOLD) for n in names if n.endswith(_TOLD) and not n.startswith(".")]
        found = await asyncio.to_thread(self._read_told, [id for id in ids if ID.fullmatch(id)])
        stray = names - {id + ending for id in ids for ending in (_ARRAYS, _TOLD)}
        if stray:
            log.info("voices of a crash", extra={"files": len(stray)})
            await self._blobs.delete(*stray)
        return sorted(found, key=lambda record: record.voice.created)

    async def write(
        self, voice: OwnVoice, data: VoiceData, idempotency_key: str, fingerprint: str
    ) -> Record:
        """Both. What fails or is cancelled leaves nothing. Raises `StorageFull`, `StorageUnavailable`,
        `NotAvailable`, `ValueError` for what is no voice."""
        arrays = await asyncio.to_thread(records.encode_data, data)
        record = Record(
            voice=voice,
            size=len(arrays),
            sha256=records.digest(arrays),
            idempotency_key=idempotency_key,
            fingerprint=fingerprint,
        )
        try:
            await self._put(voice.id + _ARRAYS, arrays)
            await self._put(voice.id + _TOLD, records.encode_record(record))
        except BaseException:
            await settled(asyncio.ensure_future(self._undo(voice.id)))
            raise
        return record

    def read(self, record: Record) -> VoiceData:
        """What it is made of. Raises `VoiceDamaged`, `StorageUnavailable`."""
        id = record.voice.id
        try:
            return records.decode_data(self._blobs.locate(id + _ARRAYS).read_bytes(), record)
        except (FileNotFoundError, Unreadable):
            log.error("voice damaged", extra={"voice": id})
            raise damaged(id) from None
        except OSError as error:
            log.error("voice not read", extra={"voice": id, "error": reason(error)})
            raise storage_error(error) from None

    async def erase(self, id: str) -> None:
        """Both, on the disk too when this returns. Raises `StorageUnavailable`: then the voice is still
        there, unless the disk forgot to say so."""
        await self._blobs.delete(id + _TOLD)
        await self._blobs.sync()
        await self._blobs.delete(id + _ARRAYS)

    def _read_told(self, ids: Sequence[str]) -> Sequence[Record]:
        found = []
        for id in ids:
            try:
                record = records.decode_record(self._blobs.locate(id + _TOLD).read_bytes())
                if record is None:
                    log.warning("a voice of a newer program is left alone", extra={"voice": id})
                elif record.voice.id != id:
                    raise Unreadable("of another voice")
                else:
                    found.append(record)
            except Unreadable:
                log.error("voice damaged", extra={"voice": id})
                self.damaged.add(id)
            except OSError as error:
                raise storage_error(error) from None
        return found

    async def _put(self, name: str, data: bytes) -> None:
        writer = await self._blobs.create(name)
        await writer.write(data)
        await writer.commit()

    async def _undo(self, id: str) -> None:
        try:
            await self.erase(id)
        except StreamerError as error:  # the next start takes it
            log.warning("voice not taken back", extra={"voice": id, "error": error.code})


def damaged(id: str) -> VoiceDamaged:
    return VoiceDamaged(f"what voice {id} is made of can't be read: make it anew", voice=id)
