"""The ids of topics, as far as the server knows ids."""

from typing import Any

import pytest
from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.protocol.metadata import MetadataResponse_v5

from services.runtime.kafka.topic_ids import NO_ID, TopicIdRequest, fetch_topic_ids

METADATA = 3
"""Kafka's number of the metadata request."""


class OldServer:
    """Stands in for an admin client that is connected to a server without ids. Answers each topic with an error code."""

    def __init__(self, **error_codes: int) -> None:
        self._client = self
        self._error_codes = error_codes

    def get_random_node(self) -> int:
        return 1

    async def send(self, node: int, request: TopicIdRequest) -> Any:
        assert node == self.get_random_node()
        assert request.prepare({METADATA: (0, 9)}).API_VERSION == MetadataResponse_v5.API_VERSION
        topics: list[Any] = [(code, name, False, []) for name, code in self._error_codes.items()]
        return MetadataResponse_v5(0, [], "cluster", 1, topics)


@pytest.mark.parametrize(("newest", "chosen"), [(9, 5), (10, 10), (13, 10)])
def test_request_has_a_version_that_the_server_knows(newest: int, chosen: int) -> None:
    """A server that knows no ids gets the request without them."""
    request = TopicIdRequest(["topic"]).prepare({METADATA: (0, newest)})

    assert chosen == request.API_VERSION


async def test_topic_on_an_old_server_exists_without_an_id() -> None:
    """The id is always the same one, so the topic never counts as replaced."""
    ids = await fetch_topic_ids(OldServer(existing=0, missing=3), ["existing", "missing"])

    assert ids == {"existing": NO_ID}


async def test_refused_topic_raises_the_error_of_kafka() -> None:
    """A missing permission is not a missing topic: `init` would not help."""
    with pytest.raises(TopicAuthorizationFailedError):
        await fetch_topic_ids(OldServer(refused=29), ["refused"])
