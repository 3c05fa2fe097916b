"""The only place that makes brokers and producers, and so the only one that decides how Kafka is used.

At least once: nothing is committed before it is done; every producer is idempotent and waits for all replicas; no
topic is created by the way. Bodies are never validated by FastStream, whose errors would quote them.
"""

import asyncio
import ssl
from collections.abc import Awaitable
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from services.runtime.settings import KafkaSettings

MAX_BATCH_BYTES = 262_144
RECORD_MAX_BYTES = 1_048_588
"""What a topic of ours takes at once; Kafka's own default, set so that a smaller one of the cluster does not count."""
DEAD_LETTER_MAX_BYTES = 2_097_152
"""A dead letter is the original record and its headers: it must fit wherever the record did."""


def _context(settings: KafkaSettings) -> ssl.SSLContext | None:
    return (
        ssl.create_default_context(cafile=settings.kafka_ssl_cafile)
        if "SSL" in settings.kafka_security_protocol[-3:]
        else None
    )


def _security(settings: KafkaSettings) -> BaseSecurity | None:
    context = _context(settings)
    if not settings.kafka_security_protocol.startswith("SASL"):
        return BaseSecurity(ssl_context=context, use_ssl=context is not None) if context else None
    kinds = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
    password = settings.kafka_sasl_password.get_secret_value() if settings.kafka_sasl_password else ""
    return kinds[settings.kafka_sasl_mechanism](
        username=settings.kafka_sasl_username or "", password=password, ssl_context=context, use_ssl=context is not None
    )


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """How any aiokafka client reaches the cluster."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers.split(","),
        "security_protocol": settings.kafka_security_protocol,
        "ssl_context": _context(settings),
        "request_timeout_ms": settings.kafka_request_timeout_ms,
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        password = settings.kafka_sasl_password.get_secret_value() if settings.kafka_sasl_password else ""
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": password,
        }
    return options


def make_broker(settings: KafkaSettings, name: str, graceful_timeout: float) -> KafkaBroker:
    """The broker of one consuming service; ``name`` tells its members apart in Kafka's logs."""
    return KafkaBroker(
        settings.kafka_bootstrap_servers.split(","),
        client_id=name,
        ack_policy=AckPolicy.NACK_ON_ERROR,
        consumer_only=True,  # publishing is the business of ``Publisher`` alone
        allow_auto_create_topics=False,
        graceful_timeout=graceful_timeout,
        request_timeout_ms=settings.kafka_request_timeout_ms,
        security=_security(settings),
        logger=None,
    )


def make_producer(settings: KafkaSettings, name: str) -> AIOKafkaProducer:
    """The producer behind ``Publisher``; nobody else needs one."""
    return AIOKafkaProducer(
        **client_options(settings),
        client_id=name,
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        max_batch_size=MAX_BATCH_BYTES,
        max_request_size=DEAD_LETTER_MAX_BYTES,
    )


async def stopped(consumer: AIOKafkaConsumer, stopping: Awaitable[None]) -> None:
    """Waits until ``stopping`` has stopped the consumer.

    While Kafka is away, aiokafka 0.14 ends that with a cancellation that nobody asked for, its connections still open.
    """
    try:
        await stopping
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
    finally:
        await consumer._client.close()  # noqa: SLF001 - see above; harmless when it is closed
