"""Preparing Kafka and MongoDB where they are not there yet."""

import asyncio
from typing import cast

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from services.admin.setup import prepare_once_they_answer
from services.errors import TransientError
from services.runtime.settings import KafkaSettings
from services.store.database import Store
from tests.fakes import FakeClock


class EnoughError(Exception):
    pass


class ImpatientClock(FakeClock):
    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        if len(self.slept) == 7:
            raise EnoughError


async def test_servers_that_are_away_are_asked_again_and_again_ever_more_rarely(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ImpatientClock()
    kafka = KafkaSettings(kafka_bootstrap_servers="127.0.0.1:9", kafka_request_timeout_ms=1_000)
    keys = [SecretStr(Fernet.generate_key().decode())]
    store = Store.connect(SecretStr("mongodb://127.0.0.1:9"), "nowhere", keys, timeout_ms=100)
    try:
        with pytest.raises(EnoughError):
            await prepare_once_they_answer(kafka, store, clock)
    finally:
        store.close()
    assert clock.slept == [0.5, 1, 2, 4, 8, 10, 10]
    said = [record.getMessage() for record in caplog.records if record.name == "services.admin.setup"]
    assert len(said) == 7
    assert all("KAFKA_BOOTSTRAP_SERVERS" in line for line in said)


async def test_whoever_is_asked_to_stop_in_the_middle_of_an_attempt_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library may take the cancellation for its own and make an error of it."""
    began = asyncio.Event()

    async def swallows(*_: object) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            raise TransientError("Kafka does not answer") from error

    monkeypatch.setattr("services.admin.setup.prepare", swallows)
    kafka = KafkaSettings(kafka_bootstrap_servers="127.0.0.1:9")
    waiting = asyncio.create_task(prepare_once_they_answer(kafka, cast("Store", None), FakeClock()))
    await began.wait()
    waiting.cancel()
    done, _ = await asyncio.wait({waiting}, timeout=5)
    assert done == {waiting}
    assert waiting.cancelled()
