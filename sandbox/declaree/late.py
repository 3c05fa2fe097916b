"""Writes that are carried out after their request was answered, or given up by the client."""

import asyncio
from dataclasses import dataclass
from typing import Any

from sandbox.declaree.journal import decode_body
from sandbox.declaree.message import Reply, Request
from sandbox.declaree.scim import answer
from sandbox.declaree.state import Declaree


@dataclass(frozen=True, slots=True)
class LateWrite:
    """One write that is not carried out yet."""

    number: int
    """Number of the write, from 1 in the order of arrival."""
    request: Request
    """The request, as it arrived."""

    def to_document(self) -> dict[str, Any]:
        """Returns the write for the control API."""
        request = self.request
        body = decode_body(request.body)
        return {"number": self.number, "method": request.method, "path": request.path, "body": body}


def list_late_writes(declaree: Declaree) -> list[LateWrite]:
    """Returns the open writes in the order of arrival."""
    return [LateWrite(number, request) for number, request in declaree.late_writes.items()]


def postpone(declaree: Declaree, request: Request, seconds: float | None) -> None:
    """Keeps a write, and carries it out after ``seconds`` of real time; None waits for ``land``.

    A read has no effect, so it is not kept.
    """
    if request.method == "GET":
        return
    number = declaree.take_late_number()
    declaree.late_writes[number] = request
    if seconds is not None:
        asyncio.get_running_loop().call_later(seconds, _land_if_open, declaree, number)


def land(declaree: Declaree, number: int) -> Reply:
    """Carries out one write, and returns the reply that no client receives. Raises ``KeyError`` if it is not open.

    The journal lists the write again, with the fault ``landing`` and the status of its effect.
    """
    request = declaree.late_writes.pop(number)
    reply = answer(declaree, request)
    declaree.record(request, reply, fault="landing", delivered=False)
    return reply


def land_all(declaree: Declaree) -> list[int]:
    """Carries out all open writes in the order of arrival, and returns their statuses."""
    return [land(declaree, number).status for number in list(declaree.late_writes)]


def _land_if_open(declaree: Declaree, number: int) -> None:
    if number in declaree.late_writes:
        land(declaree, number)
