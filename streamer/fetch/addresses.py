"""Which hosts may be connected to: those with a public address, and those that an operator lists.

Of IPv6 only global unicast is public, and nothing is that carries an IPv4 address which is not. The
standard library's `is_global` says yes to NAT64's and 6to4's form of 127.0.0.1 and to multicast, so the
table of IANA's special-purpose registries is here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from streamer.errors import InvalidParameter

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

HOST_CHARACTERS = 253
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label like this makes a host an IPv4 address to `inet_aton` and to browsers."""

_SPECIAL: tuple[Network, ...] = tuple(
    ip_network(name)
    for name in """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
    192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24
    198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
    2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3ffe::/16 3fff::/20
    """.split()
)
"""Registries iana-ipv4-special-registry and, within 2000::/3, iana-ipv6-special-registry."""
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_IPV4_AT_THE_END = tuple(
    IPv6Network(name) for name in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")
)
"""IPv4-compatible, mapped, translated (SIIT), NAT64's well-known prefix."""
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
"""Where in it the IPv4 address lies is the network's own choice (RFC 8215)."""

METADATA: frozenset[Address] = frozenset(
    ip_address(name)
    for name in """
    169.254.169.254 169.254.169.253 169.254.170.2 169.254.170.23 fd00:ec2::254 fd00:ec2::23
    fd20:ce::254 100.100.100.200 192.0.0.192 168.63.129.16
    """.split()
)
"""Where clouds tell a machine its credentials (AWS, GCP, Azure, Alibaba, Oracle); one of them is in
public address space. Reached only where listed as a single address."""


def read_host(host: str) -> Address | None:
    """The address that a URL's host (lower case, ASCII, without brackets) is, None if it is a name.

    Raises ValueError where it is neither: an IPv4 address not written as four decimal numbers, a zone,
    a character that no host has, an empty label (so also a dot at the end).
    """
    if ":" in host:
        address = IPv6Address(host)
        if address.scope_id is not None:
            raise ValueError("a zone")
        return address
    labels = host.split(".")
    if len(host) > HOST_CHARACTERS or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("not a host")
    return IPv4Address(host) if _NUMBER.fullmatch(labels[-1]) else None


def embedded(address: Address) -> Iterator[IPv4Address]:
    """IPv4 addresses that packets to this IPv6 address may end up at."""
    if isinstance(address, IPv4Address):
        return
    value = int(address)
    end = IPv4Address(value & 0xFFFFFFFF)
    if value > 1 and any(address in network for network in _IPV4_AT_THE_END):
        yield end
    if address in _SIX_TO_FOUR:
        yield IPv4Address(value >> 80 & 0xFFFFFFFF)
    if address in _TEREDO:
        yield IPv4Address(~value & 0xFFFFFFFF)
    if value >> 32 & 0xFDFFFFFF == 0x5EFE:  # ISATAP, RFC 5214 section 6.1
        yield end


def is_public(address: Address) -> bool:
    """Whether anyone may name it: globally routed unicast, through and through."""
    if isinstance(address, IPv6Address) and (
        address.scope_id is not None or address not in _GLOBAL_UNICAST
    ):
        return False
    return (
        address.is_global
        and address not in METADATA
        and not any(address in network for network in _SPECIAL)
        and all(is_public(inner) for inner in embedded(address))
    )


def _is_unicast(address: Address) -> bool:
    """Whether it can be one machine's, if only a private one's, and it can be told whose."""
    if isinstance(address, IPv6Address):
        return not (address.is_multicast or address.is_unspecified or address in _LOCAL_NAT64)
    return 0x01000000 <= int(address) < 0xE0000000


@dataclass(frozen=True, slots=True)
class Allow:
    """What an operator allows beyond public addresses.

    A listed network may be reached by any name, a listed name at any address. Clouds' metadata
    addresses are reached neither way, only where listed as single addresses.
    """

    networks: tuple[Network, ...] = ()
    names: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Allow:
        """From `10.0.0.0/8`, `10.1.2.3`, `fd00::/8`, `hooks.internal`, and `.internal` or `*.internal`
        for the names below it. Raises `InvalidParameter`."""
        networks: list[Network] = []
        names: set[str] = set()
        suffixes: list[str] = []
        for entry in entries:
            text = entry.strip().lower()
            name = text.removeprefix("*")
            try:
                if "/" in text or read_host(text.removeprefix("[").removesuffix("]")):
                    networks.append(ip_network(text.removeprefix("[").removesuffix("]")))
                else:
                    names.add(text)
                continue
            except ValueError:
                pass
            try:
                if not name.startswith(".") or read_host(name[1:]):
                    raise ValueError("not a suffix")
            except ValueError:
                raise InvalidParameter(
                    f"not a network, an address or a host name: {entry!r}", param="fetch_allow"
                ) from None
            suffixes.append(name)
        return cls(tuple(networks), frozenset(names), tuple(suffixes))

    def lists(self, host: str) -> bool:
        """Whether this name is listed."""
        return host in self.names or host.endswith(self.suffixes)

    def permits(self, address: Address, *, listed: bool = False) -> bool:
        """Whether it may be connected to; `listed`: a listed name led there."""
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            return False
        exactly = ip_network(address) in self.networks
        if exactly or is_public(address):
            return True
        if address in METADATA or not (
            (listed and _is_unicast(address))
            or any(address in network for network in self.networks)
        ):
            return False
        return all(self.permits(inner, listed=listed) for inner in embedded(address))
