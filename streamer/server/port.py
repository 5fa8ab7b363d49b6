"""Is the address of the settings free? Asked before anything slow is loaded."""

from __future__ import annotations

import socket

from streamer.errors import InvalidParameter


def require_free(host: str, port: int) -> None:
    """Raises `InvalidParameter` naming host and port if a server could not listen there.

    "" is every address.
    """
    try:
        addresses = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, address in addresses:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:  # as the server's own, else IPv4's port is in its way
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
    except OSError as error:
        shown = f"[{host}]" if ":" in host else host
        raise InvalidParameter(
            f"can't listen on {shown}:{port}: {error.strerror or error}", param="port"
        ) from None
