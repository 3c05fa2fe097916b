"""The parts of a process that consumes: its broker, started once Kafka answers, and the watch over its consumer."""

from typing import Any

from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker

from services.runtime.consumer import Consumption
from services.runtime.kafka import make_broker, stopped
from services.runtime.process import Background
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
        # what is left of the time is for leaving the group, so that others need not wait for our session to expire
        self._batch_timeout = graceful_timeout * 0.9
        self._broker: KafkaBroker | None = None
        self._watch = Background("the consumer", consumption.watch, consumption.fatal)

    async def start(self) -> None:
        broker = make_broker(self._settings, self._name, self._batch_timeout)
        self._consumption.subscribe(broker)
        try:
            await broker.start()
        except (KafkaError, OSError) as error:
            await self._stop(broker)
            raise KafkaUnavailableError(
                f"Kafka does not answer or misses the topics ({type(error).__name__}): "
                "is it running, and has `personio-declaree init` been run?"
            ) from error
        except BaseException:
            await self._stop(broker)
            raise
        self._broker = broker
        self._consumption.started()
        await self._watch.start()

    async def stop(self) -> None:
        await self._watch.stop()
        if self._broker is not None:
            await self._stop(self._broker)

    async def _stop(self, broker: KafkaBroker) -> None:
        consumer = self._consumption.consumer
        if consumer is None:
            await broker.stop()
        else:
            await stopped(consumer, broker.stop())
