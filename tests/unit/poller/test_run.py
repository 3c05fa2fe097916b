"""One run: its stored result, its failures, and recovery after a crash."""

import pytest

from services.clients.personio.errors import PersonioCredentialsError, PersonioUnavailableError
from services.contracts.cloudevents import SendReason, read_event
from services.contracts.events import EmployeeChanged
from services.contracts.ids import EmployeeId
from services.contracts.mappings import AttributeSource, MappingDocument, Rule, default_mapping
from services.contracts.runs import RunState
from services.contracts.vendor_notes import EndpointEnd, VendorNotes
from services.errors import ConnectorError
from services.poller.run_recorder import LEFT_UNFINISHED
from services.runtime.kafka.publisher import ProducerDeadError
from services.store.database import Store
from tests.support.builders import ADA, CONNECTION, NOW, make_snapshot
from tests.support.run_stage import PEOPLE, RunStage, check_recovery, list_effects_of_a_run


@pytest.fixture
def stage(store: Store) -> RunStage:
    """A connection with five new employees."""
    return RunStage(store)


async def test_run_is_stored_with_its_counts(stage: RunStage) -> None:
    """The history of runs shows what each run did."""
    run = await stage.runner.poll(CONNECTION)

    assert run.state is RunState.SUCCEEDED
    assert run.counts.seen == 5
    assert run.counts.created == 5
    assert run.counts.emitted == 5
    assert await stage.store.runs.list_newest(CONNECTION) == (run,)
    assert stage.list_sent(SendReason.DETECTED) == list("12345")


@pytest.mark.parametrize(
    "failure", [PersonioUnavailableError("no answer"), PersonioCredentialsError("refuses the client_id")]
)
async def test_interrupted_run_is_stored_and_keeps_earlier_changes(stage: RunStage, failure: ConnectorError) -> None:
    """The pages before the failure are stored and sent, and the run has not succeeded."""
    stage.personio.failure = failure

    run = await stage.runner.poll(CONNECTION)

    assert run.state is RunState.INCOMPLETE
    assert run.error == str(failure)
    assert run.finished_at == NOW
    assert await stage.store.runs.get_last_finished(CONNECTION) == run
    assert stage.list_sent(SendReason.DETECTED) == list("12345")


async def test_run_keeps_what_the_answers_said(stage: RunStage) -> None:
    """The announced end of an endpoint is shown by `status` and `doctor`."""
    stage.personio.notes = VendorNotes(ends=(EndpointEnd(path="/v1/company/employees", sunset_at=NOW),))

    await stage.runner.poll(CONNECTION)

    run = await stage.store.runs.get_last_finished(CONNECTION)
    assert run is not None
    assert run.notes == stage.personio.notes


async def publish_rule(stage: RunStage, attribute: str) -> None:
    """Publishes a mapping with a further rule, which reads the attribute."""
    rules = (*default_mapping().rules, Rule(target="title", source=AttributeSource(attribute=attribute)))
    mapping = MappingDocument(rules=rules)
    await stage.store.mappings.publish(CONNECTION, mapping, now=NOW, expected_version=None)


async def test_run_names_attributes_that_are_not_visible(stage: RunStage) -> None:
    """An administrator sees which wanted attributes the credential cannot read, and which a poll requires."""
    required = ("first_name", "last_name", "email", "status", "supervisor")
    await publish_rule(stage, "position")
    stage.personio.visible = (*required, "position")
    stage.personio.people["1"]["position"] = "Engineer"
    assert (await stage.runner.poll(CONNECTION)).invisible == ()

    stage.personio.visible = required
    run = await stage.runner.poll(CONNECTION)

    assert run.invisible == ("position",)
    assert (await stage.store.snapshots.read(CONNECTION, [EmployeeId("1")]))[
        EmployeeId("1")
    ].attributes == ADA | PEOPLE["1"]

    stage.personio.visible = ("first_name", "last_name")
    run = await stage.runner.poll(CONNECTION)

    assert run.state is RunState.FAILED
    assert "email, status" in (run.error or "")


async def test_dry_run_stores_and_sends_nothing(stage: RunStage) -> None:
    """A dry run also leaves the changes of earlier runs as they are."""
    await stage.store.snapshots.save([(make_snapshot("9"), None)])

    run = await stage.runner.poll(CONNECTION, dry_run=True)

    assert run.state is RunState.SUCCEEDED
    assert run.counts.created == 5
    assert run.counts.emitted == 0
    assert await stage.store.runs.list_newest(CONNECTION) == ()
    assert stage.publisher.log == []
    assert await stage.list_pending() == ["9"]


async def test_run_follows_the_published_mapping(stage: RunStage) -> None:
    """A further rule makes its attribute wanted, and the poll sends its value. Without it the value is removed."""
    stage.personio.visible = (*stage.personio.visible, "position", "iban")
    for values in stage.personio.people.values():
        values |= {"position": "Engineer", "iban": "DE1"}
    await publish_rule(stage, "first_name")
    await stage.runner.poll(CONNECTION)
    await publish_rule(stage, "position")
    stage.clock.seconds += 60

    run = await stage.runner.poll(CONNECTION)

    assert run.counts.changed == 5
    last = read_event(EmployeeChanged, stage.publisher.log[-1].value)
    assert last.changed == ("position",)
    assert last.attributes == ADA | PEOPLE[last.employee_id] | {"position": "Engineer"}

    await publish_rule(stage, "first_name")
    run = await stage.runner.poll(CONNECTION)

    assert run.counts.changed == 0
    (page,) = [page async for page in stage.store.snapshots.stream(CONNECTION)]
    assert {snapshot.employee_id: snapshot.attributes for snapshot in page} == {
        key: ADA | values for key, values in PEOPLE.items()
    }


async def test_dead_producer_ends_more_than_the_run(stage: RunStage) -> None:
    """Only a restart of the process gives a new producer."""
    stage.fail_publishing(ProducerDeadError("dead"))

    with pytest.raises(ProducerDeadError):
        await stage.runner.poll(CONNECTION)


async def test_unfinished_run_is_ended_by_the_next(stage: RunStage) -> None:
    """A poller that stopped could not end its run. A dry run leaves that run unchanged."""
    unfinished = await stage.store.runs.begin(CONNECTION, now=NOW)

    await stage.runner.poll(CONNECTION, dry_run=True)

    assert await stage.store.runs.get(unfinished.id) == unfinished

    await stage.runner.poll(CONNECTION)

    ended = await stage.store.runs.get(unfinished.id)
    assert ended is not None
    assert ended.state is RunState.FAILED
    assert ended.error == LEFT_UNFINISHED
    assert ended.finished_at == stage.clock.now()


@pytest.mark.expects_errors
async def test_unexpected_error_is_stored_by_its_type(stage: RunStage) -> None:
    """The text of an unexpected error may contain personal data."""
    stage.personio.failure = RuntimeError("secret detail")

    run = await stage.runner.poll(CONNECTION)

    assert run.state is RunState.FAILED
    assert "RuntimeError" in (run.error or "")
    assert "secret detail" not in (run.error or "")


@pytest.mark.promise("P1")
@pytest.mark.promise("P2")
async def test_crash_before_any_effect_loses_no_change(store: Store) -> None:
    """After a crash at any point, the next run publishes every change, in order, with unchanged content."""
    effects = await list_effects_of_a_run(store)

    assert {"begin", "save", "publish", "mark_emitted"} <= set(effects)
    for at in range(len(effects)):
        await check_recovery(store, at)
