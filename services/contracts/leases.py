"""Leases: which process works on what, until when."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

POLLER_PREFIX = "poller/"
"""Beginning of the names of the leases that show a running poller."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process, told apart from every other process on any host."""

    host: str
    """Host name, boot and PID namespace: within these, process ids are unique."""
    pid: int
    """The process id."""
    token: str
    """A random value: the system reuses process ids."""
    version: str = ""
    """The version of its program; empty if it is unknown."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of one process to work on something, for a limited time."""

    name: str
    """What is leased."""
    owner: ProcessIdentity
    """The process that owns or last owned the lease."""
    fence: int
    """Grows with every acquisition, so that an older lease can be told from a newer one."""
    expires_at: datetime
    """When the lease ends unless it is renewed, by MongoDB's clock."""


class Fence(Protocol):
    """Keeps the writes of a process from taking effect after its lease has ended."""

    @property
    def ends_at(self) -> datetime:
        """When the lease ends, by MongoDB's clock. MongoDB refuses what arrives later."""
        ...

    def ensure_held(self) -> None:
        """Raises a ``TransientError`` if the lease is or may be lost."""
        ...
