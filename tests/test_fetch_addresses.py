"""Public, listed, or neither: every address by every way it can be hidden in another."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import InvalidParameter
from streamer.fetch.addresses import METADATA, Address, Allow, embedded, is_public, read_host

NOT_PUBLIC = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.254 127.0.0.1 127.255.255.255 169.254.0.1
169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.9 192.0.2.1 192.88.99.1 192.168.0.1
198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1
255.255.255.255 168.63.129.16 100.100.100.200
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1 64:ff9b::7f00:1
64:ff9b::808:808 64:ff9b:1::7f00:1 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1
2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:808:808:: 3fff::1 3ffe::1 5f00::1 4000::1
fc00::1 fd00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 ff0e::1 fe80::1%eth0 2606:4700::1%1
2606:4700::5efe:127.0.0.1 2606:4700::200:5efe:10.0.0.1
""".split()
PUBLIC = """
1.1.1.1 8.8.8.8 93.184.215.14 100.63.255.255 100.128.0.1 172.15.255.255 172.32.0.1 192.0.1.1
198.17.255.255 198.20.0.1 223.255.255.255 169.253.255.255
2606:4700::1111 2a00:1450:4001:82a::200e 2003::1 2001:4860:4860::8888 2606:4700::5efe:8.8.8.8
""".split()

LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
"""Where in it an IPv4 address lies is the network's own choice; it is listed as a whole or not."""


def hidden(inner: IPv4Address) -> list[Address]:
    """Every form in which IPv6 carries an IPv4 address."""
    value = int(inner)
    prefixes = ("::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::", "2606::5efe:0:0")
    return [
        inner,
        *(IPv6Address(int(IPv6Address(prefix)) | value) for prefix in prefixes),
        IPv6Address(int(IPv6Address("2606::200:5efe:0:0")) | value),
        IPv6Address(0x2002 << 112 | value << 80 | 1),
        IPv6Address(0x20010000 << 96 | value ^ 0xFFFFFFFF),
        IPv6Address(0x0064FF9B0001 << 80 | value >> 16 << 64 | (value & 0xFFFF) << 40),
    ]


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_what_is_not_public_is_not_permitted(text: str) -> None:
    assert not is_public(ip_address(text))
    assert not Allow().permits(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_what_is_public_is_permitted(text: str) -> None:
    assert Allow().permits(ip_address(text))


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_that_is_not_global_passes_in_any_form(inner: IPv4Address) -> None:
    if not inner.is_global or inner.is_multicast or inner.is_reserved:
        assert [form for form in hidden(inner) if Allow().permits(form)] == []


@given(st.sampled_from(NOT_PUBLIC), st.integers(0, 0xFFFF))
def test_nor_does_a_neighbour_of_a_special_one(text: str, step: int) -> None:
    address = ip_address(text)
    near = type(address)(int(address) ^ step)
    if not near.is_global:
        assert not any(
            map(Allow().permits, hidden(near) if isinstance(near, IPv4Address) else [near])
        )


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_that_is_not_global_passes(address: IPv6Address) -> None:
    if not address.is_global or address.is_multicast or address.is_site_local:
        assert not Allow().permits(address)


@given(st.ip_addresses(v=4))
def test_what_is_hidden_is_found(inner: IPv4Address) -> None:
    for form in hidden(inner)[1:]:
        if form not in (IPv6Address("::"), IPv6Address("::1")) and form not in LOCAL_NAT64:
            assert inner in list(embedded(form))


@pytest.mark.parametrize(
    "host",
    [
        *"""2130706433 0x7f000001 0x7f.1 0x7f.0.0.1 0177.0.0.1 127.1 127.0.1 127.0.0.1. localhost. 0 0x 1.2.3
    1.2.3.4.5 256.1.1.1 127.0.0.0x1 foo.1 foo.0x7f fe80::1%eth0 ::1%25lo : a..b .a a. %31 a%2eb a\\b
    a,b a;b a(b 127.0.0.1:80 [::1] ::ffff:0x7f.1 1:2""".split(),
        "",
        "a b",
        "x" * 64,
        ".".join(["x" * 50] * 6),
        "ａ",
        "127。0。0。1",
    ],
)
def test_what_is_neither_a_name_nor_a_plain_address_is_no_host(host: str) -> None:
    with pytest.raises(ValueError):
        read_host(host)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1"),
        ("example.com", None),
        ("hooks", None),
        ("my_service.internal", None),
        ("xn--bcher-kva.example", None),
        ("127.0.0.1.nip.io", None),
        ("1.example", None),
        ("0x7f.example", None),
    ],
)
def test_a_host_is_an_address_or_a_name(host: str, address: str | None) -> None:
    assert read_host(host) == (address and ip_address(address))


@pytest.mark.parametrize(
    ("entries", "permitted", "refused"),
    [
        (["10.0.0.0/8"], "10.1.2.3 8.8.8.8", "192.168.0.1 ::ffff:10.1.2.3 127.0.0.1"),
        (["127.0.0.1"], "127.0.0.1", "127.0.0.2 ::1 ::ffff:127.0.0.1 2002:7f00:1::"),
        (["::1", "[fd00::1]"], "::1 fd00::1", "127.0.0.1 fd00::2 ::"),
        (["fd00::/8", "FE80::/10"], "fd12::1 fe80::1", "fc00::1 fe80::1%eth0 fd00:ec2::254"),
        (["0.0.0.0/0"], "127.0.0.1 10.0.0.1", "169.254.169.254 168.63.129.16 100.100.100.200 ::1"),
        (["::/0"], "::1 fd00::1 64:ff9b::808:808", "64:ff9b::7f00:1 ::ffff:10.0.0.1 2002:7f00:1::"),
        (["64:ff9b::/96"], "64:ff9b::808:808", "64:ff9b::7f00:1 64:ff9b::a9fe:a9fe"),
        (["64:ff9b::/96", "10.0.0.0/8"], "64:ff9b::a00:1", "64:ff9b::7f00:1"),
        (["169.254.0.0/16"], "169.254.1.1", "169.254.169.254 169.254.170.2"),
        (["169.254.169.254"], "169.254.169.254", "169.254.170.2 ::ffff:169.254.169.254"),
        (["169.254.169.254/32"], "169.254.169.254", "169.254.169.253"),
        (["hooks.internal"], "8.8.8.8", "10.0.0.1 127.0.0.1"),
    ],
)
def test_a_list_opens_what_it_lists_and_no_more(
    entries: list[str], permitted: str, refused: str
) -> None:
    allow = Allow.parse(entries)
    for text in permitted.split():
        assert allow.permits(ip_address(text)), text
    for text in refused.split():
        assert not allow.permits(ip_address(text)), text


@pytest.mark.parametrize(
    ("entries", "listed", "others"),
    [
        (["hooks.internal"], "hooks.internal", "a.hooks.internal internal xhooks.internal"),
        (["Hooks.Internal "], "hooks.internal", "hooks"),
        ([".internal"], "a.internal a.b.internal", "internal ainternal internal.com"),
        (["*.internal"], "a.internal", "internal ainternal"),
        (["hooks", "10.0.0.1"], "hooks", "10.0.0.1 hook"),
    ],
)
def test_names_are_listed_exactly_or_by_what_is_above_them(
    entries: list[str], listed: str, others: str
) -> None:
    allow = Allow.parse(entries)
    assert all(map(allow.lists, listed.split()))
    assert not any(map(allow.lists, others.split()))


def test_a_listed_name_may_lead_to_private_addresses_but_not_to_metadata_or_no_machine() -> None:
    allow = Allow.parse(["hooks.internal"])
    for text in "127.0.0.1 10.0.0.1 169.254.0.1 100.64.0.1 ::1 fd00::1 fe80::1".split():
        assert allow.permits(ip_address(text), listed=True), text
    for text in "0.0.0.0 0.0.0.1 224.0.0.1 255.255.255.255 240.0.0.1 :: ff02::1 fe80::1%1".split():
        assert not allow.permits(ip_address(text), listed=True), text
    for address in METADATA:
        assert not allow.permits(address, listed=True)
        if isinstance(address, IPv4Address):
            assert not any(allow.permits(form, listed=True) for form in hidden(address))


@pytest.mark.parametrize(
    "entry",
    [
        *"""* . .. *. http://x x:80 127.1 0x7f.1 2130706433 10.0.0.1/8 10.0.0.0/33 a..b foo/24 *.*.x **.x
    *.10.0.0.1 .5 x. fe80::1%eth0 [::1]:80 user@host x/ münchen.example""".split(),
        "",
        " ",
        "a b",
        "a,b",
    ],
)
def test_what_is_no_network_and_no_name_is_refused(entry: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        Allow.parse(["10.0.0.0/8", entry])
    assert refused.value.param == "fetch_allow"
