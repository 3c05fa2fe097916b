"""Leases: which process works on what, until when."""

from dataclasses import dataclass
from datetime import datetime

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
    """When the lease ends unless it is renewed, by the owner's clock."""
