"""One poll of one connection."""

from enum import StrEnum

from pydantic import AwareDatetime, Field

from services.contracts.ids import ConnectionId
from services.contracts.model import Frozen


class RunState(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class RunCounts(Frozen):
    """What a scan found. ``missing`` counts people whom a complete scan no longer lists; they are reported only."""

    seen: int = 0
    created: int = 0
    changed: int = 0
    unchanged: int = 0
    emitted: int = 0
    refused: int = 0
    missing: int = 0


class Run(Frozen):
    """``unreleased`` names attributes that the credential no longer releases; their old values are kept."""

    id: str
    connection_id: ConnectionId
    state: RunState = RunState.RUNNING
    started_at: AwareDatetime
    finished_at: AwareDatetime | None = None
    counts: RunCounts = Field(default_factory=RunCounts)
    unreleased: tuple[str, ...] = ()
    error: str | None = None
