"""The settings of topics that no test on one server can use."""

import pytest

from services.contracts.topics import PEOPLE, Topic
from services.runtime.kafka.topic_settings import build_settings
from services.runtime.settings import KafkaSettings


@pytest.mark.parametrize(("copies", "in_sync"), [(1, None), (2, None), (3, "2"), (5, "4")])
def test_one_of_many_copies_may_be_missing(copies: int, in_sync: str | None) -> None:
    """With fewer acknowledgements than that, two servers that fail lose records; with more, one stops every service."""
    settings = KafkaSettings(kafka_bootstrap_servers="nowhere:1", kafka_replication_factor=copies)

    assert {build_settings(settings, topic).get("min.insync.replicas") for topic in Topic} == {in_sync}


def test_all_topics_but_the_dead_letters_are_compacted() -> None:
    """A new topic of people has to be erasable."""
    settings = KafkaSettings(kafka_bootstrap_servers="nowhere:1")

    compacted = {topic for topic in Topic if "compact" in build_settings(settings, topic)["cleanup.policy"]}

    assert compacted == set(PEOPLE) == set(Topic) - {Topic.DEAD_LETTERS}
