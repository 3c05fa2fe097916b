"""Faults on demand: failures of the next matching requests."""

import random
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal
from urllib.parse import unquote_plus

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal[
    "too_many_requests",
    "server_error",
    "bad_gateway",
    "gateway_timeout",
    "gateway_not_found",
    "unauthorized",
    "forbidden",
    "not_found",
    "not_json",
    "cut",
    "slow",
    "expire_token",
    "duplicate",
    "skip",
    "shrink",
    "grow",
    "drop",
    "repeat",
    "reorder",
    "empty",
    "short",
]
ON_PAGES: frozenset[Kind] = frozenset(
    {"duplicate", "skip", "shrink", "grow", "drop", "repeat", "reorder", "empty", "short"}
)
"""Faults that change the page of a list instead of replacing the response."""
BEFORE_REQUESTS: frozenset[Kind] = frozenset({"slow", "expire_token"})
"""Faults that take effect before a request is handled."""


class Fault(BaseModel):
    """Fault of the next matching requests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    """What happens to a request."""
    count: int | None = Field(1, ge=1)
    """Number of matching requests that fail; None means until the faults are cleared."""
    after: int = Field(0, ge=0)
    """Number of matching requests that pass before the first failure."""
    every: int = Field(1, ge=1)
    """Interval of failures: 3 means that two matching requests pass after each one that can fail."""
    rate: float = Field(1.0, gt=0, le=1)
    """Share of the requests that fail of those that can fail."""
    seed: int = 0
    """Seed of the random choice when ``rate`` is below 1."""
    method: str = "*"
    """Pattern of the HTTP method; ``*`` matches any text."""
    path: str = "/v1/*"
    """Pattern of the path; ``*`` matches any text."""
    query: str = "*"
    """Pattern of the decoded query string, such as ``*updated_since=*``."""
    retry_after: int | None = Field(None, ge=0)
    """Value of ``Retry-After`` in seconds for ``too_many_requests``. None sends no header."""
    seconds: float = Field(1.0, ge=0, le=600)
    """Delay of the response for ``slow``."""
    by: int = Field(1, ge=1)
    """Number of employees for ``shrink``, ``grow``, ``drop``, ``repeat`` and ``short``."""

    def matches(self, method: str, path: str, query: str) -> bool:
        """Returns whether the patterns match this request. ``query`` is the query string as it was sent."""
        return (
            fnmatchcase(method, self.method.upper())
            and fnmatchcase(path, self.path)
            and fnmatchcase(unquote_plus(query), self.query)
        )

    def strikes(self, number: int) -> bool:
        """Returns whether the matching request with this number, from 0, can fail. ``count`` is not considered."""
        number -= self.after
        if number < 0 or number % self.every:
            return False
        return self.rate == 1 or random.Random(f"{self.seed}/{number}").random() < self.rate


@dataclass(slots=True)
class _Waiting:
    """Fault with the requests that it has counted."""

    fault: Fault
    """The fault."""
    seen: int = 0
    """Number of matching requests."""
    failed: int = 0
    """Number of requests that failed."""

    def take(self) -> bool:
        """Counts a matching request. Returns whether it fails."""
        strikes = self.fault.strikes(self.seen)
        self.seen += 1
        self.failed += strikes
        return strikes

    def is_used_up(self) -> bool:
        """Returns whether the fault has reached its count."""
        return self.fault.count is not None and self.failed >= self.fault.count


class Faults:
    """Faults that wait for matching requests, in order of creation. One request can match several faults."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []

    def list_waiting(self) -> list[dict[str, Any]]:
        """Returns the faults that are not used up, as JSON documents with the numbers of seen and failed requests."""
        return [
            {**waiting.fault.model_dump(), "seen": waiting.seen, "failed": waiting.failed} for waiting in self._waiting
        ]

    def add(self, fault: Fault) -> None:
        """Adds a fault."""
        self._waiting.append(_Waiting(fault))

    def clear(self) -> None:
        """Removes all faults."""
        self._waiting.clear()

    def take_matching(self, method: str, path: str, query: str) -> list[Fault]:
        """Returns the faults of this request, and counts the request for each matching fault."""
        matching = [waiting for waiting in self._waiting if waiting.fault.matches(method, path, query)]
        faults = [waiting.fault for waiting in matching if waiting.take()]
        self._waiting = [waiting for waiting in self._waiting if not waiting.is_used_up()]
        return faults
