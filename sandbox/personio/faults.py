"""Faults on demand: what shall happen to the next requests that match."""

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
WITHOUT_ANSWER: frozenset[Kind] = frozenset({"cut"})
ON_PAGES: frozenset[Kind] = frozenset({"duplicate", "skip", "shrink"})
"""These change the page of a list instead of replacing the answer."""


class Fault(BaseModel):
    """``path`` is a pattern with ``*``; the first ``after`` matching requests pass, the next ``count`` are hit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    count: int = Field(1, ge=1)
    after: int = Field(0, ge=0)
    method: str = "*"
    path: str = "/v1/*"
    retry_after: int | None = Field(None, ge=0)
    """Seconds in ``Retry-After``, for ``too_many_requests``."""
    seconds: float = Field(1.0, ge=0, le=600)
    """How long ``slow`` waits before the answer."""
    by: int = Field(1, ge=1)
    """How many records ``shrink`` takes from the total."""

    def concerns(self, method: str, path: str) -> bool:
        return fnmatchcase(method, self.method.upper()) and fnmatchcase(path, self.path)

    def used_up_by_one(self) -> "Fault | None":
        """What is left after a matching request; None when nothing is."""
        if self.after:
            return self.model_copy(update={"after": self.after - 1})
        return self.model_copy(update={"count": self.count - 1}) if self.count > 1 else None


class Faults:
    """Waiting faults; several can hit one request, in the order in which they were set."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def waiting(self) -> list[Fault]:
        return list(self._waiting)

    def add(self, fault: Fault) -> None:
        self._waiting.append(fault)

    def clear(self) -> None:
        self._waiting.clear()

    def hitting(self, method: str, path: str) -> list[Fault]:
        """The faults of this request; each is used up by one."""
        hits = [fault for fault in self._waiting if fault.concerns(method, path)]
        left = [fault.used_up_by_one() if fault in hits else fault for fault in self._waiting]
        self._waiting = [fault for fault in left if fault is not None]
        return [fault for fault in hits if fault.after == 0]
