"""Access tokens for Kafka (OAUTHBEARER), with the client credentials grant of OAuth 2.0 (RFC 6749, section 4.4)."""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable

import httpx
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

from services.runtime.settings import KafkaSettings

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
"""Maximum time of a request for a token, in seconds."""
DEFAULT_LIFETIME_SECONDS = 300.0
"""Lifetime of a token if the endpoint names none, in seconds."""
RENEWAL_SECONDS = 30.0
"""Time before the end of its lifetime at which a token is renewed, in seconds."""


class TokenProvider(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types
    """Gets tokens from KAFKA_OAUTH_TOKEN_URL. One token serves all connections of a client until shortly before its end.

    aiokafka asks for a token at each connection. Kafka closes a connection when its token ends, if it is set up to do so; the
    next connection then has a new token.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``transport`` replaces the network in tests, and ``monotonic`` the time in seconds."""
        self._settings = settings
        self._transport = transport
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._token = ""
        self._renew_at = float("-inf")

    async def token(self) -> str:
        """Returns a token that has not ended. Raises ``KafkaConnectionError`` if the endpoint gives none."""
        async with self._lock:
            if self._monotonic() >= self._renew_at:
                try:
                    await self._renew()
                except (httpx.HTTPError, ValueError) as error:
                    problem = _describe(error)
                    logger.warning("no token for Kafka: %s", problem)
                    raise KafkaConnectionError(problem) from None
            return self._token

    async def _renew(self) -> None:
        settings = self._settings
        secret = settings.kafka_oauth_client_secret.get_secret_value() if settings.kafka_oauth_client_secret else ""
        form = {"grant_type": "client_credentials"}
        if settings.kafka_oauth_scope:
            form["scope"] = settings.kafka_oauth_scope
        asked_at = self._monotonic()
        async with httpx.AsyncClient(
            verify=_create_context(settings), timeout=TIMEOUT_SECONDS, transport=self._transport
        ) as client:
            response = await client.post(
                settings.kafka_oauth_token_url or "", data=form, auth=(settings.kafka_oauth_client_id or "", secret)
            )
        response.raise_for_status()
        answer = response.json()
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise ValueError("the answer has no access_token")
        self._token = token
        seconds = _parse_lifetime(answer.get("expires_in"))
        self._renew_at = asked_at + seconds - min(RENEWAL_SECONDS, seconds / 2)


def _create_context(settings: KafkaSettings) -> ssl.SSLContext:
    """Returns a context that accepts the system's certificates, and those of Kafka's servers."""
    context = ssl.create_default_context()
    if settings.kafka_ssl_cafile:
        context.load_verify_locations(settings.kafka_ssl_cafile)
    return context


def _parse_lifetime(expires_in: object) -> float:
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float) or not expires_in > 0:
        return DEFAULT_LIFETIME_SECONDS
    return float(expires_in)


def _describe(error: httpx.HTTPError | ValueError) -> str:
    """Returns what is wrong and what to do, without quoting the answer."""
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        return (
            f"KAFKA_OAUTH_TOKEN_URL answers {status}: check KAFKA_OAUTH_CLIENT_ID, KAFKA_OAUTH_CLIENT_SECRET and "
            "KAFKA_OAUTH_SCOPE"
        )
    if isinstance(error, httpx.HTTPError):
        return f"KAFKA_OAUTH_TOKEN_URL does not answer ({type(error).__name__}): check the address and its certificate"
    return "KAFKA_OAUTH_TOKEN_URL does not answer with a token: check the address"
