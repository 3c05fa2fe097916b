"""Keeps requests out of private networks: they are for hosts of the vendors, never for the operator's own (ADR 022).

The check is made for each socket, with the address that it connects to. What a name resolved to earlier does not count, so that
a name which changes its address (DNS rebinding) passes no check.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

from aiohttp import AddrInfoType

MESSAGE = (
    "the host has an address of a private network: enter a public address, or set ALLOW_PRIVATE_ADDRESSES=true if the host is "
    "meant to be there"
)
"""What is wrong with a private address, and what to do."""
_NAT64 = IPv6Network("64:ff9b::/96")
"""Addresses that a gateway translates to the IPv4 address in their last 32 bits (RFC 6052)."""


class PrivateAddressError(OSError):
    """A host has an address of a private network."""

    def __init__(self) -> None:
        """The message does not name the address, which would describe the operator's network."""
        super().__init__(MESSAGE)


def is_private(host: str) -> bool:
    """Returns whether a host is an address that is not public, or a name of this machine. Another name is not looked up.

    Not public are private, shared, loopback, link-local, multicast, reserved and unspecified addresses.
    """
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        name = host.rstrip(".").lower()
        return name == "localhost" or name.endswith(".localhost")
    if isinstance(address, IPv6Address):
        address = _find_embedded(address) or address
    return not address.is_global or address.is_multicast or address.is_reserved


def _find_embedded(address: IPv6Address) -> IPv4Address | None:
    """Returns the IPv4 address that packets to an IPv6 address go to; None if they stay IPv6."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def ensure_public(host: str) -> None:
    """Raises ``PrivateAddressError`` for a host that ``is_private``."""
    if is_private(host):
        raise PrivateAddressError


def open_public_socket(info: AddrInfoType) -> socket.socket:
    """Returns a socket for a public address, as aiohttp's ``socket_factory``. Raises ``PrivateAddressError``."""
    family, kind, protocol, _, address = info
    ensure_public(str(address[0]))
    return socket.socket(family, kind, protocol)


def is_refusal(error: Exception) -> bool:
    """Returns whether an error of aiohttp comes from ``open_public_socket`` or ``ensure_public``."""
    cause: Any = getattr(error, "os_error", error)
    return isinstance(cause, PrivateAddressError)
