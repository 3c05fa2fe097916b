"""What people and services ask of a connection's lease holder, and what came of it."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.model import Frozen


class Poll(Frozen):
    """Look at Personio now. A dry run counts the changes and neither stores nor sends anything."""

    kind: Literal["poll"] = "poll"
    dry_run: bool = False


class Resend(Frozen):
    """Publish the current snapshots again: of everybody, of the unsettled, of the rejected, or of the people named.

    Unsettled is who waits, whose ledger entry asks for a look, and who lost a race for it.
    """

    kind: Literal["resend"] = "resend"
    scope: Literal["all", "unsettled", "rejected", "people"]
    people: tuple[EmployeeId, ...] = ()
    why: str


Task = Annotated[Poll | Resend, Field(discriminator="kind")]


class RequestState(StrEnum):
    OPEN = "open"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Request(Frozen):
    """A task for a connection's lease holder. ``counts`` grow while it runs; ``error`` tells why it failed."""

    id: str
    connection_id: ConnectionId
    task: Task
    state: RequestState = RequestState.OPEN
    filed_at: AwareDatetime
    finished_at: AwareDatetime | None = None
    counts: dict[str, int] = Field(default_factory=dict)
    error: str | None = None
