"""Ports that are reserved for servers."""

import socket
from pathlib import Path

import pytest

from sandbox.stack.ports import is_free, reserve_port


def test_reserved_port_is_below_the_source_ports() -> None:
    """An outgoing connection must not take the port of a server that restarts."""
    floor = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])

    assert all(1024 < reserve_port() < floor for _ in range(50))


def test_reserved_port_accepts_only_reusing_servers() -> None:
    """Only a server that sets SO_REUSEADDR can use a reserved port, repeatedly."""
    port = reserve_port()

    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))

    for _ in range(2):
        assert is_free(port)

        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("127.0.0.1", port))
            server.listen()

            assert not is_free(port)
            with socket.create_connection(("127.0.0.1", port), 5), server.accept()[0]:
                pass
