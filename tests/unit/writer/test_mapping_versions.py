"""Requests with a mapping version that was never published are dead letters, and settle nothing."""

import pytest

from services.contracts.dead_letters import DeadLetterReason
from services.contracts.outcomes import Outcome
from services.contracts.topics import Topic
from tests.support.builders import make_request
from tests.support.writer_stage import EVA, WriterStage, summarize

FORGED = 2**62


@pytest.mark.promise("P2")
@pytest.mark.parametrize("version", [10, FORGED])
async def test_forged_version_shadows_no_later_mapping(stage: WriterStage, version: int) -> None:
    """A request with a version above the published one is a dead letter, and the next mapping is applied."""
    await stage.handle(make_request("7"))
    forged = make_request("7", user_name="forged@x.example").model_copy(update={"mapping_version": version})

    (record,) = await stage.handle_records(forged)

    assert record.topic is Topic.DEAD_LETTERS
    assert dict(record.headers)["dl_reason"] == DeadLetterReason.FUTURE_MAPPING.value.encode()

    later = make_request("7", **EVA).model_copy(update={"mapping_version": 4})

    assert summarize(await stage.handle(later)) == [("7", Outcome.UPDATED)]
    assert stage.get_account()["userName"] == "e7@nordlicht.example"


async def test_forged_version_holds_no_other_request(stage: WriterStage) -> None:
    """The other requests of the batch are settled, also those of the same employee."""
    forged = make_request("7").model_copy(update={"mapping_version": FORGED})

    outcomes = await stage.handle(forged, make_request("7"), make_request("8"))

    assert sorted(summarize(outcomes)) == [("7", Outcome.CREATED), ("8", Outcome.CREATED)]


async def test_versions_are_read_once_for_each_publication(stage: WriterStage) -> None:
    """A known version costs no query, and a new one is read when its first request comes."""
    stage.mappings.newest = 3
    await stage.handle(make_request("7"))
    await stage.handle(make_request("8"))

    assert stage.mappings.queries == 1

    stage.mappings.newest = 4
    published = make_request("7", **EVA).model_copy(update={"mapping_version": 4})

    assert summarize(await stage.handle(published)) == [("7", Outcome.UPDATED)]
    assert stage.mappings.queries == 2
