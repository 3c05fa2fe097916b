import atexit
import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_240
_TRIES = 100
_held: list[socket.socket] = []


def free_port() -> int:
    """Return a port of the loopback address that is nobody's, and hold it for a server until this process ends.

    It is bound and not listened on, so that whoever looks for a free port does not get it, here or in another process,
    while a server that sets SO_REUSEADDR, as they all do, can listen on it again and again.

    The port lies below the range from which the system takes the source ports of outgoing connections. A server that
    comes back on the same port would otherwise find it taken now and then, and a client that dials a dead server
    again and again could be connected to itself.
    """
    ceiling = _ephemeral_floor()
    for _ in range(_TRIES):
        holder = socket.socket()
        try:
            holder.bind((LOOPBACK, random.randrange(_LOWEST, ceiling) if ceiling > _LOWEST else 0))
        except OSError:
            holder.close()
            continue
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _held.append(holder)
        return int(holder.getsockname()[1])
    raise OSError(f"no free port on {LOOPBACK} in {_TRIES} tries")


@atexit.register
def _let_go() -> None:
    while _held:
        _held.pop().close()


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port of the loopback address at the moment."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _ephemeral_floor() -> int:
    try:
        return int(_EPHEMERAL_RANGE.read_text().split()[0])
    except FileNotFoundError:  # not Linux: the range registered for the purpose begins here
        return 49_152
