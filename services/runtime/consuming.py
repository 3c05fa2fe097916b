"""The parts of a process that consumes: its broker, started once Kafka answers, and its publisher."""

from typing import Any

from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker

from services.runtime.consumer import Consumption
from services.runtime.kafka import make_broker
from services.runtime.producer import KafkaUnavailableError
from services.runtime.settings import KafkaSettings


class Consuming:
    """A part of a process: joins the group when started, finishes the batch in work when stopped."""

    def __init__(
        self, settings: KafkaSettings, name: str, consumption: Consumption[Any], graceful_timeout: float
    ) -> None:
        self._settings = settings
        self._name = name
        self._consumption = consumption
        self._graceful_timeout = graceful_timeout
        self._broker: KafkaBroker | None = None

    async def start(self) -> None:
        broker = make_broker(self._settings, self._name, self._graceful_timeout)
        self._consumption.subscribe(broker)
        try:
            await broker.start()
        except (KafkaError, OSError) as error:
            await broker.stop()
            raise KafkaUnavailableError(
                f"Kafka does not answer or misses the topics ({type(error).__name__}): "
                "is it running, and has `personio-declaree init` been run?"
            ) from error
        self._broker = broker
        self._consumption.started()

    async def stop(self) -> None:
        if self._broker is not None:
            await self._broker.stop()
