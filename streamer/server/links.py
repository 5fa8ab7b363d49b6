"""Addresses of this server as clients can use them: where it is, and signed links to files."""

from __future__ import annotations

import re

from starlette.requests import HTTPConnection

from streamer.config import Settings
from streamer.errors import InvalidParameter
from streamer.files import FileStore
from streamer.protocols.native.fields import Link
from streamer.resources import StoredFile
from streamer.server.requests import scheme_of

AUTHORITY = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
"""A header Host that is one."""
_BASE = re.compile(r"https?://[^\s?#@]+")


class Links:
    """Links that begin with the setting `public_url`, or as the client that asks reached us. Raises
    `InvalidParameter` for a bad setting."""

    def __init__(self, settings: Settings, files: FileStore) -> None:
        if settings.public_url and not _BASE.fullmatch(settings.public_url):
            raise InvalidParameter(
                "public_url is http:// or https://, a host, and a path maybe", param="public_url"
            )
        self._public = settings.public_url.rstrip("/")
        self._files = files

    def base(self, request: HTTPConnection) -> str:
        """Scheme and authority, without a slash behind. Raises `InvalidParameter` for a bad Host."""
        if self._public:
            return self._public
        host = request.headers.get("host", "")
        if not AUTHORITY.fullmatch(host):
            raise InvalidParameter("the header Host is not a host", param="host")
        return f"{scheme_of(request.scope)}://{host}"

    def from_base(self, base: str) -> Link:
        """Links to files: whoever has one can read its file, for as long as there is one."""
        start = self._public or base

        def link(file: StoredFile) -> str:
            query = self._files.sign(file.id, until=file.expires)
            return f"{start}/v1/files/{file.id}/content?{query}"

        return link

    def of(self, request: HTTPConnection) -> Link:
        return self.from_base(self.base(request))
