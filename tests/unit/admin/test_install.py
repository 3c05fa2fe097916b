"""Preparing Kafka and MongoDB while they do not answer."""

import asyncio

import pytest
from pydantic import SecretStr

from services.admin.install import Installed, install_when_available
from services.errors import TransientError
from services.runtime.settings import KafkaSettings
from services.store.database import Store
from tests.support.fakes import FakeClock
from tests.support.keys import make_key

KAFKA = KafkaSettings(kafka_bootstrap_servers="127.0.0.1:9", kafka_request_timeout_ms=1_000)


class StopError(Exception):
    """Ends the attempts of a test."""


class LimitedClock(FakeClock):
    """Raises ``StopError`` after seven pauses."""

    async def sleep(self, seconds: float) -> None:
        """Counts the pause."""
        await super().sleep(seconds)
        if len(self.slept) == 7:
            raise StopError


async def test_install_without_servers_is_retried_with_back_off(caplog: pytest.LogCaptureFixture) -> None:
    """The pauses double up to ten seconds, and each attempt logs the setting with the address."""
    clock = LimitedClock()
    keys = [SecretStr(make_key())]
    store = Store.connect(SecretStr("mongodb://127.0.0.1:9"), "nowhere", keys, timeout_ms=100)

    try:
        with pytest.raises(StopError):
            await install_when_available(KAFKA, store, clock)
    finally:
        store.close()
    messages = [record.getMessage() for record in caplog.records if record.name == "services.admin.install"]

    assert clock.slept == [0.5, 1, 2, 4, 8, 10, 10]
    assert len(messages) == 7
    assert [message for message in messages if "KAFKA_BOOTSTRAP_SERVERS" not in message] == []


async def test_install_cancelled_during_an_attempt_stops(store: Store) -> None:
    """A library may turn the cancellation into an error of its own, which must not start another attempt."""
    has_begun = asyncio.Event()

    async def hide_cancellation(*_: object) -> Installed:
        has_begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            raise TransientError("Kafka does not answer") from error
        return Installed((), ())

    task = asyncio.create_task(install_when_available(KAFKA, store, FakeClock(), attempt=hide_cancellation))
    await has_begun.wait()
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=5)

    assert done == {task}
    assert task.cancelled()


async def test_install_without_servers_ends_after_the_given_time(store: Store) -> None:
    """A command that waits for a limited time ends with the last error."""
    clock = FakeClock()

    async def fail(*_: object) -> Installed:
        raise TransientError("Kafka does not answer")

    with pytest.raises(TransientError, match="Kafka does not answer"):
        await install_when_available(KAFKA, store, clock, seconds=3, attempt=fail)

    assert clock.slept == [0.5, 1, 2]
