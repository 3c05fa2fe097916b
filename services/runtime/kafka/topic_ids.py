"""The ids of topics: Kafka gives each topic a new id, so a topic that was deleted and created again has another one.

The newest metadata request of aiokafka 0.14 has version 5, and its answer has no ids. This module adds version 10. A server
that does not know it (Kafka before 2.8) gets version 5, and its topics have no ids.
"""

from collections.abc import Collection
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import NoError, UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest_v5
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

NO_ID = bytes(16)
"""The id of a topic on a server that knows no ids, and of a topic in a request that names it."""

_TEXT = CompactString("utf-8")


class _Uuid(AbstractType):  # type: ignore[misc]
    """Sixteen bytes."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: Any) -> bytes:
        return bytes(data.read(len(NO_ID)))


_PARTITION = (
    ("error_code", Int16),
    ("partition", Int32),
    ("leader", Int32),
    ("leader_epoch", Int32),
    ("replicas", CompactArray(Int32)),
    ("isr", CompactArray(Int32)),
    ("offline_replicas", CompactArray(Int32)),
    ("tags", TaggedFields),
)
_TOPIC = (
    ("error_code", Int16),
    ("topic", _TEXT),
    ("topic_id", _Uuid),
    ("is_internal", Boolean),
    ("partitions", CompactArray(*_PARTITION)),
    ("topic_authorized_operations", Int32),
    ("tags", TaggedFields),
)
_BROKER = (("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT), ("tags", TaggedFields))


class _MetadataResponse(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", CompactArray(*_BROKER)),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        ("topics", CompactArray(*_TOPIC)),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _MetadataRequest(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("topic", _TEXT), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class TopicIdRequest(Request[MetadataRequest_v5 | _MetadataRequest]):  # type: ignore[misc]
    """A request for the ids of these topics."""

    API_KEY = 3

    def __init__(self, names: Collection[str]) -> None:
        self._names = tuple(names)

    def build(self, request_struct_class: Any) -> Any:
        """Returns the request in a version that the server knows. aiokafka calls it."""
        if request_struct_class is MetadataRequest_v5:
            return MetadataRequest_v5(topics=self._names, allow_auto_topic_creation=False)
        return _MetadataRequest(
            topics=[(NO_ID, name, {}) for name in self._names],
            allow_auto_topic_creation=False,
            include_cluster_authorized_operations=False,
            include_topic_authorized_operations=False,
            tags={},
        )


async def fetch_topic_ids(client: AIOKafkaClient, names: Collection[str]) -> dict[str, bytes]:
    """Returns the id of each topic that exists. Raises ``KafkaError`` if Kafka does not answer, or refuses a topic."""
    answer = (await client.send(client.get_random_node(), TopicIdRequest(names))).to_object()
    ids: dict[str, bytes] = {}
    for topic in answer["topics"]:
        error = for_code(topic["error_code"])
        if error is NoError:
            ids[topic["topic"]] = topic.get("topic_id", NO_ID)
        elif error is not UnknownTopicOrPartitionError:
            raise error(topic["topic"])
    return ids
