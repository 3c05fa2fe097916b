"""Events that are under way do not bring a forgotten person back."""

from collections import defaultdict

import pytest

from services.admin.forget import forget
from services.admin.leasing import KeepLease
from services.admin.tombstones import RecordEraser, UnconsumedError
from services.contracts.ids import EmployeeId, PersonKey
from services.contracts.topics import PEOPLE, Topic
from services.runtime.settings import KafkaSettings
from tests.system.pipeline import Pipeline
from tests.system.topics import SETTINGS, MemoryPublisher

pytestmark = [pytest.mark.mongo, pytest.mark.promise("P11")]


async def forget_person(pipeline: Pipeline, person: PersonKey, *, services: tuple[str, ...]) -> None:
    """Forgets a person while these services run."""

    async def wait(_: KafkaSettings, topic: Topic, service: str, /, *, seconds: float, keep_alive: KeepLease) -> bool:
        await keep_alive()
        if service not in services:
            return False
        member = {"mapper": pipeline.mapper, "writer": pipeline.writer}[service]
        assert member.source is topic
        await member.drain()
        return True

    publisher = MemoryPublisher(pipeline.topics)
    eraser = RecordEraser(SETTINGS, pipeline.store, publisher, pipeline.clock, seconds=1, wait=wait)
    await forget(
        pipeline.store, pipeline.clock, eraser, person.connection_id, person.employee_id, force=True, seconds=0
    )


def find_last_values(pipeline: Pipeline, person: PersonKey) -> dict[Topic, list[bool]]:
    """Returns for each topic which of the person's records have a value."""
    values: dict[Topic, list[bool]] = defaultdict(list)
    for topic in PEOPLE:
        for record in pipeline.topics.list_records(topic):
            if record.key == bytes(person):
                values[topic].append(record.value is not None)
    return values


async def leave_change_under_way(pipeline: Pipeline) -> PersonKey:
    """Publishes a change of a person with an account, which neither mapper nor writer has consumed."""
    employee = pipeline.hire(last_name="Zeisig")
    await pipeline.sync()
    pipeline.change(employee, last_name="Unvergesslich")
    pipeline.clock.seconds += 900
    await pipeline.runner.poll(pipeline.connection)
    return PersonKey(pipeline.connection, EmployeeId(str(employee)))


async def test_change_under_way_does_not_bring_a_person_back(pipeline: Pipeline) -> None:
    """Its request, outcome and ledger entry come before the tombstones and the erasure."""
    person = await leave_change_under_way(pipeline)

    await forget_person(pipeline, person, services=("mapper", "writer"))
    after = find_last_values(pipeline, person)
    await pipeline.settle()

    assert after == find_last_values(pipeline, person)
    assert set(after) == set(PEOPLE)
    assert [topic for topic, values in after.items() if values[-1]] == []
    assert set((await pipeline.store.erasure.count_person(person)).values()) == {0}


@pytest.mark.parametrize("services", [(), ("mapper",)])
async def test_person_stays_while_a_service_is_down(pipeline: Pipeline, services: tuple[str, ...]) -> None:
    """The command is repeated once both services run."""
    person = await leave_change_under_way(pipeline)

    with pytest.raises(UnconsumedError):
        await forget_person(pipeline, person, services=services)
    before = await pipeline.store.ledger.get(person)
    await forget_person(pipeline, person, services=("mapper", "writer"))
    await pipeline.settle()

    assert before is not None
    assert set((await pipeline.store.erasure.count_person(person)).values()) == {0}


async def test_forgotten_person_that_is_listed_returns_as_new(pipeline: Pipeline) -> None:
    """The next poll finds the same account by its external id, and creates no second one."""
    person = await leave_change_under_way(pipeline)
    account = pipeline.get_account(person.employee_id)["id"]

    await forget_person(pipeline, person, services=("mapper", "writer"))
    await pipeline.sync()
    entry = await pipeline.store.ledger.get(person)

    assert entry is not None
    assert entry.account_id == account
    assert pipeline.get_account(person.employee_id)["id"] == account
    assert pipeline.find_differences() == []
