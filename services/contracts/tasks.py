"""Tasks: work that the commands and the services file for the lease owner of a connection."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.values import FrozenModel


class Poll(FrozenModel):
    """Polls Personio now."""

    kind: Literal["poll"] = "poll"
    dry_run: bool = False
    """Whether the changes are counted only, and neither stored nor published."""
    people: tuple[EmployeeId, ...] = ()
    """The employees to look up. The guard does not hold their changes. Empty for a poll of all employees."""


class Resend(FrozenModel):
    """Publishes current snapshots again."""

    kind: Literal["resend"] = "resend"
    scope: Literal["all", "rejected", "people"]
    """The employees to resend: all, the rejected ones, or those in ``people``."""
    people: tuple[EmployeeId, ...] = ()
    """The employees to resend; empty for every scope but `people`."""
    reason: str
    """Why the task was filed."""


class Verify(FrozenModel):
    """Lists all accounts in Declaree and compares them with what they should be."""

    kind: Literal["verify"] = "verify"
    repair: bool = False
    """Whether fields with other values are written again. Missing accounts and enabled leavers are always repaired."""
    is_patient: bool = True
    """Whether a change without an outcome counts as under way for a time. An administrator that asks for repairs does not wait."""


class Disable(FrozenModel):
    """Disables the accounts of employees that Personio no longer lists."""

    kind: Literal["disable"] = "disable"
    people: tuple[EmployeeId, ...]
    """The employees. One that Personio lists is left alone."""


class DecideRun(FrozenModel):
    """Carries out what an administrator has decided about a held run."""

    kind: Literal["decide-run"] = "decide-run"
    run: str
    """Id of the run."""
    is_released: bool
    """Whether the held changes are published. Otherwise they are dropped."""


Action = Annotated[Poll | Resend | Verify | Disable | DecideRun, Field(discriminator="kind")]
"""What a task does."""


class TaskState(StrEnum):
    """How far a task is."""

    OPEN = "open"
    """A lease owner has not started the task."""
    RUNNING = "running"
    """A lease owner has started the task."""
    DONE = "done"
    """The task ended without an error."""
    FAILED = "failed"
    """The task ended with an error."""


class Task(FrozenModel):
    """Work that is filed for the lease owner of a connection."""

    id: str
    """Id of the task."""
    connection_id: ConnectionId
    """The connection."""
    action: Action
    """What the task does."""
    state: TaskState = TaskState.OPEN
    """How far the task is."""
    filed_at: AwareDatetime
    """When the task was filed."""
    finished_at: AwareDatetime | None = None
    """When the task ended; None if it has not ended."""
    counts: dict[str, int] = Field(default_factory=dict)
    """Counts by name. They grow while the task is running."""
    error: str | None = None
    """Why the task failed; None if it did not fail."""
