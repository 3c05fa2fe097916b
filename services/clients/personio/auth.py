"""Authenticates at Personio: access tokens, and the requests that carry them.

Each credential authenticates once in the lifetime of a token, for all clients of a process.
"""

import asyncio
import hashlib
import json
from dataclasses import dataclass, field

import httpx

from services.clients.http.responses import parse_json_object
from services.clients.personio.errors import (
    ADDRESS_HINT,
    RETRY_HINT,
    PersonioAddressError,
    PersonioCredentialsError,
    PersonioUnavailableError,
)
from services.clients.personio.requests import AUTH_PATH, Query, RequestSender
from services.contracts.connections import PersonioAccess
from services.runtime.clock import Clock

MAX_LIFETIME_SECONDS = 86_400.0
"""Maximum lifetime of a token from its first issue."""
RENEWAL_SECONDS = 300.0
"""Time before the end of its lifetime at which a token is renewed."""
MAX_TOKENS = 10_000
"""Maximum number of cached tokens. Above it, all are dropped, and each credential authenticates once more."""


def hash_credential(access: PersonioAccess) -> str:
    """Returns a hash that stands for a credential in memory.

    A changed secret is another credential, so that a wrong secret never uses what the right one has obtained.
    """
    credential = json.dumps([access.url, access.client_id, access.client_secret.get_secret_value()])
    return hashlib.sha256(credential.encode()).hexdigest()


@dataclass(slots=True)
class CachedToken:
    """The token of one credential."""

    token: str | None = field(default=None, repr=False)
    """The access token; None before the first authentication."""
    renew_at: float = 0.0
    """Monotonic time, in seconds, from which a new token is requested."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Lets one caller authenticate while the others wait for its token."""


class TokenCache:
    """The tokens of all credentials of a process, in memory."""

    def __init__(self) -> None:
        """Starts without tokens."""
        self._tokens: dict[str, CachedToken] = {}

    def get(self, access: PersonioAccess) -> CachedToken:
        """Returns the token of a credential."""
        key = hash_credential(access)
        if key not in self._tokens and len(self._tokens) >= MAX_TOKENS:
            self._tokens.clear()
        return self._tokens.setdefault(key, CachedToken())


class Authenticator:
    """Sends the requests of one credential with its token.

    It is not an ``httpx.Auth``: ``HttpClient`` bypasses httpx's authentication flow on purpose, because the flow costs
    time on every request. The authenticator sets the header instead, and sends through the client.
    """

    def __init__(self, access: PersonioAccess, sender: RequestSender, tokens: TokenCache, clock: Clock) -> None:
        """``sender`` sends requests without a token. ``tokens`` may be shared with other clients."""
        self._access = access
        self._send = sender.send
        self._cached = tokens.get(access)
        self._clock = clock

    async def send_get(self, path: str, params: Query, *, is_decoded: bool = True) -> httpx.Response:
        """Sends a ``GET`` request with a token. Authenticates again, once, if Personio refuses the token.

        With ``is_decoded`` false, a large body is left as it is, as ``HttpClient`` does.
        Personio answers 403 both to an expired token and to a missing right. A second token tells the two apart.
        """
        token = await self._get_token()

        async def send(token: str) -> httpx.Response:
            headers = {"Authorization": f"Bearer {token}"}
            return await self._send("GET", path, params=params, headers=headers, is_decoded=is_decoded)

        response = await send(token)
        status = response.status_code
        if status in {401, 403}:
            fresh = await self._get_token(refused=token)
            if status == httpx.codes.UNAUTHORIZED or fresh != token:
                return await send(fresh)
        return response

    async def _get_token(self, refused: str | None = None) -> str:
        cached = self._cached
        async with cached.lock:
            if cached.token is None or cached.token == refused or self._clock.monotonic() >= cached.renew_at:
                cached.token, cached.renew_at = await self._authenticate()
            return cached.token

    # https://developer.personio.de/reference/auth
    async def _authenticate(self) -> tuple[str, float]:
        """Requests a token with ``POST /v1/auth``. Returns it and the monotonic time at which it is renewed.

        The credentials are in the body. Personio returns the same token for 24 hours, and allows 60 requests a minute.
        """
        secret = self._access.client_secret.get_secret_value()
        credentials = json.dumps({"client_id": self._access.client_id, "client_secret": secret})
        response = await self._send(
            "POST", AUTH_PATH, content=credentials.encode(), headers={"Content-Type": "application/json"}
        )
        if response.status_code in {400, 401, 403, 422}:
            raise PersonioCredentialsError(
                f"Personio refuses the client_id and client_secret ({response.status_code}): generate new ones in Personio "
                "(Settings, API credentials) and store them with `connections secrets ID --personio-client-id ...`"
            )
        if response.status_code == httpx.codes.NOT_FOUND or response.has_redirect_location:
            raise PersonioAddressError(f"the path {AUTH_PATH} does not exist ({response.status_code}): {ADDRESS_HINT}")
        data = (parse_json_object(response) or {}).get("data")
        token = data.get("token") if isinstance(data, dict) else None
        if response.status_code != httpx.codes.OK or not isinstance(token, str) or not isinstance(data, dict):
            raise PersonioUnavailableError(
                f"the answer to {AUTH_PATH} ({response.status_code}) does not come from Personio's API: {RETRY_HINT}"
            )
        seconds = _parse_lifetime(data.get("expires_in"))
        return token, self._clock.monotonic() + seconds - min(RENEWAL_SECONDS, seconds / 2)


def _parse_lifetime(expires_in: object) -> float:
    """Returns the rest of a token's lifetime in seconds; a full day if Personio leaves it out."""
    if not isinstance(expires_in, int | float) or isinstance(expires_in, bool):
        return MAX_LIFETIME_SECONDS
    return float(min(max(expires_in, 0), MAX_LIFETIME_SECONDS))
