"""Access tokens for Kafka: one request for many connections, renewed before the end."""

import asyncio
import base64
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from aiokafka.errors import KafkaConnectionError
from pydantic import SecretStr

from services.runtime.kafka.client import build_client_options
from services.runtime.kafka.tokens import TokenProvider
from services.runtime.settings import KafkaSettings
from tests.support.fakes import FakeClock

SETTINGS = KafkaSettings(
    kafka_bootstrap_servers="kafka:9092",
    kafka_security_protocol="SASL_PLAINTEXT",
    kafka_sasl_mechanism="OAUTHBEARER",
    kafka_oauth_token_url="https://login.example/token",
    kafka_oauth_client_id="sync",
    kafka_oauth_client_secret=SecretStr("word"),
    kafka_oauth_scope="kafka",
)


class Endpoint:
    """Answers with token-1, token-2 and so on, or with what the test says."""

    def __init__(self, answer: Any = None, status: int = 200, expires_in: object = 3600) -> None:
        self.requests: list[httpx.Request] = []
        self._answer = answer
        self._status = status
        self._expires_in = expires_in

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        token = {"access_token": f"token-{len(self.requests)}", "expires_in": self._expires_in}
        answer = token if self._answer is None else self._answer
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(self._status, json=answer)


def make_provider(endpoint: Endpoint, clock: FakeClock | None = None) -> TokenProvider:
    monotonic = (clock or FakeClock()).monotonic
    return TokenProvider(SETTINGS, transport=httpx.MockTransport(endpoint), monotonic=monotonic)


async def test_request_has_the_credentials_and_the_scope() -> None:
    """The secret is in the header, as RFC 6749 wants it of every server."""
    endpoint = Endpoint()

    token = await make_provider(endpoint).token()

    (request,) = endpoint.requests
    assert token == "token-1"
    assert str(request.url) == "https://login.example/token"
    assert request.headers["Authorization"] == f"Basic {base64.b64encode(b'sync:word').decode()}"
    assert parse_qs(request.content.decode()) == {"grant_type": ["client_credentials"], "scope": ["kafka"]}


async def test_connections_at_once_share_a_token() -> None:
    """A client opens several connections when it starts."""
    endpoint = Endpoint()
    provider = make_provider(endpoint)

    tokens = await asyncio.gather(*(provider.token() for _ in range(5)))

    assert set(tokens) == {"token-1"}
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    ("expires_in", "renewed_after"), [(3600, 3570), (40, 20), (None, 270), ("soon", 270), (-1, 270), (True, 270)]
)
async def test_token_is_renewed_before_its_end(expires_in: object, renewed_after: float) -> None:
    """Without a lifetime in the answer, five minutes apply."""
    clock = FakeClock()
    provider = make_provider(Endpoint(expires_in=expires_in), clock)

    first = await provider.token()
    await clock.sleep(renewed_after - 1)
    second = await provider.token()
    await clock.sleep(1)
    third = await provider.token()

    assert [first, second, third] == ["token-1", "token-1", "token-2"]


@pytest.mark.parametrize(
    ("endpoint", "problem"),
    [
        (Endpoint({"error": "the secret is word"}, status=401), "answers 401: check KAFKA_OAUTH_CLIENT_ID"),
        (Endpoint(status=302), "answers 302"),
        (Endpoint({"access_token": ""}), "does not answer with a token"),
        (Endpoint({"access_token": "ü"}), "does not answer with a token"),
        (Endpoint({"access_token": "a\x01b"}), "does not answer with a token"),
        (Endpoint(["token"]), "does not answer with a token"),
        (Endpoint(httpx.ConnectError("word")), r"does not answer \(ConnectError\)"),
    ],
)
async def test_missing_token_is_an_error_of_kafka(
    endpoint: Endpoint, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Aiokafka then tries again later. The log says what to check, and quotes nothing."""
    with pytest.raises(KafkaConnectionError, match=problem):
        await make_provider(endpoint).token()

    (record,) = caplog.records
    assert record.getMessage().startswith("no token for Kafka: KAFKA_OAUTH_TOKEN_URL ")
    assert "word" not in record.getMessage()


async def test_error_is_not_kept() -> None:
    """The next connection asks again."""
    endpoint = Endpoint(status=503)
    provider = make_provider(endpoint)

    for _ in range(2):
        with pytest.raises(KafkaConnectionError):
            await provider.token()

    assert len(endpoint.requests) == 2


async def test_client_options_have_a_token_provider_and_no_password() -> None:
    """Every client of Kafka gets its options here."""
    options = build_client_options(SETTINGS)

    assert isinstance(options["sasl_oauth_token_provider"], TokenProvider)
    assert options["sasl_mechanism"] == "OAUTHBEARER"
    assert "sasl_plain_password" not in options
