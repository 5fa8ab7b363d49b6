"""What a foreign URL can't reach: no spelling, resolver or redirect leads to a canary on loopback.

Only loopback is ever touched: public addresses exist in a scripted resolver, and a scripted connector
leads them to servers of the tests' own.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import FetchFailed, InvalidParameter, UrlNotAllowed
from streamer.fetch import Allow, Fetcher, check_url
from tests.foreign import PUBLIC, Detour, Foreign, Names, answer, foreign, moved, ok

SPELLINGS = [
    *"""
    http://127.0.0.1{port}/ http://127.0.0.2{port}/ http://127.255.255.254{port}/ http://0.0.0.0{port}/
    http://2130706433{port}/ http://0x7f000001{port}/ http://0X7F000001{port}/ http://017700000001{port}/
    http://0x7f.1{port}/ http://0x7f.0.0.1{port}/ http://0x7f.0x0.0x0.0x1{port}/ http://0177.0.0.1{port}/
    http://0177.0.0.01{port}/ http://00000177.0.0.1{port}/ http://127.1{port}/ http://127.0.1{port}/
    http://127.0.0.01{port}/ http://127.000.000.001{port}/ http://0{port}/ http://0x0{port}/ http://00{port}/
    http://127.0.0.1.{port}/ http://127.1.{port}/ http://2130706433.{port}/ http://0x7f.1.{port}/
    http://localhost{port}/ http://LOCALHOST{port}/ http://LocalHost.{port}/ http://localhost.{port}/
    http://foo.localhost{port}/ http://4294967297{port}/ http://127.0.0.257{port}/ http://256.127.0.0.1{port}/
    http://[::1]{port}/ http://[::]{port}/ http://[0:0:0:0:0:0:0:1]{port}/ http://[0::1]{port}/
    http://[::ffff:127.0.0.1]{port}/ http://[::FFFF:7f00:1]{port}/ http://[0:0:0:0:0:ffff:127.0.0.1]{port}/
    http://[::127.0.0.1]{port}/ http://[::7f00:1]{port}/ http://[::ffff:0:127.0.0.1]{port}/
    http://[64:ff9b::127.0.0.1]{port}/ http://[64:ff9b::7f00:1]{port}/ http://[64:ff9b:1::7f00:1]{port}/
    http://[2002:7f00:1::]{port}/ http://[2002:7f00:0001::1]{port}/
    http://[2001:0:7f00:1:0:0:80ff:fffe]{port}/ http://[2606:4700::5efe:7f00:1]{port}/
    http://[::1%25lo]{port}/ http://[::1%lo]{port}/ http://[fe80::1%25eth0]{port}/ http://[fe80::1]{port}/
    http://[fec0::1]{port}/ http://[fd00::1]{port}/ http://[ff02::1]{port}/ http://[::ffff:0x7f.1]{port}/
    http://[127.0.0.1]{port}/ http://[localhost]{port}/ http://[::1{port}/ http://::1{port}/
    http://10.0.0.1{port}/ http://172.16.0.1{port}/ http://192.168.1.1{port}/ http://100.64.0.1{port}/
    http://169.254.169.254{port}/ http://2852039166{port}/ http://[fd00:ec2::254]{port}/
    http://[::ffff:169.254.169.254]{port}/ http://168.63.129.16{port}/ http://198.18.0.1{port}/
    http://192.0.2.1{port}/ http://224.0.0.1{port}/ http://240.0.0.1{port}/ http://255.255.255.255{port}/
    http://127%2e0%2e0%2e1{port}/ http://%31%32%37.0.0.1{port}/ http://127.0.0.1%00.example{port}/
    http://loc%61lhost{port}/ http://127.0.0.1%20{port}/ http://127.0.0.1%2f{port}/
    http://１２７.０.０.１{port}/ http://①②⑦.⓪.⓪.①{port}/ http://127。0。0。1{port}/ http://127．0．0．1{port}/
    http://127｡0｡0｡1{port}/ http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ{port}/ http://ｌｏｃａｌｈｏｓｔ{port}/ http://loc\u00adalhost{port}/
    http://localhost\u3002{port}/ http://[\u2236\u22361]{port}/
    http://public.example@127.0.0.1{port}/ http://public.example:80@127.0.0.1{port}/
    http://127.0.0.1{port}@127.0.0.1{port}/ http://a@b@127.0.0.1{port}/ http://@127.0.0.1{port}/
    http://public.example%40127.0.0.1{port}/ http://public.example%2f@127.0.0.1{port}/
    http://public.example\\@127.0.0.1{port}/ http://127.0.0.1{port}\\@public.example/
    http://127.0.0.1\\.public.example{port}/ http:\\\\127.0.0.1{port}\\ http:/\\127.0.0.1{port}/
    http:///127.0.0.1{port}/ http:////127.0.0.1{port}/ http:/127.0.0.1{port}/ http:127.0.0.1{port}/
    http://?@127.0.0.1{port}/ http://#@127.0.0.1{port}/ http://{port}/ http:// http: : / //127.0.0.1{port}/
    127.0.0.1{port} 127.0.0.1{port}/ localhost{port}/ http://127.0.0.1,public.example{port}/
    http://127.0.0.1;public.example{port}/ http://127.0.0.1:80{port}/ http://127.0.0.1:+80/
    http://127.0.0.1:٨٠/ http://127.0.0.1:/ http://.127.0.0.1{port}/ http://127..0.0.1{port}/
    http://.{port}/ http://..{port}/ http://-{port}@/
    ftp://127.0.0.1{port}/ file:///etc/passwd file://127.0.0.1/etc/passwd gopher://127.0.0.1{port}/_x
    ws://127.0.0.1{port}/ wss://127.0.0.1/ data:text/plain,x javascript:x unix:///run/x jar:http://127.0.0.1!/
    dict://127.0.0.1{port}/ http+unix://127.0.0.1/ HTTP://127.0.0.1{port}/ hTTp://localhost{port}/
    https://127.0.0.1{port}/ https://localhost{port}/ https://[::1]{port}/ url:http://127.0.0.1{port}/
    """.split(),
    "",
    " ",
    "http://127.0.0.1{port}/\n",
    "http://127.0.0.1\t{port}/",
    "http://127.0.\n0.1{port}/",
    "http://\r\n127.0.0.1{port}/",
    "ht\ntp://127.0.0.1{port}/",
    "\thttp://127.0.0.1{port}/",
    " http://127.0.0.1{port}/",
    "http:// 127.0.0.1{port}/",
    "http://127.0.0.1 {port}/",
    "http://127.0.0.1 public.example{port}/",
    "http://127.0.0.1\0{port}/",
    "http://public.example\0@127.0.0.1{port}/",
    "http://127.0.0.1\u2028{port}/",
    "http://\ud800127.0.0.1{port}/",
    "http://" + "a." * 5000 + "example/",
    "http://" + "1" * 5000 + "/",
    "http://" + "é" * 1000 + "/",
    "http://xn--" + "a" * 100 + "/",
    "http://127.0.0.1:" + "9" * 5000 + "/",
    "http://public.example/" + "x" * 9000,
]
"""With a port after the host, and without."""

PRIVATE = (
    "127.0.0.1 10.0.0.1 169.254.169.254 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 fe80::1%2 fd00::1"
)


@asynccontextmanager
async def opened(
    names: Names | None = None,
    detour: Detour | None = None,
    *,
    allow: Sequence[str] = (),
    ports: Sequence[int] = (80, 443),
    timeout_s: float = 10,
) -> AsyncIterator[Fetcher]:
    """A fetcher in a scripted network."""
    fetcher = Fetcher(
        allow=allow,
        ports=ports,
        timeout_s=timeout_s,
        resolve=names or Names(),
        connect=detour or Detour(),
    )
    try:
        yield fetcher
    finally:
        await fetcher.aclose()


@asynccontextmanager
async def canaries() -> AsyncIterator[list[Foreign]]:
    """Servers on one port of 127.0.0.1 and, where there is one, of ::1."""
    async with AsyncExitStack() as stack:
        found = [await stack.enter_async_context(foreign(ok()))]
        with suppress(OSError):
            found.append(await stack.enter_async_context(foreign(ok(), at=("::1", found[0].port))))
        yield found


async def refused(fetcher: Fetcher, url: str) -> None:
    """By both verbs, naming the parameter."""
    with pytest.raises(UrlNotAllowed) as told:
        await fetcher.get(url, max_bytes=100, param="webhook.url")
    assert told.value.param == "webhook.url"
    with pytest.raises(UrlNotAllowed) as told:
        await fetcher.post(url, b"{}", {}, param="webhook.url")
    assert told.value.param == "webhook.url"


def test_the_table_is_long_enough() -> None:
    assert len({spelling.replace("{port}", "") for spelling in SPELLINGS}) >= 120


@pytest.mark.asyncio
@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda spelling: ascii(spelling)[:60])
async def test_no_spelling_is_resolved_or_connected_to(spelling: str) -> None:
    names = Names({name: [["127.0.0.1"]] for name in ("localhost", "public.example")})
    for port in ("", ":80", ":8080"):
        url = spelling.replace("{port}", port)
        detour = Detour()
        async with opened(names, detour, ports=(80, 443, 8080)) as fetcher:
            await refused(fetcher, url)
            with pytest.raises(UrlNotAllowed):
                fetcher.check(url)
        assert (detour.sent, names.asked) == ([], [])


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "rest", ["#@127.0.0.1/", "?@127.0.0.1/", "/@127.0.0.1/", "/\\@127.0.0.1/", "#\\@127.0.0.1/"]
)
async def test_what_others_may_read_as_another_host_goes_to_the_one_that_was_checked(
    rest: str,
) -> None:
    detour = Detour()
    names = Names({"public.example": [[PUBLIC]]})
    async with opened(names, detour) as fetcher:
        with pytest.raises(FetchFailed):
            await fetcher.get("http://public.example" + rest, max_bytes=9)
    assert (names.asked, detour.sent) == (["public.example"], [(PUBLIC, 80)])


@pytest.mark.asyncio
async def test_the_real_connector_never_meets_a_canary() -> None:
    async with canaries() as birds:
        port = birds[0].port
        fetcher = Fetcher(ports=[80, 443, port], timeout_s=5)
        for spelling in SPELLINGS:
            await refused(fetcher, spelling.replace("{port}", f":{port}"))
        await fetcher.aclose()
        open_one = Fetcher(ports=[port], allow=["127.0.0.1", "::1"])
        assert [bird.accepted for bird in birds] == [0] * len(birds)
        assert (await open_one.get(f"http://127.0.0.1:{port}/", max_bytes=9)).body == b"sound"
        await open_one.aclose()
        assert birds[0].accepted == 1


@pytest.mark.asyncio
async def test_names_that_the_real_resolver_knows_as_this_machine_are_refused() -> None:
    """`inet_aton` in the resolver and the machine's own name: answers are checked, not names."""
    async with canaries() as birds:
        port = birds[0].port
        fetcher = Fetcher(ports=[port], timeout_s=5)
        for name in (socket.gethostname().lower(), "ip6-localhost", "ip6-loopback"):
            with pytest.raises((UrlNotAllowed, FetchFailed)):
                await fetcher.get(f"http://{name}:{port}/", max_bytes=9)
        await fetcher.aclose()
        assert [bird.accepted for bird in birds] == [0] * len(birds)


@given(
    st.ip_addresses(v=4).filter(lambda address: not address.is_global or address.is_multicast),
    st.sampled_from(
        "{} {}. {:d} 0x{:x} 0{:o} [::ffff:{}] [::{}] [64:ff9b::{}] [::ffff:0:{}] user@{} %30{}".split()
    ),
)
def test_no_spelling_of_a_private_ipv4_address_passes(address: IPv4Address, form: str) -> None:
    host = form.format(int(address) if form[-2:] in ("d}", "x}", "o}") else address)
    with pytest.raises(UrlNotAllowed):
        check_url(f"http://{host}/", allow=Allow(), ports=[80])


@given(st.ip_addresses(v=6), st.sampled_from(["compressed", "exploded"]), st.booleans())
def test_no_spelling_of_a_private_ipv6_address_passes(
    address: IPv6Address, form: str, upper: bool
) -> None:
    host = getattr(address, form)
    if not address.is_global or address.is_multicast:
        with pytest.raises(UrlNotAllowed):
            check_url(f"http://[{host.upper() if upper else host}]/", allow=Allow(), ports=[80])


@given(st.text("htp:/\\@#?[]%.:127x0localhost\t\n。 ", max_size=30))
def test_any_text_is_a_url_that_is_checked_or_refused(text: str) -> None:
    for url in (text, "http://" + text, "http://127.0.0.1" + text, "http://[::1]" + text):
        with suppress(UrlNotAllowed):
            check_url(url, allow=Allow(), ports=[80])


@pytest.mark.asyncio
@pytest.mark.parametrize("inside", PRIVATE.split())
async def test_a_name_that_leads_inside_is_refused_and_not_told_where_to(inside: str) -> None:
    names = Names({"evil.example": [[inside]]})
    detour = Detour()
    async with opened(names, detour) as fetcher:
        fetcher.check("http://evil.example/")
        with pytest.raises(UrlNotAllowed) as told:
            await fetcher.get("http://evil.example/", max_bytes=9)
        assert inside not in told.value.message
        assert told.value.details == {}
    assert detour.sent == []


@pytest.mark.asyncio
@pytest.mark.parametrize("inside", PRIVATE.split())
@pytest.mark.parametrize("first", [True, False])
async def test_one_bad_answer_refuses_a_name(inside: str, first: bool) -> None:
    found = [inside, PUBLIC] if first else [PUBLIC, "2606:4700::1111", inside]
    detour = Detour()
    async with opened(Names({"mixed.example": [found]}), detour) as fetcher:
        await refused(fetcher, "http://mixed.example/")
    assert detour.sent == []


@pytest.mark.asyncio
async def test_a_bad_answer_behind_all_that_are_tried_refuses_a_name() -> None:
    found = [f"93.184.215.{i}" for i in range(200)] + ["127.0.0.1"]
    detour = Detour()
    async with opened(Names({"many.example": [found]}), detour) as fetcher:
        await refused(fetcher, "http://many.example/")
    assert detour.sent == []


@pytest.mark.asyncio
async def test_a_resolver_that_changes_its_mind_is_asked_once_for_each_connection() -> None:
    async with foreign(ok()) as server, foreign(ok(b"canary")) as canary:
        names = Names({"rebind.example": [[PUBLIC], ["127.0.0.1"]]})
        detour = Detour({PUBLIC: server.port, "127.0.0.1": canary.port})
        async with opened(names, detour) as fetcher:
            found = await fetcher.get("http://rebind.example/", max_bytes=9)
            assert found.body == b"sound"
            assert names.asked == ["rebind.example"]
            await refused(fetcher, "http://rebind.example/")
        assert detour.sent == [(PUBLIC, 80)]
        assert (server.accepted, canary.accepted) == (1, 0)


@pytest.mark.asyncio
async def test_a_redirect_to_the_same_name_is_resolved_and_checked_anew() -> None:
    async with foreign(moved("/again")) as server:
        names = Names({"rebind.example": [[PUBLIC], ["127.0.0.1"]]})
        detour = Detour({PUBLIC: server.port})
        async with opened(names, detour) as fetcher:
            with pytest.raises(UrlNotAllowed):
                await fetcher.get("http://rebind.example/", max_bytes=9)
        assert detour.sent == [(PUBLIC, 80)]


@pytest.mark.asyncio
@pytest.mark.parametrize("answers", [[], ["nonsense"], [""], ["localhost"]])
async def test_answers_that_are_no_addresses_connect_nowhere(answers: list[str]) -> None:
    detour = Detour()
    async with opened(Names({"odd.example": [answers]}), detour) as fetcher:
        with pytest.raises((UrlNotAllowed, FetchFailed)):
            await fetcher.get("http://odd.example/", max_bytes=9)
    assert detour.sent == []


@pytest.mark.asyncio
async def test_a_name_without_addresses_is_told_as_such() -> None:
    async with opened() as fetcher:
        with pytest.raises(FetchFailed) as told:
            await fetcher.get("http://nowhere.example/", max_bytes=9, param="from")
    assert (told.value.param, told.value.details["reason"]) == ("from", "dns")


@pytest.mark.asyncio
async def test_addresses_are_tried_in_turn() -> None:
    async with foreign(ok()) as server:
        detour = Detour({PUBLIC: server.port})
        names = Names({"two.example": [["2606:4700::1111", "2606:4700::1111", PUBLIC, "8.8.8.8"]]})
        async with opened(names, detour) as fetcher:
            assert (await fetcher.get("http://two.example/", max_bytes=9)).status == 200
        assert [host for host, _ in detour.sent] == ["2606:4700::1111", PUBLIC]


@pytest.mark.asyncio
async def test_where_none_can_be_connected_to_no_address_is_told() -> None:
    async with opened(Names({"down.example": [[PUBLIC, "8.8.8.8"]]})) as fetcher:
        with pytest.raises(FetchFailed) as told:
            await fetcher.get("http://down.example/", max_bytes=9)
    assert told.value.details == {"reason": "connect"}
    assert PUBLIC not in told.value.message


REDIRECTS = [
    *"""http://127.0.0.1/ http://localhost/ http://2130706433/ http://[::1]/ //127.0.0.1/ ///127.0.0.1/
    http://169.254.169.254/latest/meta-data/ http://inside.example/ http://public.example:22/
    http://public.example:8080/ ftp://public.example/ file:///etc/passwd http://a:b@public.example/
    \\\\127.0.0.1\\x javascript:x data:,x http:// http://[::ffff:7f00:1]/ //localhost. //2130706433
    http:127.0.0.1 http:///x //[:: http://[ http://１２７.0.0.1/ gopher://127.0.0.1/""".split(),
]


@pytest.mark.asyncio
@pytest.mark.parametrize("location", REDIRECTS)
@pytest.mark.parametrize("status", [301, 307])
async def test_a_redirect_to_what_is_not_opened_goes_no_further(location: str, status: int) -> None:
    inside = {"inside.example": [["10.0.0.1"]], "public.example": [[PUBLIC]]}
    async with foreign({"/": moved(location, status), "/done": ok()}) as server:
        detour = Detour({PUBLIC: server.port})
        async with opened(Names(inside), detour) as fetcher:
            with pytest.raises((UrlNotAllowed, FetchFailed)) as told:
                await fetcher.get("http://public.example/", max_bytes=9, param="from")
            assert told.value.param == "from"
        assert {host for host, _ in detour.sent} == {PUBLIC}
        assert {port for _, port in detour.sent} == {80}


@pytest.mark.asyncio
async def test_redirects_are_followed_within_bounds() -> None:
    pages = {f"/{i}": moved(f"/{i - 1}", 301 + i % 3) for i in range(1, 9)} | {"/0": ok()}
    async with foreign(pages) as server:
        names = Names({"public.example": [[PUBLIC]]})
        async with opened(names, Detour({PUBLIC: server.port})) as fetcher:
            found = await fetcher.get("http://public.example/5", max_bytes=9)
            assert (found.body, found.url) == (b"sound", "http://public.example/0")
            assert len(server.requests) == 6
            with pytest.raises(FetchFailed) as told:
                await fetcher.get("http://public.example/6", max_bytes=9)
            assert told.value.details == {"reason": "redirects"}


@pytest.mark.asyncio
async def test_a_loop_of_redirects_ends() -> None:
    async with foreign({"/a": moved("/b"), "/b": moved("http://public.example/a")}) as server:
        names = Names({"public.example": [[PUBLIC]]})
        async with opened(names, Detour({PUBLIC: server.port})) as fetcher:
            with pytest.raises(FetchFailed) as told:
                await fetcher.get("http://public.example/a", max_bytes=9)
        assert told.value.details == {"reason": "redirects"}
        assert server.accepted == 6


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [300, 301, 304])
async def test_a_redirect_without_a_target_is_a_failure(status: int) -> None:
    async with foreign(answer(status)) as server:
        names = Names({"public.example": [[PUBLIC]]})
        async with opened(names, Detour({PUBLIC: server.port})) as fetcher:
            with pytest.raises(FetchFailed) as told:
                await fetcher.get("http://public.example/", max_bytes=9)
    assert told.value.details == {"reason": "status", "status": status}


@pytest.mark.asyncio
async def test_a_post_follows_no_redirect() -> None:
    async with foreign(moved("http://other.example/")) as server:
        names = Names({"public.example": [[PUBLIC]], "other.example": [[PUBLIC]]})
        detour = Detour({PUBLIC: server.port})
        async with opened(names, detour) as fetcher:
            found = await fetcher.post("http://public.example/", b"{}", {"webhook-id": "1"})
        assert (found.status, found.headers["location"]) == (302, "http://other.example/")
        assert names.asked == ["public.example"]
        assert len(detour.sent) == 1


@pytest.mark.asyncio
async def test_headers_for_one_origin_never_reach_another() -> None:
    pages = {
        "/": moved("/same"),
        "/same": moved("http://other.example/away"),
        "/away": moved("http://public.example/back"),
        "/back": ok(),
    }
    async with foreign(pages) as server:
        names = Names({"public.example": [[PUBLIC]], "other.example": [[PUBLIC]]})
        async with opened(names, Detour({PUBLIC: server.port})) as fetcher:
            secret = {"Authorization": "Bearer secret", "x-key": "1", "Host": "evil.example"}
            await fetcher.get("http://public.example/", max_bytes=9, headers=secret)
        told = ["authorization" in request.headers for request in server.requests]
        assert told == [True, True, False, False]
        assert ["x-key" in request.headers for request in server.requests] == told
        hosts = [request.headers["host"] for request in server.requests]
        assert hosts == ["public.example", "public.example", "other.example", "public.example"]


@pytest.mark.asyncio
async def test_cookies_are_not_kept() -> None:
    page = moved("/b")[:-2] + b"set-cookie: a=1\r\n\r\n"
    async with foreign({"/a": page, "/b": ok(set_cookie="b=2")}) as server:
        names = Names({"public.example": [[PUBLIC]]})
        async with opened(names, Detour({PUBLIC: server.port})) as fetcher:
            await fetcher.get("http://public.example/a", max_bytes=9)
            await fetcher.get("http://public.example/b", max_bytes=9)
        assert not any("cookie" in request.headers for request in server.requests)


@pytest.mark.asyncio
async def test_a_connection_serves_one_request() -> None:
    async with foreign(ok(connection="keep-alive")) as server:
        names = Names({"one.example": [[PUBLIC]], "two.example": [[PUBLIC]]})
        detour = Detour({PUBLIC: server.port})
        async with opened(names, detour) as fetcher:
            for name in ("one", "one", "two"):
                await fetcher.get(f"http://{name}.example/", max_bytes=9)
        assert server.accepted == len(detour.sent) == 3
        assert names.asked == ["one.example", "one.example", "two.example"]


@pytest.mark.asyncio
async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with foreign(ok(b"proxy")) as proxy, foreign(ok()) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("REQUEST_METHOD", raising=False)
        fetcher = Fetcher(allow=["127.0.0.1"], ports=[server.port])
        found = await fetcher.get(f"http://127.0.0.1:{server.port}/", max_bytes=9)
        await fetcher.aclose()
        assert (found.body, proxy.accepted) == (b"sound", 0)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("allow", "url", "reached"),
    [
        (["127.0.0.1"], "http://127.0.0.1/", True),
        (["127.0.0.0/8"], "http://127.0.0.1/", True),
        (["127.0.0.0/8"], "http://hooks.internal/", True),
        (["127.0.0.0/8"], "http://localhost/", True),
        (["localhost"], "http://localhost/", True),
        (["localhost"], "http://127.0.0.1/", False),
        (["hooks.internal"], "http://hooks.internal/", True),
        (["hooks.internal"], "http://HOOKS.internal/", True),
        (["*.internal"], "http://hooks.internal/", True),
        ([".internal"], "http://hooks.internal/", True),
        (["hooks.internal"], "http://other.internal/", False),
        (["internal"], "http://hooks.internal/", False),
        (["10.0.0.0/8"], "http://hooks.internal/", False),
        (["127.0.0.1"], "http://2130706433/", False),
        (["127.0.0.1"], "http://127.0.0.1:22/", False),
        (["127.0.0.1"], "http://user@127.0.0.1/", False),
        (["127.0.0.1"], "http://[::ffff:127.0.0.1]/", False),
        (["hooks.internal"], "http://hooks.internal:8080/", False),
        (["meta.internal"], "http://meta.internal/", False),
        (["0.0.0.0/0"], "http://meta.internal/", False),
        (["meta.internal", "169.254.169.254"], "http://meta.internal/", True),
        (["hooks.internal"], "http://mixed.internal/", False),
        (["mixed.internal"], "http://mixed.internal/", True),
    ],
)
async def test_a_list_opens_private_hosts(allow: list[str], url: str, reached: bool) -> None:
    names = Names(
        {
            "hooks.internal": [["127.0.0.1"]],
            "other.internal": [["127.0.0.1"]],
            "localhost": [["127.0.0.1"]],
            "meta.internal": [["169.254.169.254"]],
            "mixed.internal": [["127.0.0.1", PUBLIC]],
        }
    )
    async with foreign(ok()) as server:
        detour = Detour({"127.0.0.1": server.port, "169.254.169.254": server.port})
        async with opened(names, detour, allow=allow) as fetcher:
            if reached:
                fetcher.check(url)
                assert (await fetcher.get(url, max_bytes=9)).body == b"sound"
            else:
                await refused(fetcher, url)
        assert bool(detour.sent) == reached


@pytest.mark.asyncio
async def test_a_listed_name_can_send_us_only_where_anyone_could() -> None:
    names = Names({"hooks.internal": [["127.0.0.1"]], "db.internal": [["10.0.0.2"]]})
    for location in ("http://127.0.0.1/", "http://db.internal/", "http://10.0.0.2/"):
        async with foreign(moved(location)) as server:
            detour = Detour({"127.0.0.1": server.port})
            async with opened(names, detour, allow=["hooks.internal"]) as fetcher:
                with pytest.raises(UrlNotAllowed):
                    await fetcher.get("http://hooks.internal/", max_bytes=9)
            assert server.accepted == len(detour.sent) == 1


def test_a_bad_list_is_refused_at_once() -> None:
    with pytest.raises(InvalidParameter) as told:
        Fetcher(allow=["10.0.0.0/8", "http://x"])
    assert told.value.param == "fetch_allow"


@pytest.mark.parametrize(
    ("url", "ports", "fine"),
    [
        ("http://public.example/", [80], True),
        ("http://public.example:80/", [80], True),
        ("https://public.example/", [80], False),
        ("https://public.example:80/", [80], True),
        ("http://public.example:443/", [80], False),
        ("http://public.example:8080/", [8080], True),
        ("http://public.example/", [8080], False),
        ("http://public.example:0/", [80], False),
        ("http://public.example:-80/", [80], False),
        ("http://public.example:65616/", [80], False),
        ("http://public.example:/", [80], True),
        ("http://8.8.8.8/", [80], True),
        ("http://[2606:4700::1111]/", [80], True),
        ("http://bücher.example/a b?c=ü#d", [80], True),
    ],
)
def test_ports_are_those_that_are_listed(url: str, ports: list[int], fine: bool) -> None:
    if fine:
        check_url(url, allow=Allow(), ports=ports)
    else:
        with pytest.raises(UrlNotAllowed):
            check_url(url, allow=Allow(), ports=ports)


@pytest.mark.asyncio
async def test_what_is_asked_for_is_what_was_given() -> None:
    async with foreign(ok(content_type="audio/wav")) as server:
        names = Names({"xn--bcher-kva.example": [[PUBLIC]]})
        detour = Detour({PUBLIC: server.port, "2606:4700::1111": server.port})
        async with opened(names, detour, ports=(80, 8080)) as fetcher:
            found = await fetcher.get("http://bücher.example:8080/a b?c=ü#d", max_bytes=9)
            assert (found.status, found.headers["content-type"]) == (200, "audio/wav")
            await fetcher.post("http://[2606:4700::1111]:8080", b"body", {"Content-Type": "text/x"})
        first, second = server.requests
        assert first.line == "GET /a%20b?c=%C3%BC HTTP/1.1"
        assert first.headers["host"] == "xn--bcher-kva.example:8080"
        assert first.headers["user-agent"].startswith("Streamer/")
        assert first.headers["accept-encoding"] == "identity"
        assert second.line == "POST / HTTP/1.1"
        assert second.headers["host"] == "[2606:4700::1111]:8080"
        assert (second.headers["content-type"], second.body) == ("text/x", b"body")
        assert detour.sent == [(PUBLIC, 8080), ("2606:4700::1111", 8080)]


@pytest.mark.asyncio
async def test_the_resolver_is_the_systems_and_has_threads_of_its_own() -> None:
    async with foreign(ok()) as server:
        fetcher = Fetcher(allow=["localhost"], ports=[server.port])
        found = await asyncio.gather(
            *(fetcher.get(f"http://localhost:{server.port}/", max_bytes=9) for _ in range(20))
        )
        assert {one.body for one in found} == {b"sound"}
        await fetcher.aclose()
