"""A Kafka that wants a client certificate and an access token: TLS, and OAUTHBEARER with client credentials."""

import base64
import json
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.stack.kafka import Kafka
from sandbox.stack.ports import reserve_port
from services.contracts.topics import Topic
from services.runtime.kafka.client import build_client_options, make_producer
from services.runtime.kafka.publisher import KafkaUnavailableError
from services.runtime.kafka.topics import create_topics
from services.runtime.settings import KafkaSettings
from tests.support.certificates import Authority
from tests.support.serving import serve_in_thread

pytestmark = pytest.mark.kafka

CLIENT, SECRET = "sync", "word"

PROPERTIES = """
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port},SASL_SSL://127.0.0.1:{secure_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{secure_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
sasl.enabled.mechanisms=OAUTHBEARER
listener.name.sasl_ssl.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule \
required unsecuredLoginStringClaim_sub="broker";
listener.name.sasl_ssl.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
"""
"""A listener that accepts unsigned tokens, and only clients with a certificate of the authority."""


class SecureKafka(Kafka):
    """A Kafka with a second listener."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        super().__init__(folder)
        self.secure_port = reserve_port()
        server = authority.issue("kafka")
        self._keystore = authority.write("server.pem", server.key, server.certificate)
        self._truststore = authority.cafile

    def _write_properties(self) -> Path:
        path = super()._write_properties()
        added = PROPERTIES.format(
            port=self.port,
            controller_port=self._controller_port,
            secure_port=self.secure_port,
            keystore=self._keystore,
            truststore=self._truststore,
        )
        path.write_text(path.read_text() + added)
        return path


def encode(part: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


async def issue_token(request: Request) -> Response:
    """Answers as an authorization server, with an unsigned token."""
    credentials = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
    if request.headers["authorization"] != f"Basic {credentials}":
        return JSONResponse({"error": "invalid_client"}, 401)
    now = int(time.time())
    claims: dict[str, object] = {"sub": CLIENT, "iat": now, "exp": now + 600}
    return JSONResponse({"access_token": f"{encode({'alg': 'none'})}.{encode(claims)}.", "expires_in": 600})


@contextmanager
def serve_tokens() -> Iterator[str]:
    """Yields the address of the authorization server."""
    with serve_in_thread(Starlette(routes=[Route("/token", issue_token, methods=["POST"])])) as address:
        yield f"{address}/token"


@pytest.fixture(scope="module")
async def secure_settings(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KafkaSettings]:
    """The settings of a client that the listener accepts."""
    folder = tmp_path_factory.mktemp("secure-kafka")
    authority = Authority(folder)
    issued = authority.issue("sync", "key-word")
    with serve_tokens() as url:
        async with SecureKafka(folder / "kafka", authority) as kafka:
            yield KafkaSettings(
                kafka_bootstrap_servers=f"127.0.0.1:{kafka.secure_port}",
                kafka_security_protocol="SASL_SSL",
                kafka_sasl_mechanism="OAUTHBEARER",
                kafka_oauth_token_url=url,
                kafka_oauth_client_id=CLIENT,
                kafka_oauth_client_secret=SecretStr(SECRET),
                kafka_ssl_cafile=authority.cafile,
                kafka_ssl_certfile=authority.write("client.pem", issued.certificate),
                kafka_ssl_keyfile=authority.write("client.key", issued.key),
                kafka_ssl_key_password=SecretStr("key-word"),
                kafka_partitions=1,
                kafka_request_timeout_ms=10_000,
            )
    shutil.rmtree(folder)


async def test_certificate_and_token_open_every_kind_of_client(secure_settings: KafkaSettings) -> None:
    """Topics are created, and a record is written and read."""
    topic = secure_settings.topic(Topic.DEAD_LETTERS)

    await create_topics(secure_settings)
    producer = make_producer(secure_settings, "test")
    async with producer, AIOKafkaConsumer(topic, **build_client_options(secure_settings)) as consumer:
        await consumer.seek_to_beginning()
        await producer.send_and_wait(topic, b"value")
        record = await consumer.getone()

    assert record.value == b"value"


@pytest.mark.parametrize(
    "change",
    [{"kafka_ssl_certfile": None}, {"kafka_oauth_client_secret": SecretStr("wrong")}],
    ids=["no certificate", "wrong secret"],
)
async def test_client_without_its_certificate_or_token_gets_nothing(
    secure_settings: KafkaSettings, change: dict[str, object]
) -> None:
    """Both are required, so that the test above shows that both are sent."""
    with pytest.raises(KafkaUnavailableError):
        await create_topics(secure_settings.model_copy(update=change))
