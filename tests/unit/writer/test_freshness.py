"""What counts as the time from a change to the right account, and which connections have histograms."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.contracts.cloudevents import SendReason
from services.contracts.events import AccountRequested
from services.contracts.ids import ConnectionId
from services.contracts.outcomes import Intent, Outcome
from services.errors import TransientError
from services.provisioning.calls import Call
from services.runtime.metrics import Metrics
from services.writer.freshness import IDLE_SECONDS, OLDEST_STAMP, Freshness, find_source_age
from tests.support.builders import (
    CONNECTION,
    NOW,
    OTHER,
    make_entry,
    make_outcome,
    make_request,
    make_request_with_intent,
)
from tests.support.fakes import FakeClock
from tests.support.writer_stage import EVA, ZOE, WriterStage

DETECTION, SOURCE = "sync_freshness_seconds", "sync_source_freshness_seconds"
MINUTE = timedelta(minutes=1)


def read(metrics: Metrics, name: str, part: str = "count", connection: ConnectionId = CONNECTION) -> float | None:
    """Returns the number or the sum of a connection's histogram; None if it has none."""
    return metrics.registry.get_sample_value(f"{name}_{part}", {"connection": connection})


def stamp(request: AccountRequested, at: datetime | None, detected_at: datetime = NOW) -> AccountRequested:
    """Returns the request with Personio's stamp of its change."""
    return request.model_copy(update={"source_modified_at": at, "detected_at": detected_at})


# ---------------------------------------------------------------- from the detection


async def test_first_write_of_a_change_counts(stage: WriterStage) -> None:
    """The time from the detection to the settlement is counted for the connection, once for each revision."""
    stage.clock.seconds += 30
    await stage.handle(make_request(**ZOE))
    await stage.handle(make_request(revision=2_000, **EVA))

    assert read(stage.metrics, DETECTION) == 2
    assert read(stage.metrics, DETECTION, "sum") == 60
    assert read(stage.metrics, DETECTION, connection=OTHER) is None


@pytest.mark.parametrize("reason", list(SendReason))
async def test_change_that_is_sent_again_does_not_count(stage: WriterStage, reason: SendReason) -> None:
    """A repetition, a resend and a replay of a settled change are old, also if a new mapping makes them a write."""
    await stage.handle(make_request(**ZOE))
    stage.clock.seconds += 5_000
    outcomes = await stage.handle(make_request(version=4, **EVA), reason=reason)
    await stage.handle(make_request(version=4, **EVA), reason=reason)

    assert [outcome.outcome for outcome in outcomes] == [Outcome.UPDATED]
    assert read(stage.metrics, DETECTION) == 1
    assert read(stage.metrics, DETECTION, "sum") == 0


@pytest.mark.parametrize("reason", [SendReason.RESENT, SendReason.REPLAYED])
async def test_change_of_a_lost_ledger_does_not_count(stage: WriterStage, reason: SendReason) -> None:
    """Without a ledger every change looks new: only a detected one is."""
    stage.clock.seconds += 5_000
    await stage.handle(make_request("1"), reason=reason)
    await stage.handle(make_request("2"))

    assert read(stage.metrics, DETECTION) == 1


async def test_waiting_change_counts_with_all_of_its_time(stage: WriterStage) -> None:
    """A change that waited for the server is resent and counts, because its account was wrong all the time."""
    server = await stage.get_server()

    async def fail(_: Call) -> None:
        raise TransientError("down", retry_after=999)

    server.before = fail
    await stage.handle(make_request())

    assert read(stage.metrics, DETECTION) == 0

    await stage.reset_endpoints()
    stage.clock.seconds += 7_200
    await stage.handle(make_request(), reason=SendReason.RESENT)

    assert read(stage.metrics, DETECTION) == 1
    assert read(stage.metrics, DETECTION, "sum") == 7_200


async def test_only_written_outcomes_count(stage: WriterStage) -> None:
    """Changes that need no account, that are rejected or superseded, or that change nothing take no time to measure."""
    await stage.handle(
        make_request_with_intent(Intent.IGNORE, "1"),
        make_request_with_intent(Intent.REJECT, "2", reason="no address"),
        make_request("3", revision=1_000, **ZOE),
        make_request("3", revision=2_000, **ZOE),
    )
    outcomes = await stage.handle(make_request("3", revision=3_000, **ZOE))

    assert [outcome.outcome for outcome in outcomes] == [Outcome.UNCHANGED]
    assert read(stage.metrics, DETECTION) == 1


async def test_disabled_account_counts(stage: WriterStage) -> None:
    """The time until a leaver has no access is the one that matters most."""
    await stage.handle(make_request())
    await stage.handle(make_request_with_intent(Intent.DISABLE, revision=2_000))

    assert read(stage.metrics, DETECTION) == 2


async def test_change_that_is_delivered_again_counts_once(stage: WriterStage) -> None:
    """A batch that was settled before a crash is settled again, with the same outcome."""
    await stage.handle(make_request())
    stage.offset = 0
    stage.restart()
    await stage.handle(make_request())

    assert read(stage.metrics, DETECTION) == 1


async def test_clock_that_is_ahead_counts_as_no_time(stage: WriterStage) -> None:
    """The poller's clock may be ahead of the writer's: the time is 0, not negative."""
    await stage.handle(stamp(make_request(), None, detected_at=NOW + MINUTE))

    assert read(stage.metrics, DETECTION, "sum") == 0


# ---------------------------------------------------------------- from Personio's stamp


async def test_newer_stamp_counts_with_the_time_before_detection(stage: WriterStage) -> None:
    """The second change of an employee counts from its stamp; the first one has no stamp to compare with."""
    await stage.handle(stamp(make_request(**ZOE), NOW - timedelta(days=900)))

    assert read(stage.metrics, SOURCE) == 0

    stage.clock.seconds += 30
    await stage.handle(stamp(make_request(revision=2_000, **EVA), NOW - 10 * MINUTE))

    assert read(stage.metrics, SOURCE) == 1
    assert read(stage.metrics, SOURCE, "sum") == 630
    assert read(stage.metrics, DETECTION) == 2


PREVIOUS = NOW - timedelta(days=30)


@pytest.mark.parametrize(
    ("previous", "stamped", "age"),
    [
        (PREVIOUS, NOW - MINUTE, 3 * MINUTE),
        (PREVIOUS, NOW, 2 * MINUTE),
        (PREVIOUS, NOW - OLDEST_STAMP, OLDEST_STAMP + 2 * MINUTE),
        (PREVIOUS, NOW - OLDEST_STAMP - MINUTE, None),
        (PREVIOUS, NOW + MINUTE, None),
        (NOW - MINUTE, NOW - MINUTE, None),
        (NOW - MINUTE, NOW - 2 * MINUTE, None),
        (PREVIOUS, None, None),
        (None, NOW - MINUTE, None),
    ],
    ids=["newer", "now", "a week", "older", "future", "same", "earlier", "no stamp", "no previous stamp"],
)
def test_stamp_counts_if_it_is_of_this_change(
    previous: datetime | None, stamped: datetime | None, age: timedelta | None
) -> None:
    """A stamp of an earlier change, of the future, or of long ago says nothing about this change."""
    decided = make_outcome().model_copy(update={"source_modified_at": previous})
    changed = make_outcome(revision=2_000).model_copy(
        update={"source_modified_at": stamped, "detected_at": NOW, "settled_at": NOW + 2 * MINUTE}
    )

    assert find_source_age(make_entry(decided=decided), changed) == age


def test_stamp_of_a_new_employee_does_not_count() -> None:
    """A first import has stamps of many years."""
    assert find_source_age(make_entry(decided=None), make_outcome()) is None


# ---------------------------------------------------------------- the connections


class Served:
    """Histograms on a clock that a test moves."""

    def __init__(self, max_connections: int = 100) -> None:
        self.metrics = Metrics()
        self.clock = FakeClock()
        self.freshness = Freshness(self.metrics, self.clock, max_connections)

    def list_connections(self) -> set[str]:
        """Returns the connections with series."""
        samples: list[Any] = [sample for family in self.metrics.registry.collect() for sample in family.samples]
        return {sample.labels["connection"] for sample in samples if "connection" in sample.labels}


def test_served_connection_has_histograms_with_zeros() -> None:
    """Prometheus counts the first change only if it has read the number 0 before."""
    served = Served()
    served.freshness.note_served(CONNECTION)

    assert read(served.metrics, DETECTION) == 0
    assert read(served.metrics, SOURCE) == 0


def test_connection_costs_nine_series_for_each_histogram() -> None:
    """The metrics' page and the documentation of operations name this number."""
    served = Served()
    served.freshness.note_served(CONNECTION)
    samples = [sample for family in served.metrics.registry.collect() for sample in family.samples]

    for name in (DETECTION, SOURCE):
        assert len([sample for sample in samples if sample.name.startswith(f"{name}_") and sample.labels]) == 9


def test_idle_connection_loses_its_histograms_after_a_day() -> None:
    """A replica that no longer serves a connection must not keep its series."""
    served = Served()
    served.freshness.note_served(CONNECTION)
    served.clock.seconds += IDLE_SECONDS / 2
    served.freshness.note_served(OTHER)
    served.clock.seconds += IDLE_SECONDS / 2
    served.freshness.forget_idle()

    assert served.list_connections() == {OTHER}
    assert served.freshness.connections == {OTHER}


def test_connection_that_is_served_again_stays() -> None:
    """The day begins with the last change."""
    served = Served()
    served.freshness.note_served(CONNECTION)
    served.clock.seconds += IDLE_SECONDS - 1
    served.freshness.note_served(CONNECTION)
    served.clock.seconds += IDLE_SECONDS - 1
    served.freshness.forget_idle()

    assert served.list_connections() == {CONNECTION}


def test_number_of_connections_has_a_limit() -> None:
    """Above the limit, the connection that is idle for the longest time loses its histograms."""
    served = Served(max_connections=2)
    for name in ("c1", "c2", "c1", "c3"):
        served.freshness.note_served(ConnectionId(name))

    assert served.list_connections() == {"c1", "c3"}


def test_removed_connection_gets_no_histograms_again() -> None:
    """A batch that ends after the removal of its connection counts nothing."""
    served = Served()
    served.freshness.note_served(CONNECTION)
    served.freshness.forget([CONNECTION])
    served.freshness.measure(make_entry(), make_outcome())

    assert served.list_connections() == set()
