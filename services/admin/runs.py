"""The runs of a connection, the changes that a run holds, and the thresholds of the guard."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import ClassVar

from services.contracts.connections import Guard
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.runs import Run, RunNotHeldError, RunState
from services.errors import PermanentError
from services.store.database import Store


class UnknownRunError(PermanentError):
    """The run does not exist, or belongs to another connection."""

    code: ClassVar[str] = "unknown-run"


@dataclass(frozen=True, slots=True)
class HeldChange:
    """A change that a run holds, of one employee."""

    employee: EmployeeId
    """Personio's id of the employee."""
    what: tuple[str, ...]
    """The kinds of change, such as ``left`` or ``office.name emptied``."""
    name: str | None = None
    """First and last name, as the run saw them; None if they were not requested, are empty, or the employee is absent."""


async def list_runs(store: Store, connection: ConnectionId, limit: int) -> tuple[Run, ...]:
    """Returns the newest runs, newest first. Raises ``UnknownConnectionError``."""
    await store.connections.ensure_exists(connection)
    return await store.runs.list_newest(connection, limit)


async def get_run(store: Store, connection: ConnectionId, run: str) -> Run:
    """Returns a run. Raises ``UnknownConnectionError`` and ``UnknownRunError``."""
    await store.connections.ensure_exists(connection)
    found = await store.runs.get(run)
    if found is None or found.connection_id != connection:
        raise UnknownRunError(f"unknown run {run} of connection {connection}: see `runs list {connection}`")
    return found


async def get_decidable(store: Store, connection: ConnectionId, run: str, *, is_released: bool) -> Run:
    """Returns the held run to decide about: this one, or one that has replaced it and holds the same changes. To be released,
    it may also be one with a release that ended with an error.

    Raises ``UnknownConnectionError``, ``UnknownRunError`` and ``RunNotHeldError``.
    """
    found = await get_run(store, connection, run)
    found = await store.runs.find_successor(found) or found
    is_interrupted = is_released and found.state is RunState.RELEASING
    if found.state is not RunState.HELD and not is_interrupted:
        is_replaced = found.state is RunState.REPLACED
        reason = f"a later run has replaced {run}, and " if is_replaced else f"the run {run} is {found.state.value}, "
        same = "no run holds the same changes" if is_replaced else "not held"
        raise RunNotHeldError(f"{reason}{same}: see `runs list {connection}` for a run that is held now")
    return found


async def stream_held(store: Store, run: str, *, with_names: bool) -> AsyncIterator[HeldChange]:
    """Yields the changes that a run holds, in the order of the employee ids. ``with_names`` adds names, which are personal data."""
    async for page in store.observations.stream(run):
        for observation in page:
            what = tuple(" ".join(filter(None, (group.attribute, group.kind.value))) for group in observation.groups)
            snapshot = observation.snapshot if with_names else None
            yield HeldChange(observation.employee_id, what, None if snapshot is None else snapshot.full_name)


async def set_guard(
    store: Store, connection: ConnectionId, *, is_on: bool | None, share: float | None, people: int | None
) -> Guard:
    """Changes the guard of a connection, and returns it. ``share`` is from 0 to 1. None leaves a value as it is.

    Raises ``UnknownConnectionError``, and ``StoreFailedError`` for a connection that cannot be read.
    """
    stored = await store.connections.get(connection)
    given = {"is_on": is_on, "share": share, "people": people}
    guard = Guard.model_validate(stored.guard.model_dump() | {k: v for k, v in given.items() if v is not None})
    await store.connections.set_guard(connection, guard)
    return guard
