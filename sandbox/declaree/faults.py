"""Faults that tests order for the next requests: errors, delays, cut connections, login pages and redirects."""

import random
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.declaree.errors import ScimType
from sandbox.declaree.journal import decode_body
from sandbox.declaree.message import Request
from sandbox.declaree.rate_limit import RetryAfterForm
from sandbox.declaree.written_paths import is_disabling

Kind = Literal["status", "cut", "slow", "login_page", "redirect", "other_account", "large_id", "late"]


class Fault(BaseModel):
    """One ordered fault. The first fault that matches a request decides its answer.

    A fault of kind ``slow`` only delays the request, and the next match decides. With kind ``late``, a write is carried
    out after its request was answered.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Kind
    """Kind of the fault."""
    method: str | None = None
    """HTTP method, such as GET; None matches every method."""
    path: str = "*"
    """Pattern for the path below the base address, such as ``/Users`` or ``/Users/*``."""
    body_contains: str = ""
    """Text that the body must contain, without regard to case; empty matches every body."""
    disables: bool = False
    """Whether only writes match that set ``active`` to false."""
    count: int | None = Field(default=1, ge=1)
    """Number of requests to hit; None means until the faults are cleared."""
    skip: int = Field(default=0, ge=0)
    """Number of matching requests that pass before the first hit."""
    rate: float = Field(default=1.0, gt=0, le=1)
    """Share of the matching requests to hit."""
    seed: int = 0
    """Seed of the random choice when ``rate`` is below 1."""
    after_commit: bool = False
    """Whether the request takes effect before its answer is lost, delayed or replaced."""

    status: int = Field(default=503, ge=400, le=599)
    """HTTP status of the answer, for kinds ``status`` and ``late``."""
    body: Literal["scim", "html", "empty"] = "scim"
    """Form of the error body, for kinds ``status`` and ``late``."""
    scim_type: ScimType | None = None
    """SCIM error type in the body, for kind ``status``; None omits it."""
    detail: str = "ordered by the sandbox"
    """Detail text in the body, for kind ``status``."""
    retry_after: int | None = Field(default=None, ge=0)
    """Seconds in the Retry-After header; None omits the header."""
    retry_after_as: RetryAfterForm = "seconds"
    """Form of the Retry-After header."""
    seconds: float = Field(default=1.0, ge=0, le=600)
    """Delay in seconds, for kind ``slow``."""
    location: str = "/login"
    """Target address, for kind ``redirect``."""
    redirect_status: Literal[301, 302, 303, 307, 308] = 307
    """HTTP status, for kind ``redirect``."""
    account_id: str = ""
    """Account that the answer shows, for kind ``other_account``."""
    id_bytes: int = Field(default=9_000_000, ge=1, le=20_000_000)
    """Size of the account id in the answer, for kind ``large_id``."""
    answer_after: float = Field(default=0.0, ge=0, le=600)
    """Seconds until the request is answered or cut, for kind ``late``."""
    late_answer: Literal["status", "cut", "hang"] = "status"
    """Answer of kind ``late``: ``status``, a cut connection, or none until the client gives up."""
    lands_after: float | None = Field(default=None, ge=0, le=600)
    """Seconds until the write is carried out, for kind ``late``; None means that the control API orders it."""


def _matches(fault: Fault, request: Request) -> bool:
    if fault.method is not None and fault.method.upper() != request.method:
        return False
    if not fnmatchcase(request.path, fault.path):
        return False
    if fault.disables and not is_disabling(decode_body(request.body)):
        return False
    return fault.body_contains.casefold() in request.body.decode("utf-8", errors="replace").casefold()


class _Order:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.left = fault.count
        self._skip = fault.skip
        self._random = random.Random(fault.seed)

    def consume(self, request: Request) -> bool:
        """Returns whether the fault hits this request. Counts the request if it matches."""
        fault = self.fault
        if self.left == 0 or not _matches(fault, request):
            return False
        if self._skip:
            self._skip -= 1
            return False
        if fault.rate < 1 and self._random.random() >= fault.rate:
            return False
        if self.left is not None:
            self.left -= 1
        return True


class Faults:
    """All ordered faults of one sandbox."""

    def __init__(self) -> None:
        self.outage = False
        self._orders: list[_Order] = []

    def order(self, fault: Fault) -> None:
        """Adds a fault."""
        self._orders.append(_Order(fault))

    def clear(self) -> None:
        """Removes all faults."""
        self._orders.clear()

    def list_open(self) -> list[dict[str, object]]:
        """Returns the faults that can still hit, each with the number of remaining requests."""
        return [{**order.fault.model_dump(), "left": order.left} for order in self._orders]

    def take(self, request: Request) -> list[Fault]:
        """Returns and consumes the faults of one request: any number of delays, then at most one deciding fault."""
        if self.outage:
            return [Fault(kind="status", status=503, count=None)]
        if not self._orders:
            return []
        faults: list[Fault] = []
        for order in self._orders:
            if order.consume(request):
                faults.append(order.fault)
                if order.fault.kind != "slow":
                    break
        self._orders = [order for order in self._orders if order.left != 0]
        return faults
