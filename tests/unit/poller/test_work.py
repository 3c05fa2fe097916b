"""What the lease holder of a connection does: one run, and what was asked for."""

from collections.abc import Mapping

import pytest

from services.clients.personio.errors import PersonioCredentialsError, PersonioUnavailableError
from services.contracts.accounts import Manager, Waiting
from services.contracts.envelope import Cause, cause_of, read_event
from services.contracts.events import EmployeeChanged, Outcome, Version
from services.contracts.ids import EmployeeId
from services.contracts.model import Value
from services.contracts.requests import Poll, Request, RequestState, Resend, Task
from services.contracts.runs import RunCounts, RunState
from services.errors import ConnectorError
from services.poller.outbox import Outbox
from services.poller.work import LEFT_BEHIND, Work
from services.runtime.metrics import Metrics
from services.runtime.producer import KafkaUnavailableError, ProducerDeadError
from services.store.database import Store
from tests.fakes import FakeClock, FakePersonio, FakePublisher
from tests.stored import CONNECTION, NOW, entry, outcome, person, snapshot

pytestmark = pytest.mark.mongo

PEOPLE: dict[str, dict[str, Value]] = {key: {"email": f"e{key}@x.example"} for key in "12345"}


class Poller:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.personio = FakePersonio(PEOPLE)
        self.publisher = FakePublisher()
        self.clock = FakeClock()
        outbox = Outbox(store.snapshots, self.publisher, lambda: None)
        self.work = Work(store, self.personio.source, self.clock, Metrics(), outbox)

    def sent(self, cause: Cause) -> list[str]:
        """Who was sent for this cause."""
        records = [record for record in self.publisher.log if cause_of(record.headers) is cause]
        return sorted(read_event(EmployeeChanged, record.value).employee_id for record in records)

    def breaks(self, error: ConnectorError) -> None:
        def fail(_: str) -> None:
            raise error

        self.publisher.effect = fail

    async def ask(self, *tasks: Task) -> list[Request]:
        """Files the tasks and has them carried out; gives them as they are then."""
        filed = []
        for task in tasks:
            self.clock.seconds += 1
            filed.append(await self.store.requests.file(CONNECTION, task, now=self.clock.now()))
        await self.work.requests(CONNECTION)
        found = [await self.store.requests.get(request.id) for request in filed]
        return [request for request in found if request is not None]


@pytest.fixture
def poller(store: Store) -> Poller:
    return Poller(store)


WAITING = Waiting(cause="down", since=NOW, version=Version(1_000, 3))


async def unsettle(store: Store) -> None:
    """1 waits, 2 is to be looked at, 3 waits for the account of 4 that is there by now, 5 is rejected, 4 is settled."""
    await store.snapshots.save([(snapshot(key, emitted_revision=1_000), None) for key in "12345"])
    await store.accounts.write(
        [
            entry("1", waiting=WAITING),
            entry("2", verify=True),
            entry("3", manager=Manager(employee_id=EmployeeId("4"))),
            entry("4", account_id="a-4", decided=outcome("4")),
            entry("5", decided=outcome("5", how=Outcome.REJECTED)),
        ]
    )


# ---------------------------------------------------------------- one run


async def test_a_run_is_kept_with_what_it_found(poller: Poller) -> None:
    run = await poller.work.poll(CONNECTION)
    assert (run.state, run.counts.seen, run.counts.created, run.counts.emitted) == (RunState.SUCCEEDED, 5, 5, 5)
    assert await poller.store.runs.newest(CONNECTION) == (run,)
    assert poller.sent(Cause.DETECTED) == list("12345")


@pytest.mark.parametrize(
    "failure", [PersonioUnavailableError("no answer"), PersonioCredentialsError("refuses the client_id")]
)
async def test_a_failure_is_noted_in_the_run_and_what_was_found_before_is_kept(
    poller: Poller, failure: ConnectorError
) -> None:
    poller.personio.failure = failure
    run = await poller.work.poll(CONNECTION)
    assert (run.state, run.error, run.finished_at) == (RunState.FAILED, str(failure), NOW)
    assert await poller.store.runs.last_finished(CONNECTION) == run
    assert poller.sent(Cause.DETECTED) == list("12345")


async def test_a_run_names_missing_and_unreleased_attributes(poller: Poller) -> None:
    poller.personio.released = ("first_name", "last_name", "email", "status", "supervisor", "position")
    poller.personio.people["1"]["position"] = "Engineer"
    await poller.work.poll(CONNECTION)
    poller.personio.released = ("first_name", "last_name", "email", "status", "supervisor")
    assert (await poller.work.poll(CONNECTION)).unreleased == ("position",)
    poller.personio.released = ("first_name", "last_name")
    run = await poller.work.poll(CONNECTION)
    assert run.state is RunState.FAILED
    assert "email, status" in (run.error or "")


async def test_a_dry_run_leaves_no_trace(poller: Poller) -> None:
    await poller.store.snapshots.save([(snapshot("9"), None)])
    run = await poller.work.poll(CONNECTION, dry_run=True)
    assert (run.state, run.counts.created, run.counts.emitted) == (RunState.SUCCEEDED, 5, 0)
    assert await poller.store.runs.newest(CONNECTION) == ()
    assert poller.publisher.log == []
    assert [found.employee_id for found in await poller.store.snapshots.pending(CONNECTION, 9)] == ["9"]


async def test_a_dead_producer_ends_more_than_the_run(poller: Poller) -> None:
    poller.breaks(ProducerDeadError("dead"))
    with pytest.raises(ProducerDeadError):
        await poller.work.poll(CONNECTION)


async def test_a_run_that_a_dead_poller_has_left_behind_is_ended_by_the_next(poller: Poller) -> None:
    left = await poller.store.runs.begin(CONNECTION, now=NOW)
    await poller.work.poll(CONNECTION, dry_run=True)
    found = await poller.store.runs.get(left.id)
    assert found == left, "a dry run leaves no trace"
    await poller.work.poll(CONNECTION)
    found = await poller.store.runs.get(left.id)
    assert found is not None
    assert (found.state, found.error, found.finished_at) == (RunState.FAILED, LEFT_BEHIND, poller.clock.now())


@pytest.mark.expects_errors
async def test_a_defect_is_noted_in_the_run_by_its_type(poller: Poller) -> None:
    poller.personio.failure = RuntimeError("secret detail")
    run = await poller.work.poll(CONNECTION)
    assert run.state is RunState.FAILED
    assert "RuntimeError" in (run.error or "")
    assert "secret detail" not in (run.error or "")


# ---------------------------------------------------------------- sending again


async def test_the_unsettled_are_who_waits_who_is_to_be_looked_at_and_whose_manager_is_there_by_now(
    poller: Poller,
) -> None:
    await unsettle(poller.store)
    assert await poller.work.resend_unsettled(CONNECTION) == 3
    assert poller.sent(Cause.RESENT) == ["1", "2", "3"]


async def test_whom_a_writer_has_asked_for_is_sent_once_and_for_that(poller: Poller) -> None:
    await unsettle(poller.store)
    report = Resend(scope="people", people=(EmployeeId("3"),), why="the manager is there")
    await poller.store.requests.file(CONNECTION, report, now=NOW)
    assert await poller.work.resend_unsettled(CONNECTION) == 2
    await poller.work.requests(CONNECTION)
    assert poller.sent(Cause.RESENT) == ["1", "2", "3"]


async def test_the_rejected_are_sent_again(poller: Poller) -> None:
    await unsettle(poller.store)
    assert await poller.work.resend_rejected(CONNECTION) == 1
    assert poller.sent(Cause.RESENT) == ["5"]


async def test_what_is_sent_again_is_the_newest_snapshot(poller: Poller) -> None:
    await poller.store.snapshots.save([(snapshot("1", 2_000, emitted_revision=2_000), None)])
    await poller.store.accounts.write([entry("1", waiting=WAITING)])
    await poller.work.resend_unsettled(CONNECTION)
    (record,) = poller.publisher.log
    assert read_event(EmployeeChanged, record.value).revision == 2_000


# ---------------------------------------------------------------- requests


@pytest.mark.parametrize(
    ("task", "people"),
    [
        (Resend(scope="all", why="resync"), ["1", "2", "3", "4", "5"]),
        (Resend(scope="unsettled", why="works again"), ["1", "2", "3"]),
        (Resend(scope="rejected", why="daily"), ["5"]),
        (Resend(scope="people", people=(EmployeeId("4"), EmployeeId("nobody")), why="asked"), ["4"]),
        (Resend(scope="people", why="asked for nobody"), []),
    ],
    ids=lambda value: value.scope if isinstance(value, Resend) else None,
)
async def test_a_request_sends_whom_it_is_about(poller: Poller, task: Resend, people: list[str]) -> None:
    await unsettle(poller.store)
    (request,) = await poller.ask(task)
    assert poller.sent(Cause.RESENT) == people
    assert (request.state, request.counts, request.error) == (RequestState.DONE, {"sent": len(people)}, None)
    assert request.finished_at == poller.clock.now()


async def test_requests_about_single_people_are_carried_out_in_one_pass(poller: Poller) -> None:
    await unsettle(poller.store)
    tasks = [Resend(scope="people", people=tuple(map(EmployeeId, people)), why="moved") for people in ("12", "23", "2")]
    requests = await poller.ask(*tasks)
    assert poller.sent(Cause.RESENT) == ["1", "2", "3"]
    assert {request.state for request in requests} == {RequestState.DONE}


async def test_a_poll_that_was_asked_for_tells_what_it_found(poller: Poller) -> None:
    dry, real = await poller.ask(Poll(dry_run=True), Poll())
    assert (dry.state, dry.counts["created"], dry.counts["emitted"]) == (RequestState.DONE, 5, 0)
    assert (real.state, real.counts["created"], real.counts["emitted"]) == (RequestState.DONE, 5, 5)


async def test_a_poll_that_was_asked_for_and_failed_tells_why(poller: Poller) -> None:
    poller.personio.failure = PersonioCredentialsError("Personio refuses the client_id")
    (request,) = await poller.ask(Poll())
    assert (request.state, request.error) == (RequestState.FAILED, "Personio refuses the client_id")


async def test_whoever_has_asked_alone_sees_how_far_it_is(poller: Poller) -> None:
    told: list[tuple[str, dict[str, int]]] = []
    progress = poller.store.requests.progress

    async def noted(request: str, counts: Mapping[str, int]) -> None:
        told.append((request, dict(counts)))
        await progress(request, counts)

    poller.store.requests.progress = noted  # type: ignore[method-assign]
    (poll,) = await poller.ask(Poll())
    assert [(request, counts["seen"], counts["total"]) for request, counts in told] == [
        (poll.id, 2, 5), (poll.id, 4, 5), (poll.id, 5, 5)
    ]  # fmt: skip
    assert poll.counts == run_counts(seen=5, created=5, emitted=5)
    told.clear()
    (resync,) = await poller.ask(Resend(scope="all", why="resync"))
    assert told == [(resync.id, {"sent": 5, "total": 5})]
    assert resync.counts == {"sent": 5}
    told.clear()
    await poller.ask(*(Resend(scope="people", people=(EmployeeId(each),), why="moved") for each in "12"))
    assert told == []


def run_counts(**counts: int) -> dict[str, int]:
    return RunCounts(**counts).model_dump()


@pytest.mark.expects_errors
async def test_a_request_that_meets_a_defect_fails_and_keeps_nobody_from_the_next(poller: Poller) -> None:
    await unsettle(poller.store)

    def defect(_: str) -> None:
        poller.publisher.effect = lambda _: None
        raise RuntimeError("secret detail")

    poller.publisher.effect = defect
    broken, sound = await poller.ask(Resend(scope="rejected", why="a"), Resend(scope="all", why="b"))
    assert (broken.state, sound.state) == (RequestState.FAILED, RequestState.DONE)
    assert broken.error == "an unexpected error (RuntimeError): see the poller's log"


@pytest.mark.parametrize(
    "task", [Resend(scope="all", why="published"), Resend(scope="people", people=(EmployeeId("1"),), why="moved")]
)
async def test_a_resend_that_kafka_did_not_take_stays_to_be_done(poller: Poller, task: Resend) -> None:
    await unsettle(poller.store)
    poller.breaks(KafkaUnavailableError("no acknowledgement"))
    with pytest.raises(KafkaUnavailableError):
        await poller.ask(task)
    assert await poller.store.requests.connections_with_unfinished() == {CONNECTION}

    poller.publisher.effect = lambda _: None
    await poller.store.requests.reopen_running(CONNECTION)
    await poller.work.requests(CONNECTION)
    assert "1" in poller.sent(Cause.RESENT)
    assert await poller.store.requests.connections_with_unfinished() == frozenset()


async def test_a_resend_counts_as_the_first_sending_of_a_change_that_was_never_marked(poller: Poller) -> None:
    await poller.store.snapshots.save([(snapshot("1"), None)])
    await poller.ask(Resend(scope="all", why="resync"))
    assert await poller.store.snapshots.pending(CONNECTION, 9) == ()
    assert [record.key for record in poller.publisher.log] == [bytes(person("1"))]
