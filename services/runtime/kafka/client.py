"""Consumers, producers and client options: the only module that decides how Kafka is used.

Delivery is at least once: records are committed after their work, and every producer is idempotent and waits for all
replicas.
"""

import asyncio
import ssl
from collections.abc import Awaitable
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

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
MAX_FETCH_BYTES = 8_388_608
"""Maximum size in bytes of the records of all partitions that a consumer fetches from one broker at once. Kafka's default of 50 MB
would fill the memory during a large import."""
MAX_PARTITION_FETCH_BYTES = 1_048_576
"""Maximum size in bytes of the records of one partition in that. A larger record batch is fetched alone."""
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


def make_consumer(
    settings: KafkaSettings, name: str, group: str, *, fetch_bytes: int = MAX_FETCH_BYTES
) -> AIOKafkaConsumer:
    """Returns a consumer of a group. ``name`` identifies this member in Kafka's logs. It commits nothing on its own.

    ``fetch_bytes`` limits what it fetches from one broker at once. A record batch above a quarter of that is fetched when
    aiokafka asks for its partition first: it shuffles them.
    """
    return AIOKafkaConsumer(
        **build_client_options(settings),
        client_id=name,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,  # an idle consumer sends a request this often; a request for stored records returns at once
        fetch_max_bytes=fetch_bytes,
        max_partition_fetch_bytes=min(fetch_bytes // 4, MAX_PARTITION_FETCH_BYTES),
        metadata_max_age_ms=METADATA_MAX_AGE_MS,
        session_timeout_ms=settings.kafka_session_timeout_ms,
        heartbeat_interval_ms=min(3_000, settings.kafka_session_timeout_ms // 3),
        rebalance_timeout_ms=settings.kafka_rebalance_timeout_ms,
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


async def count_members(settings: KafkaSettings, group: str) -> int:
    """Returns the number of members of a consumer group. Raises ``KafkaError``."""
    admin = AIOKafkaAdminClient(**build_client_options(settings))
    try:
        await admin.start()
        answers = await admin.describe_consumer_groups([group])
    finally:
        await admin.close()
    return sum(len(found["members"]) for answer in answers for found in answer.to_object()["groups"])


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
