"""What the writer keeps in memory does not grow with the number of batches."""

import asyncio
import gc

from services.contracts.ids import EmployeeId
from services.provisioning.calls import Call, CreateAccount
from services.writer.people import BatchPeople
from tests.support.builders import make_request
from tests.support.writer_stage import WriterStage

BATCHES = 20
"""Number of batches of which each begins before the one before it has ended."""


def count_batches() -> int:
    """Returns the number of batches in memory."""
    gc.collect()
    return sum(type(thing) is BatchPeople for thing in gc.get_objects())


async def test_people_of_finished_batches_are_forgotten(stage: WriterStage) -> None:
    """During a large import, batches overlap without a pause, and each knows those that were in progress when it began."""
    server = await stage.get_server()
    begun: asyncio.Queue[asyncio.Event] = asyncio.Queue()

    async def wait_for_turn(call: Call) -> None:
        if isinstance(call, CreateAccount):
            may_go_on = asyncio.Event()
            begun.put_nowait(may_go_on)
            await may_go_on.wait()

    server.before = wait_for_turn
    earlier = asyncio.create_task(stage.handle(make_request(EmployeeId("100"))))
    let_earlier_end = await begun.get()
    for number in range(101, 101 + BATCHES):
        batch = asyncio.create_task(stage.handle(make_request(EmployeeId(str(number)))))
        let_batch_end = await begun.get()
        let_earlier_end.set()
        await earlier
        earlier, let_earlier_end = batch, let_batch_end

    kept = count_batches()

    let_earlier_end.set()
    await earlier
    assert kept <= 2, "only the batch in progress and the one that it overlaps may be in memory"
