"""A member in a process of its own: begins with its first batch, waits at the gate, asks whether the batch is its own.

GATE=<file> python -m tests.kafka.paused_member
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from services.contracts.envelope import Record
from services.contracts.events import EmployeeChanged
from services.runtime.consumer import Batch, PartitionsMovedError
from services.runtime.settings import KafkaSettings
from tests.kafka.stage import Stage, answers


def say(text: str) -> None:
    print(text, flush=True)


class AtTheGate:
    def __init__(self, gate: Path) -> None:
        self.gate = gate
        self.asked = False
        self.handled = 0

    async def __call__(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        if not self.asked:
            self.asked = True
            say("working")
            while not self.gate.exists():  # noqa: ASYNC110 - the test opens it from another process
                await asyncio.sleep(0.001)
            try:
                batch.ownership.check()
            except PartitionsMovedError:
                say("moved")
                raise
            say("mine")
        batch.ownership.check()
        self.handled += len(batch.events)
        say(f"handled {self.handled}")
        return answers(batch)


async def main() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    stage = Stage(KafkaSettings())
    async with stage.running(AtTheGate(Path(os.environ["GATE"])), max_records=500):
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
