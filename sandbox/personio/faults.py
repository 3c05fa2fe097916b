"""Faults on demand: failures of the next matching requests."""

from fnmatch import fnmatchcase
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal[
    "too_many_requests",
    "server_error",
    "bad_gateway",
    "gateway_timeout",
    "unauthorized",
    "forbidden",
    "not_found",
    "not_json",
    "cut",
    "slow",
    "duplicate",
    "skip",
    "shrink",
]
ON_PAGES: frozenset[Kind] = frozenset({"duplicate", "skip", "shrink"})
"""Faults that change the page of a list instead of replacing the response."""


class Fault(BaseModel):
    """Fault of the next matching requests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    """What happens to a request."""
    count: int = Field(1, ge=1)
    """Number of matching requests that fail."""
    after: int = Field(0, ge=0)
    """Number of matching requests that pass before the first failure."""
    method: str = "*"
    """Pattern of the HTTP method; ``*`` matches any text."""
    path: str = "/v1/*"
    """Pattern of the path; ``*`` matches any text."""
    retry_after: int | None = Field(None, ge=0)
    """Value of ``Retry-After`` in seconds for ``too_many_requests``. None sends no header."""
    seconds: float = Field(1.0, ge=0, le=600)
    """Delay of the response for ``slow``."""
    by: int = Field(1, ge=1)
    """Number of records by which ``shrink`` reduces the total."""

    def matches(self, method: str, path: str) -> bool:
        """Returns whether the patterns match this request."""
        return fnmatchcase(method, self.method.upper()) and fnmatchcase(path, self.path)

    def consume_one(self) -> "Fault | None":
        """Returns the rest of the fault after one matching request, or None if it is used up."""
        if self.after:
            return self.model_copy(update={"after": self.after - 1})
        return self.model_copy(update={"count": self.count - 1}) if self.count > 1 else None


class Faults:
    """Faults that wait for matching requests, in order of creation. One request can match several faults."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def list_waiting(self) -> list[Fault]:
        """Returns the faults that are not used up."""
        return list(self._waiting)

    def add(self, fault: Fault) -> None:
        """Adds a fault."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Removes all faults."""
        self._waiting.clear()

    def take_matching(self, method: str, path: str) -> list[Fault]:
        """Returns the faults of this request, and consumes one request of each matching fault."""
        matching = [fault for fault in self._waiting if fault.matches(method, path)]
        remaining = [fault.consume_one() if fault in matching else fault for fault in self._waiting]
        self._waiting = [fault for fault in remaining if fault is not None]
        return [fault for fault in matching if fault.after == 0]
