"""Runs: one run is one poll of one connection."""

from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime, Field

from services.contracts.ids import ConnectionId
from services.contracts.observations import GroupCount
from services.contracts.values import FrozenModel
from services.contracts.vendor_notes import VendorNotes
from services.errors import PermanentError


class RunNotHeldError(PermanentError):
    """The run does not exist, or is not held, so there is nothing to decide about it."""

    code: ClassVar[str] = "run-not-held"


class RunKind(StrEnum):
    """Which employees a run asks Personio for."""

    FULL = "full"
    """All employees. Only such a run finds out which employees Personio no longer lists."""
    INCREMENTAL = "incremental"
    """The employees that Personio has marked as changed, and those that a date or an absence makes due."""


class RunState(StrEnum):
    """How far a run is."""

    RUNNING = "running"
    """The run has not ended."""
    SUCCEEDED = "succeeded"
    """The scan was complete, and its changes were released."""
    INCOMPLETE = "incomplete"
    """Personio's list ended early, or does not agree with the announced number. The changes of the listed employees were
    released, and no employee counts as absent."""
    FAILED = "failed"
    """The run ended with an error. The next run sees the changes that this one has not released."""
    HELD = "held"
    """The guard holds the changes, because they are unusual. An administrator decides, or the next run replaces this one."""
    RELEASING = "releasing"
    """An administrator has released the held changes, and they are being published."""
    RELEASED = "released"
    """An administrator has released the held changes, and they were published."""
    REJECTED = "rejected"
    """An administrator has rejected the held changes, and they were dropped."""
    REPLACED = "replaced"
    """The run was held. A later run has compared all employees again. A decision about this one counts for the later one if
    that holds the same changes; otherwise it is refused."""


UNSUCCESSFUL = frozenset({RunState.INCOMPLETE, RunState.FAILED, RunState.HELD})
"""States of a run that need an administrator or an operator."""


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
    """Number of employees with an attribute that is too large, or with an event that is too large for Kafka."""
    absent: int = 0
    """Number of employees that a complete scan no longer lists."""
    removed: int = 0
    """Number of these that two lookups have not found: their accounts are disabled."""
    announced: int | None = None
    """Number of employees that Personio announced; None if it announced none."""
    missed: int = 0
    """Number of changes that a full scan has found and that an earlier incremental poll should have seen, by Personio's own
    timestamps."""


class Run(FrozenModel):
    """One poll of one connection, with its counts and its result."""

    id: str
    """Id of the run."""
    connection_id: ConnectionId
    """The connection."""
    kind: RunKind = RunKind.FULL
    """Which employees the run asks for."""
    state: RunState = RunState.RUNNING
    """How far the run is."""
    started_at: AwareDatetime
    """When the run started."""
    finished_at: AwareDatetime | None = None
    """When the run ended; None while it is running."""
    counts: RunCounts = Field(default_factory=RunCounts)
    """The counts; zeros while the run is running, and if it failed."""
    invisible: tuple[str, ...] = ()
    """Keys of wanted attributes that the credential cannot read. Their fields stay as they are."""
    notes: VendorNotes = Field(default_factory=VendorNotes)
    """What Personio's answers said beside their content; empty if the run failed."""
    unusual: tuple[GroupCount, ...] = ()
    """The groups of changes that are above the thresholds of the guard; empty for a run that was not held."""
    digest: str | None = None
    """Fingerprint of the held changes, equal for runs with the same ones; None for a run that was not held."""
    error: str | None = None
    """Why the run is incomplete, has failed or was held; None for any other run. It stays after the decision about a held run."""
