"""Tasks at a provider that nobody waits for any more: whoever listened has interrupted, or is gone.

They go on there and are charged. Where the API can end them they are ended, while everybody goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

from streamer.engines.hosted.exchange import ANSWER_BYTES, Target, addressed
from streamer.errors import EngineFailed, StreamerError
from streamer.fetch import Fetcher, Patience
from streamer.protocols.hosted import Again, Call, HostedClient, Step

log = logging.getLogger(__name__)

AT_ONCE = 32
"""So many are being ended at most; what is abandoned meanwhile goes on."""
PATIENCE_S = 5.0
"""For the end of one, and for the answer that tells which it is."""
GRACE_S = 1.0
"""For those that are being ended when the engine is closed."""


class Abandoned:
    """Ends them, each asked for once. Nothing here raises, and nothing waits but `aclose`.

    `ended` and `failed` count them; `open` are being ended.
    """

    def __init__(self, name: str, client: HostedClient, target: Target, fetcher: Fetcher) -> None:
        self.ended = 0
        self.failed = 0
        self._name = name
        self._client = client
        self._target = target
        self._fetcher = fetcher
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> int:
        return len(self._tasks)

    def end(self, call: Call) -> None:
        """End the task that `call` asks for."""
        cancel = self._client.cancel(call)
        if cancel is not None and self._has_room():
            self._begin(self._send(cancel))

    def end_made(self, made: asyncio.Task[Step]) -> None:
        """End the task that is being made: its id is in an answer that nobody has waited for."""
        if self._has_room():
            self._begin(self._send_after(made))
        else:
            made.add_done_callback(_seen)
            made.cancel()

    async def aclose(self) -> None:
        """What can't be ended in `GRACE_S` goes on there."""
        self._closed = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=GRACE_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _has_room(self) -> bool:
        if len(self._tasks) < AT_ONCE and not self._closed:
            return True
        self._failed("closed" if self._closed else "too many")
        return False

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send_after(self, made: asyncio.Task[Step]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                step = await made
        except TimeoutError:
            self._failed("timeout")
        except EngineFailed:  # it was refused, or nobody knows
            pass
        else:
            cancel = self._client.cancel(step.call) if isinstance(step, Again) else None
            if cancel is not None:
                await self._send(cancel)

    async def _send(self, cancel: Call) -> None:
        url, headers = addressed(cancel, self._client, self._target)
        try:
            async with (
                asyncio.timeout(PATIENCE_S),
                self._fetcher.open(
                    cancel.method,
                    url,
                    headers=headers,
                    body=cancel.body,
                    trusted=True,
                    max_bytes=ANSWER_BYTES,
                    patience=Patience(PATIENCE_S, PATIENCE_S),
                ) as stream,
            ):
                # A redirect that is followed asks for something else.
                status = 302 if stream.redirected else stream.status
                await stream.read()
        except TimeoutError:
            self._failed("timeout")
        except StreamerError as error:
            self._failed(error.details.get("reason", error.code))
        else:
            if 200 <= status < 300:
                self.ended += 1
            else:
                self._failed(str(status))

    def _failed(self, reason: str) -> None:
        self.failed += 1
        log.info("task not ended", extra={"engine": self._name, "reason": reason})


def _seen(task: asyncio.Task[Step]) -> None:
    if not task.cancelled():
        task.exception()
