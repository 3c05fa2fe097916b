import socket
from pathlib import Path

import pytest

from sandbox.stack.ports import free_port, is_free


def test_a_free_port_lies_below_the_source_ports_of_outgoing_connections() -> None:
    floor = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(1024 < free_port() < floor for _ in range(50))


def test_a_port_is_held_for_a_server_and_for_nobody_else() -> None:
    port = free_port()
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
