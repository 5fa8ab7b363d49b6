"""What a URL must be like before its name is looked up: form, scheme, port, literal address.

httpx is imported at the first URL: it costs 35 ms and 6 MB, and most servers never open one.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from typing import TYPE_CHECKING

from streamer.errors import UrlNotAllowed
from streamer.fetch.addresses import Allow, read_host

if TYPE_CHECKING:
    import httpx

URL_CHARACTERS = 8192
_PORTS = {"http": 80, "https": 443}
_LOOPBACK = (ip_address("127.0.0.1"), ip_address("::1"))


def read_url(url: str, *, allow: Allow, ports: Collection[int], param: str = "url") -> httpx.URL:
    """The URL as it may be requested. Raises `UrlNotAllowed`."""
    import httpx

    try:
        if len(url) > URL_CHARACTERS:
            raise ValueError("too long")
        parsed = httpx.URL(url)
        if parsed.scheme not in _PORTS:
            raise UrlNotAllowed("only http and https URLs are opened", param=param)
        host = parsed.raw_host.decode("ascii")
        address = read_host(host)
    except (httpx.InvalidURL, ValueError):
        raise UrlNotAllowed("not a URL with a plain host name or address", param=param) from None
    if parsed.userinfo:
        raise UrlNotAllowed("a URL with a user name or password is not opened", param=param)
    if port_of(parsed) not in ports:
        raise UrlNotAllowed("this port is not opened", param=param)
    if address is not None:
        fine = allow.permits(address)
    elif host == "localhost" or host.endswith(".localhost"):
        fine = allow.lists(host) or any(allow.permits(each) for each in _LOOPBACK)
    else:
        fine = True
    if not fine:
        raise forbidden(param)
    return parsed


def check_url(url: str, *, allow: Allow, ports: Collection[int], param: str = "url") -> None:
    """Form, scheme, port and literal addresses; names are not resolved. Raises `UrlNotAllowed`."""
    read_url(url, allow=allow, ports=ports, param=param)


def trusted_url(url: str, param: str = "url") -> httpx.URL:
    """A URL of the settings, or of an answer from there: any host and port. Raises `UrlNotAllowed`."""
    import httpx

    try:
        parsed = httpx.URL(url)
        if parsed.scheme not in _PORTS or not parsed.raw_host or parsed.userinfo:
            raise ValueError("not one that we open")
    except (httpx.InvalidURL, ValueError):
        raise UrlNotAllowed("not an http or https URL", param=param) from None
    return parsed


def same_origin(url: str, other: str) -> bool:
    """Whether two URLs are of one scheme, host and port; False where one is none."""
    try:
        return origin_of(trusted_url(url)) == origin_of(trusted_url(other))
    except UrlNotAllowed:
        return False


def joined(here: httpx.URL, location: str, param: str) -> httpx.URL:
    """Where a `location` leads. Raises `UrlNotAllowed`."""
    import httpx

    try:
        return trusted_url(str(here.join(location)), param)
    except (httpx.InvalidURL, ValueError):
        raise UrlNotAllowed("redirected to what is no URL", param=param) from None


def redirected(
    here: httpx.URL, location: str, *, allow: Allow, ports: Collection[int], param: str
) -> httpx.URL:
    """Where an answer from `here` sends us. Raises `UrlNotAllowed`."""
    import httpx

    try:
        joined = str(here.join(location))
    except (httpx.InvalidURL, ValueError):
        raise UrlNotAllowed("redirected to what is no URL", param=param) from None
    then = read_url(joined, allow=allow, ports=ports, param=param)
    if here.scheme == "https" and then.scheme != "https":
        raise UrlNotAllowed("redirected from https to http", param=param)
    return then


def port_of(url: httpx.URL) -> int:
    return _PORTS[url.scheme] if url.port is None else url.port


def origin_of(url: httpx.URL) -> tuple[str, bytes, int]:
    """Scheme, host, port."""
    return url.scheme, url.raw_host, port_of(url)


def forbidden(param: str) -> UrlNotAllowed:
    return UrlNotAllowed("this host is not opened: not public, and not allowed here", param=param)
