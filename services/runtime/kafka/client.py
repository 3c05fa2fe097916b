"""Brokers, producers and client options: the only module that decides how Kafka is used.

Delivery is at least once: a batch is committed after its work, and every producer is idempotent and waits for all replicas.
Clients never create topics. FastStream never validates bodies, because its errors would quote them.
"""

import asyncio
import ssl
from collections.abc import Awaitable
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity, SASLOAuthBearer, SASLPlaintext, SASLScram256, SASLScram512

from services.runtime.certificates import load_client_certificate
from services.runtime.kafka.tokens import TokenProvider
from services.runtime.settings import KafkaSettings

MAX_BATCH_BYTES = 262_144
"""Maximum size in bytes of a producer's batch for one partition."""
RECORD_MAX_BYTES = 1_048_588
"""Maximum size in bytes of a record batch of a topic. Equals Kafka's default, and is set so that a lower default of the cluster does
not apply."""
METADATA_MAX_AGE_MS = 3_000
"""Age in milliseconds at which a consumer asks for its topic's partitions again. Until then, its group does not notice a new
topic. aiokafka's default is five minutes."""
DEAD_LETTER_MAX_BYTES = 2_097_152
"""Maximum size in bytes of a record batch of the dead-letter topic. A dead letter is the original record with more headers."""


def _create_ssl_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    if not settings.kafka_security_protocol.endswith("SSL"):
        return None
    context = ssl.create_default_context(cafile=settings.kafka_ssl_cafile)
    if settings.kafka_ssl_certfile:
        load_client_certificate(
            context, settings.kafka_ssl_certfile, settings.kafka_ssl_keyfile, settings.kafka_ssl_key_password
        )
    return context


def _build_security(settings: KafkaSettings) -> BaseSecurity | None:
    context = _create_ssl_context(settings)
    if not settings.kafka_security_protocol.startswith("SASL"):
        return BaseSecurity(ssl_context=context, use_ssl=context is not None) if context else None
    if settings.kafka_sasl_mechanism == "OAUTHBEARER":
        return SASLOAuthBearer(ssl_context=context, use_ssl=context is not None)
    mechanisms = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
    password = settings.kafka_sasl_password.get_secret_value() if settings.kafka_sasl_password else ""
    return mechanisms[settings.kafka_sasl_mechanism](
        username=settings.kafka_sasl_username or "", password=password, ssl_context=context, use_ssl=context is not None
    )


def build_client_options(settings: KafkaSettings) -> dict[str, Any]:
    """Returns the options with which any aiokafka client reaches the cluster."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers.split(","),
        "security_protocol": settings.kafka_security_protocol,
        "ssl_context": _create_ssl_context(settings),
        "request_timeout_ms": settings.kafka_request_timeout_ms,
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        password = settings.kafka_sasl_password.get_secret_value() if settings.kafka_sasl_password else ""
        options |= {"sasl_mechanism": settings.kafka_sasl_mechanism}
        if settings.kafka_sasl_mechanism == "OAUTHBEARER":
            return options | {"sasl_oauth_token_provider": TokenProvider(settings)}
        options |= {
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": password,
        }
    return options


def make_broker(settings: KafkaSettings, name: str, graceful_timeout: float) -> KafkaBroker:
    """Returns the broker of one consumer. ``name`` identifies this member in Kafka's logs.

    ``graceful_timeout`` is the time in seconds that the batch in progress gets when the broker stops.
    """
    return KafkaBroker(
        settings.kafka_bootstrap_servers.split(","),
        client_id=name,
        ack_policy=AckPolicy.NACK_ON_ERROR,
        consumer_only=True,  # ``Publisher`` is the only way to publish
        allow_auto_create_topics=False,
        graceful_timeout=graceful_timeout,
        metadata_max_age_ms=METADATA_MAX_AGE_MS,
        request_timeout_ms=settings.kafka_request_timeout_ms,
        security=_build_security(settings),
        sasl_oauth_token_provider=TokenProvider(settings),
        logger=None,
    )


def make_producer(settings: KafkaSettings, name: str) -> AIOKafkaProducer:
    """Returns the producer of a ``Publisher``. ``name`` identifies it in Kafka's logs."""
    return AIOKafkaProducer(
        **build_client_options(settings),
        client_id=name,
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        max_batch_size=MAX_BATCH_BYTES,
        max_request_size=DEAD_LETTER_MAX_BYTES,
    )


async def stop_consumer(consumer: AIOKafkaConsumer, stopping: Awaitable[None]) -> None:
    """Waits until ``stopping`` has stopped the consumer, and closes its connections.

    While Kafka is unavailable, aiokafka 0.14 ends ``stop`` with a ``CancelledError`` although the task was not cancelled,
    and leaves the connections open (https://github.com/aio-libs/aiokafka/issues/647).
    """
    try:
        await stopping
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
    finally:
        await consumer._client.close()  # noqa: SLF001 - see the docstring; closing twice does no harm
