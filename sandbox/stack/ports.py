"""Ports of the loopback address for the servers of the stack."""

import atexit
import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
"""The address on which all servers of the stack listen."""

_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_240
_ATTEMPTS = 100
_reserved_sockets: list[socket.socket] = []


def reserve_port() -> int:
    """Returns a free port of the loopback address and keeps it reserved for a server until this process ends.

    The port is bound without listening, so no other search for a free port returns it, in any process.
    A server that sets SO_REUSEADDR can still listen on it, repeatedly; all servers of the stack do.

    The port lies below the range from which the system takes the source ports of outgoing connections. A port within
    that range may be taken when a server restarts. A client that dials a dead server there can connect to itself.

    Raises ``OSError`` if no free port is found.
    """
    ceiling = _read_ephemeral_floor()
    for _ in range(_ATTEMPTS):
        holder = socket.socket()
        try:
            holder.bind((LOOPBACK, random.randrange(_LOWEST, ceiling) if ceiling > _LOWEST else 0))
        except OSError:
            holder.close()
            continue
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _reserved_sockets.append(holder)
        return int(holder.getsockname()[1])
    raise OSError(f"no free port on {LOOPBACK} after {_ATTEMPTS} attempts")


@atexit.register
def _release_sockets() -> None:
    while _reserved_sockets:
        _reserved_sockets.pop().close()


def is_free(port: int) -> bool:
    """Returns whether a server can listen on this port of the loopback address now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _read_ephemeral_floor() -> int:
    try:
        return int(_EPHEMERAL_RANGE.read_text().split()[0])
    except FileNotFoundError:  # not Linux, so take the start of the range that IANA defines
        return 49_152
