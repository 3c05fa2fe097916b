"""The settings of topics that no test on one server can use, and servers that have a change late."""

from types import SimpleNamespace
from typing import cast

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource

from services.contracts.topics import PEOPLE, Topic
from services.runtime.kafka import topic_settings
from services.runtime.kafka.publisher import KafkaUnavailableError
from services.runtime.kafka.topic_settings import build_settings, correct_topics
from services.runtime.settings import KafkaSettings

_SETTINGS = KafkaSettings(kafka_bootstrap_servers="nowhere:1")


class _LateKafka:
    """An administration client for servers that answer with the former settings after they have accepted new ones."""

    def __init__(self, late_answers: int) -> None:
        self.late_answers = late_answers
        self._shown: dict[str, str] = {"cleanup.policy": "delete"}
        self._accepted: dict[str, str] = {}

    async def describe_configs(self, resources: list[ConfigResource]) -> list[SimpleNamespace]:
        """Answers with the former settings until the late answers are used up."""
        if self._accepted:
            self.late_answers -= 1
        if self.late_answers < 0:
            self._shown = self._accepted
        entries = [(name, value, False, 1, False) for name, value in self._shown.items()]
        return [SimpleNamespace(resources=[(0, None, 2, resources[0].name, entries)])]

    async def alter_configs(self, resources: list[ConfigResource]) -> list[SimpleNamespace]:
        """Accepts the settings."""
        self._accepted = dict(resources[0].configs or {})
        return [SimpleNamespace(resources=[(0, None, 2, resources[0].name)])]


@pytest.mark.parametrize(("copies", "in_sync"), [(1, None), (2, None), (3, "2"), (5, "4")])
def test_one_of_many_copies_may_be_missing(copies: int, in_sync: str | None) -> None:
    """With fewer acknowledgements than that, two servers that fail lose records; with more, one stops every service."""
    settings = KafkaSettings(kafka_bootstrap_servers="nowhere:1", kafka_replication_factor=copies)

    assert {build_settings(settings, topic).get("min.insync.replicas") for topic in Topic} == {in_sync}


def test_all_topics_but_the_dead_letters_are_compacted() -> None:
    """A new topic of people has to be erasable."""
    compacted = {topic for topic in Topic if "compact" in build_settings(_SETTINGS, topic)["cleanup.policy"]}

    assert compacted == set(PEOPLE) == set(Topic) - {Topic.DEAD_LETTERS}


async def test_correction_waits_until_it_is_in_force() -> None:
    """Otherwise the services would start with a topic that is not compacted, and a second `init` would correct it again."""
    kafka = _LateKafka(late_answers=2)

    changed = await correct_topics(cast("AIOKafkaAdminClient", kafka), _SETTINGS, [Topic.ACCOUNTS_REQUESTED])

    assert changed == (Topic.ACCOUNTS_REQUESTED.value,)
    assert kafka.late_answers == -1


async def test_correction_that_is_never_in_force_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """`init` says which topic it is, instead of waiting for ever or of saying that topics were not created."""
    monkeypatch.setattr(topic_settings, "CORRECTION_SECONDS", 0.25)
    kafka = _LateKafka(late_answers=1_000)

    with pytest.raises(KafkaUnavailableError, match=f"topic {Topic.ACCOUNTS_REQUESTED.value}, .* run `init` again"):
        await correct_topics(cast("AIOKafkaAdminClient", kafka), _SETTINGS, [Topic.ACCOUNTS_REQUESTED])
