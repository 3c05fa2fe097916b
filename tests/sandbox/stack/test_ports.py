from pathlib import Path

from sandbox.stack.ports import free_port


def test_a_free_port_lies_below_the_source_ports_of_outgoing_connections() -> None:
    floor = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(1024 < free_port() < floor for _ in range(50))


def test_no_port_is_given_twice() -> None:
    ports = [free_port() for _ in range(1_000)]
    assert len(set(ports)) == len(ports)
