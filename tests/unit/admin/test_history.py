"""The history of an employee from the records of Kafka: repeated, erased, forged and very many of them."""

from collections.abc import AsyncGenerator

import pytest

from services.admin.mapping import history as admin_history
from services.admin.mapping.history import EmployeeHistory, SettledChange, find_position
from services.contracts.cloudevents import to_record
from services.contracts.events import AccountSynced, EmployeeChanged, Event
from services.contracts.ids import PersonKey
from services.contracts.outcomes import Outcome
from services.runtime.kafka.replay import RecordedRecord
from services.runtime.settings import KafkaSettings
from tests.support.builders import CONNECTION, NOW, OTHER, make_change, make_outcome, make_person

NAME = "t-personio.employees.changed.v1"
PERSON = make_person("7")


def record(event: Event | None, offset: int) -> RecordedRecord:
    """Returns the record of an event; None is a tombstone."""
    made = None if event is None else to_record(event)
    value = None if made is None else made.value
    return RecordedRecord(2, offset, 1_000 * offset, bytes(PERSON), value, ())


def make_history(*events: EmployeeChanged | AccountSynced | None, person: PersonKey = PERSON) -> EmployeeHistory:
    """Returns the history from records with these events. A tombstone is in both topics."""
    history = EmployeeHistory(person, NOW)
    records = [record(event, offset) for offset, event in enumerate(events)]
    history.add_changes(NAME, [one for event, one in zip(events, records, strict=True) if not _is_outcome(event)])
    history.add_outcomes(NAME, [one for event, one in zip(events, records, strict=True) if not _is_change(event)])
    return history


def _is_outcome(event: object) -> bool:
    return isinstance(event, AccountSynced)


def _is_change(event: object) -> bool:
    return isinstance(event, EmployeeChanged)


def list_revisions(settled: tuple[SettledChange, ...]) -> list[tuple[int, int | None]]:
    """Returns the revision of each outcome, with the offset of its change."""
    return [(one.outcome.revision, one.change.position.offset if one.change else None) for one in settled]


def test_outcome_is_joined_with_its_change() -> None:
    """The newest outcome first. A change that Kafka no longer has is missing."""
    history = make_history(make_change(employee="7", revision=1_000), make_outcome("7", 1_000), make_outcome("7", 900))

    assert sorted(list_revisions(history.settled)) == [(900, None), (1_000, 0)]


def test_repeated_records_count_once() -> None:
    """A resend and a replay repeat the change, and the writer its outcome: the first records are shown."""
    change, outcome = make_change(employee="7", revision=1_000), make_outcome("7", 1_000)
    history = make_history(change, outcome, change, outcome)

    (settled,) = history.settled

    assert settled.position.offset == 1
    assert list_revisions(history.settled) == [(1_000, 0)]


def test_tombstone_erases_what_is_before_it() -> None:
    """Compaction may not have reached the records of an erased employee yet."""
    history = make_history(
        make_change(employee="7", revision=1_000), make_outcome("7", 1_000), None, make_outcome("7", 2_000)
    )

    assert list_revisions(history.settled) == [(2_000, None)]
    assert history.find_change(1_000) is None


def test_records_of_other_employees_are_left_out() -> None:
    """The key of a record can be forged; the event says to which employee it belongs."""
    foreign = make_change(employee="7", revision=1_000).model_copy(update={"connection_id": OTHER})
    history = make_history(foreign, make_change(employee="8", revision=1_000), make_outcome("8", 1_000))

    assert foreign.person != PersonKey(CONNECTION, PERSON.employee_id)
    assert history.settled == ()
    assert history.find_change(1_000) is None


def test_unreadable_and_future_records_are_left_out() -> None:
    """Their readers have made them dead letters."""
    history = make_history(make_change(employee="7", revision=10**15))
    history.add_changes(NAME, [RecordedRecord(2, 9, 9_000, bytes(PERSON), b"{", ())])

    assert history.find_change(10**15) is None


def test_newest_records_are_kept() -> None:
    """Memory stays bounded, however many records the employee has."""
    most = admin_history.MAX_RECORDS
    history = make_history(*(make_outcome("7", revision, Outcome.UPDATED) for revision in range(1, most + 3)))

    assert len(history.settled) == most
    assert min(one.outcome.revision for one in history.settled) == 3


def test_size_of_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One event can be as large as Kafka allows."""
    monkeypatch.setattr(admin_history, "MAX_BYTES", 20_000)
    history = make_history(
        *(make_outcome("7", revision) for revision in range(1, 5)),
        *(make_change({"a": "x" * 9_000}, employee="7", revision=revision) for revision in range(1, 5)),
    )

    assert [history.find_change(revision) is None for revision in range(1, 5)] == [True, True, False, False]
    assert len(history.settled) == 4


@pytest.mark.parametrize(("timestamp_ms", "year"), [(-1, 1969), (2**62, None), (-(2**62), None)])
def test_forged_time_of_a_record_ends_nothing(timestamp_ms: int, year: int | None) -> None:
    """A producer sends the timestamp of its records."""
    history = EmployeeHistory(PERSON, NOW)
    one = record(make_change(employee="7", revision=1_000), 0)
    history.add_changes(NAME, [one._replace(timestamp_ms=timestamp_ms)])

    found = history.find_change(1_000)

    assert found is not None
    assert (found.position.recorded_at and found.position.recorded_at.year) == year


async def test_search_ends_at_the_first_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """The partition can have the changes of all companies for weeks after it."""
    change = make_change(employee="7", revision=1_000)
    batches = [(record(make_change(employee="7", revision=900), 0),), (record(change, 1),), (record(change, 2),)]
    read: list[int] = []

    async def read_batches(*_: object, **__: object) -> AsyncGenerator[tuple[RecordedRecord, ...], None]:
        for number, batch in enumerate(batches):
            read.append(number)
            yield batch

    monkeypatch.setattr(admin_history, "read_topic", read_batches)
    settings = KafkaSettings.model_construct(kafka_topic_prefix="t-")

    position = await find_position(settings, change, NOW)
    missing = await find_position(settings, make_change(employee="7", revision=2_000), NOW)

    assert position is not None
    assert position.offset == 1
    assert missing is None
    assert read == [0, 1, 0, 1, 2]
