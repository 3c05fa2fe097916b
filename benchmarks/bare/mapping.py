"""Consume, decode, encode, produce: the mapper's work on its records with aiokafka and pydantic alone.

python -m benchmarks.bare.mapping SERVERS SOURCE TARGET RECORDS FORM

FORM is ``small`` for events as the poller sends them, or ``full`` for events with all attributes.

The loop is tuned: large fetches and batches, many records in flight, one commit a batch. A batch is as large as the
mapper's. Every answer is that of the default mapping, built by hand, with the same headers as the mapper's.
"""

import asyncio
import hashlib
import sys
from collections import Counter
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from benchmarks.bare.full_events import FullEmployeeChanged
from benchmarks.bare.measuring import run_measured
from services.contracts.events import (
    AccountIdentity,
    AccountRequested,
    DesiredAccount,
    EmployeeChanged,
    Event,
    ManagerReference,
)
from services.contracts.outcomes import Intent
from services.contracts.values import Value
from services.mapper.settings import MapperSettings

BATCH: int = MapperSettings.model_fields["mapper_batch_records"].default
"""Records per batch."""

INTENTS = {"active": Intent.PROVISION, "inactive": Intent.DISABLE}
"""The default mapping's intents, by Personio's status; all other statuses are ignored."""

Headers = list[tuple[str, bytes]]


def _map_small(value: bytes) -> AccountRequested:
    event = EmployeeChanged.model_validate_json(value)
    return _build_request(event, event.attributes.__getitem__)


def _map_full(value: bytes) -> AccountRequested:
    event = FullEmployeeChanged.model_validate_json(value)
    return _build_request(event, lambda key: event.attributes[key].value)


FORMS: dict[str, Callable[[bytes], AccountRequested]] = {"small": _map_small, "full": _map_full}
"""The function that decodes and maps an event, by the form of the events."""


def _build_request(event: Event, read: Callable[[str], Value]) -> AccountRequested:
    """Returns the answer of the default mapping. ``read`` returns the value of an attribute."""
    intent = INTENTS.get(str(read("status")), Intent.IGNORE)
    desired = identity = None
    email = str(read("email"))
    given, family = str(read("first_name")).strip(), str(read("last_name")).strip()
    if intent is Intent.PROVISION:
        supervisor = read("supervisor.id")
        desired = DesiredAccount(
            external_id=event.employee_id,
            user_name=email,
            fields={"name.givenName": given, "name.familyName": family},
            manager=ManagerReference(employee_id=None if supervisor is None else str(supervisor)),
        )
    elif intent is Intent.DISABLE:
        identity = AccountIdentity(external_id=event.employee_id, user_name=email, given_name=given, family_name=family)
    return AccountRequested(
        connection_id=event.connection_id,
        employee_id=event.employee_id,
        revision=event.revision,
        detected_at=event.detected_at,
        source_modified_at=event.source_modified_at,
        mapping_version=1,
        intent=intent,
        desired=desired,
        identity=identity,
    )


def _build_headers(request: AccountRequested, record: ConsumerRecord) -> Headers:
    key, cause = record.key, dict(record.headers)["ce_cause"]
    change = f"{key.decode()}/{request.revision}"
    event_id = f"{change}/{request.mapping_version}"
    trace = hashlib.sha256(change.encode()).hexdigest()[:32]
    span = hashlib.sha256(f"{request.ce_type}/{event_id}".encode()).hexdigest()[:16]
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_source", request.ce_source.encode()),
        ("ce_type", request.ce_type.encode()),
        ("ce_subject", key),
        ("ce_time", request.detected_at.isoformat().encode()),
        ("ce_cause", cause),
        ("content-type", b"application/json"),
        ("traceparent", f"00-{trace}-{span}-01".encode()),
    ]


async def _handle(producer: AIOKafkaProducer, target: str, records: list[ConsumerRecord], form: str) -> None:
    build = FORMS[form]
    acknowledged = []
    for record in records:
        request = build(record.value)
        value, headers = request.model_dump_json().encode(), _build_headers(request, record)
        acknowledged.append(await producer.send(target, value, key=record.key, headers=headers))
    await asyncio.gather(*acknowledged)


async def _map(servers: str, source: str, target: str, wanted: str, form: str) -> Counter[str]:
    consumer = AIOKafkaConsumer(
        source,
        bootstrap_servers=servers.split(","),
        group_id=f"{target}-bare",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=30,
        max_partition_fetch_bytes=4 * 1_048_576,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=servers.split(","), acks="all", enable_idempotence=True, max_batch_size=262_144
    )
    done = 0
    async with consumer, producer:
        while done < int(wanted):
            batches = await consumer.getmany(timeout_ms=500, max_records=BATCH)
            records = [record for batch in batches.values() for record in batch]
            if records:
                await _handle(producer, target, records, form)
                await consumer.commit()
                done += len(records)
    return Counter(records=done)


if __name__ == "__main__":
    run_measured(lambda: _map(*sys.argv[1:]))
