"""uvicorn's protocols, and what they lack against peers that stall, vanish or dawdle.

uvicorn closes a transport only after its buffer has drained, which a peer that reads nothing never
lets happen; here such transports are aborted.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

HEADER_S = 10.0
"""A request's headers are due within this time: no slow handshake holds a socket."""
HTTP_STALL_S = 60.0
"""An HTTP reader may take nothing for so long. Players that read at play speed stall for long, since
TCP opens its window in large steps; a WebSocket is paced and has `send_timeout_s`."""

LINGER_S = 2.0
"""How long a peer that broke the protocol is heard out at most, so that it finds the reason."""
QUIET_S = 0.2
"""When it has said nothing for so long, it has been heard out."""


class HttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 with a deadline for headers and for readers."""

    _deadline: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._set_deadline()

    def on_message_begin(self) -> None:
        self._set_deadline()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._cancel_deadline()
        extensions: Any = self.scope.setdefault("extensions", {})
        extensions["streamer.abort"] = self.transport.abort
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        self._cancel_stall()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_stall(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        self._cancel_stall()
        super().resume_writing()

    def handle_websocket_upgrade(self) -> None:
        self._cancel_deadline()
        super().handle_websocket_upgrade()

    def _watch_stall(self, level: int) -> None:
        self._cancel_stall()
        self._stall = self.loop.call_later(HTTP_STALL_S, self._check_stall, level)

    def _check_stall(self, level: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left < level:
            self._watch_stall(left)
        else:
            self.transport.abort()

    def _cancel_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _set_deadline(self) -> None:
        self._cancel_deadline()
        self._deadline = self.loop.call_later(HEADER_S, self.transport.abort)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """RFC 6455 whose closing does not wait for a peer that reads nothing, and does not cut off one that
    is still sending."""

    _lingers_until: float | None = None

    async def send(self, message: Any) -> None:
        closing = message["type"] == "websocket.close" and self.handshake_complete
        if closing:
            # Behind a full buffer, where the peer finds it if it ever reads again.
            self.writable.set()
        await super().send(message)
        if closing and self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            # The handshake is over. uvicorn learns it when the socket is gone, and complains till then.
            self.handshake_complete = True

    def handle_parser_exception(self) -> None:
        """Say why, once, then drop what still comes (`conn` does so by itself after a fault). uvicorn closes
        at once, and upon unread bytes that is a reset, which takes the reason with it."""
        now = self.loop.time()
        if self._lingers_until is None:
            self._lingers_until = now + LINGER_S
            close = self.conn.close_sent
            assert close is not None
            self.queue.put_nowait(
                {"type": "websocket.disconnect", "code": close.code, "reason": close.reason}
            )
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
        if self.close_timer is not None:
            self.close_timer.cancel()
        at = min(now + QUIET_S, self._lingers_until)
        self.close_timer = self.loop.call_at(at, self.transport.abort)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent:
            data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
            try:
                data.decode()
            except UnicodeDecodeError:
                # RFC 6455, 8.1. uvicorn does the same, but logs it as a fault of ours.
                self.frames = []
                self.conn.send_close(1007)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()
