"""What can go wrong on the way to Declaree, on order: the next requests of a kind, or a share of them."""

import random
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["status", "cut", "slow", "login_page", "redirect"]


class Fault(BaseModel):
    """One order. The first that matches a request decides it; ``slow`` only delays it and lets the next decide.

    With ``after_commit`` the request takes effect first, and then the answer is lost, late or replaced.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    method: str | None = Field(default=None, description="GET, POST, … ; nothing: every method")
    path: str = Field(default="*", description="pattern on the path below the base, such as /Users or /Users/*")
    count: int | None = Field(default=1, ge=1, description="how many requests; null: until cleared")
    skip: int = Field(default=0, ge=0, description="let that many matching requests pass first")
    rate: float = Field(default=1.0, gt=0, le=1, description="share of the matching requests")
    seed: int = Field(default=0, description="of the rate's dice")
    after_commit: bool = False

    status: int = Field(default=503, ge=400, le=599, description="of kind status: 429, 500, 502, 503, …")
    body: Literal["scim", "html", "empty"] = "scim"
    retry_after: int | None = Field(default=None, ge=0, description="seconds")
    retry_after_as: Literal["seconds", "date"] = "seconds"
    seconds: float = Field(default=1.0, ge=0, le=600, description="of kind slow")
    location: str = Field(default="/login", description="of kind redirect")


class _Order:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.left = fault.count
        self._skip = fault.skip
        self._dice = random.Random(fault.seed)

    def hits(self, method: str, path: str) -> bool:
        fault = self.fault
        if self.left == 0 or (fault.method is not None and fault.method.upper() != method):
            return False
        if not fnmatchcase(path, fault.path):
            return False
        if self._skip:
            self._skip -= 1
            return False
        if fault.rate < 1 and self._dice.random() >= fault.rate:
            return False
        if self.left is not None:
            self.left -= 1
        return True


class Faults:
    def __init__(self) -> None:
        self.outage = False
        self._orders: list[_Order] = []

    def order(self, fault: Fault) -> None:
        self._orders.append(_Order(fault))

    def clear(self) -> None:
        self._orders.clear()

    def open(self) -> list[dict[str, object]]:
        return [{**order.fault.model_dump(), "left": order.left} for order in self._orders]

    def of(self, method: str, path: str) -> list[Fault]:
        """The faults of one request: any number of delays, then at most one that decides."""
        if self.outage:
            return [Fault(kind="status", status=503, count=None)]
        if not self._orders:
            return []
        found: list[Fault] = []
        for order in self._orders:
            if order.hits(method, path):
                found.append(order.fault)
                if order.fault.kind != "slow":
                    break
        self._orders = [order for order in self._orders if order.left != 0]
        return found
