"""Runs: one run is one poll of one connection."""

from enum import StrEnum

from pydantic import AwareDatetime, Field

from services.contracts.ids import ConnectionId
from services.contracts.values import FrozenModel


class RunState(StrEnum):
    """How far a run is."""

    RUNNING = "running"
    """The run has not ended."""
    SUCCEEDED = "succeeded"
    """The run ended without an error."""
    FAILED = "failed"
    """The run ended with an error."""


class RunCounts(FrozenModel):
    """The counts of a run, as the command ``poll`` prints them."""

    seen: int = 0
    """Number of employees that Personio listed."""
    created: int = 0
    """Number of new employees."""
    changed: int = 0
    """Number of employees with a changed attribute."""
    unchanged: int = 0
    """Number of employees without a change."""
    emitted: int = 0
    """Number of events that Kafka has acknowledged."""
    oversized: int = 0
    """Number of events that are too large for Kafka."""
    absent: int = 0
    """Number of employees that a complete scan no longer lists. They are reported only: their accounts stay unchanged."""


class Run(FrozenModel):
    """One poll of one connection, with its counts and its result."""

    id: str
    """Id of the run."""
    connection_id: ConnectionId
    """The connection."""
    state: RunState = RunState.RUNNING
    """How far the run is."""
    started_at: AwareDatetime
    """When the run started."""
    finished_at: AwareDatetime | None = None
    """When the run ended; None while it is running."""
    counts: RunCounts = Field(default_factory=RunCounts)
    """The counts; zeros if the run failed before the end of its scan. A scan that stopped at a limit has counts."""
    no_longer_visible: tuple[str, ...] = ()
    """Keys of stored attributes that the credential can no longer read. Their old values are kept."""
    error: str | None = None
    """Why the run failed; None if it did not fail."""
