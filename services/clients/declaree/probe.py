"""Asks whether a SCIM server works, by a kind of request that this server supports."""

from enum import Enum

import httpx

from services.clients.declaree.answers import is_scim_answer
from services.clients.declaree.exchange import ScimExchange
from services.clients.declaree.resources import parse_users
from services.clients.http.responses import parse_json_object

UNSUPPORTED = frozenset({400, 405, 500, 501})
"""Statuses with which servers answer a kind of lookup that they do not support."""


class _Kind(Enum):
    """A kind of request: path and query."""

    LIST = ("/Users", "startIndex=1&count=1")
    """One user of a list (RFC 7644, section 3.4.2.4), the connection test of identity providers."""
    FILTER = ("/Users", "filter=externalId%20eq%20%22no-such-account%22")
    """A lookup of an external id that no account has (RFC 7644, section 3.4.2.2)."""
    CONFIG = ("/ServiceProviderConfig", "")
    """What the server says about itself (RFC 7644, section 4). It says little about the server's accounts."""


class Probe:
    """Probes one server, and remembers which kind of request works."""

    def __init__(self, exchange: ScimExchange) -> None:
        """``exchange`` sends the requests."""
        self.has_found = False
        """Whether a list or a lookup by filter has ever worked. Then ``/ServiceProviderConfig`` proves nothing."""
        self._exchange = exchange
        self._preferred = _Kind.LIST

    async def run(self) -> None:
        """Raises the errors of a lookup if the server does not accept requests with this key."""
        refusals: list[httpx.Response] = []
        kinds = sorted((_Kind.LIST, _Kind.FILTER), key=lambda kind: kind is not self._preferred)
        for kind in (*kinds, *(() if self.has_found else (_Kind.CONFIG,))):
            response = await self._exchange.get(*kind.value, is_probe=True)
            if self._is_answered(kind, response, has_users=all(reply.status_code != 404 for reply in refusals)):
                if kind is not _Kind.CONFIG:
                    self._preferred, self.has_found = kind, True
                return
            refusals.append(response)
        self._exchange.raise_lookup_error(refusals[0])

    def _is_answered(self, kind: _Kind, response: httpx.Response, *, has_users: bool) -> bool:
        """Whether the response shows that the server works; False to try the next kind.

        ``has_users`` is false if ``/Users`` was answered with a 404: a second 404 is then no answer to the filter.
        """
        status = response.status_code
        if kind is _Kind.CONFIG:
            self._exchange.raise_connection_error(response)
            return status < 300 and parse_json_object(response) is not None
        if status == httpx.codes.NOT_FOUND and is_scim_answer(response):
            return kind is _Kind.FILTER and has_users
        if status in UNSUPPORTED:
            return False
        self._exchange.raise_lookup_error(response)
        parse_users(response)
        return True
