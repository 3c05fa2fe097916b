"""The identity of this process, and whether another process is known to be dead."""

import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from services.contracts.leases import ProcessIdentity
from services.runtime.version import VERSION

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""File with a random value that Linux creates at each boot."""
PID_NAMESPACE = Path("/proc/self/ns/pid")
"""Link that names the PID namespace of this process on Linux."""


def identify_process() -> ProcessIdentity:
    """Returns the identity of this process, with a new token at every call."""
    return ProcessIdentity(
        f"{socket.gethostname()}/{_identify_pid_namespace()}", os.getpid(), secrets.token_hex(8), VERSION
    )


def _identify_pid_namespace() -> str:
    """Identifies the PID namespace. Host names can repeat, and every container has a PID 1."""
    try:
        return f"{BOOT_ID.read_text(encoding='ascii').strip()}/{PID_NAMESPACE.readlink()}"
    except OSError:
        return ""


def make_death_check(own: ProcessIdentity) -> Callable[[ProcessIdentity], bool]:
    """Returns a function that tells whether another process is known to be dead.

    That is the case on the same host if its PID is unused, or is the PID of this process.
    """

    def is_dead(other: ProcessIdentity) -> bool:
        if other.host != own.host:
            return False
        return other.pid == own.pid or not _process_exists(other.pid)

    return is_dead


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
