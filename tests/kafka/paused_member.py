"""A member in its own process: starts its first batch, waits for a file, then checks whether it still owns the batch.

GATE=<file> python -m tests.kafka.paused_member
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from services.contracts.cloudevents import Record
from services.contracts.events import EmployeeChanged
from services.runtime.kafka.decoding import Batch
from services.runtime.kafka.ownership import PartitionsMovedError
from services.runtime.settings import KafkaSettings
from tests.kafka.group import KafkaGroup, build_results


def report(line: str) -> None:
    print(line, flush=True)


class GatedHandler:
    """Waits in its first batch until the file exists, and reports the progress on standard output."""

    def __init__(self, gate: Path) -> None:
        self.gate = gate
        self.is_first = True

    async def __call__(self, batch: Batch[EmployeeChanged]) -> Sequence[Record]:
        if self.is_first:
            self.is_first = False
            report("working")
            # every millisecond, so that this comes before the heartbeat when the suspended process continues
            while not self.gate.exists():  # noqa: ASYNC110 - the test creates the file from another process
                await asyncio.sleep(0.001)
            try:
                batch.ownership.ensure_owned()
            except PartitionsMovedError:
                report("moved")
                raise
            report("owned")
        batch.ownership.ensure_owned()
        for record in batch.records:
            report(f"handled {record.event.revision}")
        return build_results(batch)


async def main() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    group = KafkaGroup(KafkaSettings())
    async with group.run_member(GatedHandler(Path(os.environ["GATE"])), max_records=500):
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
