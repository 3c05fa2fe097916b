"""Requests reach no private network, by no name, unless a setting allows it."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from services.clients.http.client import HttpClient
from services.clients.http.private_networks import PrivateAddressError, is_private, open_public_socket
from services.clients.http.transport import Limits
from tests.unit.clients.faulty_server import FaultyServer, build_response, run_server, send

PUBLIC = "203.0.114.7"
"""An address outside of this machine, to which no test connects."""


# ------------------------------------------------------------ addresses


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.8.8.8",
        "169.254.169.254",
        "0.0.0.0",  # noqa: S104 - nothing listens
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "[::1]",
        "fe80::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::1",
        "64:ff9b::a9fe:a9fe",
        "localhost",
        "LOCALHOST.",
        "api.localhost",
    ],
)
def test_address_that_is_not_public_is_private(host: str) -> None:
    """Also in an IPv6 form that leads to an IPv4 address."""
    assert is_private(host)


@pytest.mark.parametrize(
    "host",
    [
        PUBLIC,
        "172.32.0.1",
        "2606:4700::1111",
        "::ffff:203.0.114.7",
        "64:ff9b::cb00:7207",
        "api.personio.de",
        "localhost.example.com",
        "",
    ],
)
def test_public_address_or_other_name_is_not_private(host: str) -> None:
    """A name is checked when its address is known."""
    assert not is_private(host)


def test_only_public_addresses_get_a_socket() -> None:
    """The address is that of the connection, not that of an earlier lookup."""
    with open_public_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (PUBLIC, 443))) as opened:
        assert opened.family is socket.AF_INET
    with pytest.raises(PrivateAddressError):
        open_public_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("10.0.0.1", 443)))


# ------------------------------------------------------------ requests


def make_resolver(*addresses: str) -> Callable[..., Any]:
    """Returns a resolver that knows these addresses of every name."""

    async def resolve(_: object, port: int, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return resolve


async def request(server: FaultyServer, host: str = "", *, allow_private: bool = False) -> httpx.Response:
    """Sends one request to the server, under this name or address."""
    url = server.url.replace("127.0.0.1", host) if host else server.url
    async with HttpClient({}, Limits(allow_private=allow_private)) as client:
        return await client.get(url)


async def test_private_address_gets_no_connection() -> None:
    """The error says what to do."""
    async with run_server(send(build_response())) as server:
        with pytest.raises(httpx.ConnectError, match=r"private network: .* ALLOW_PRIVATE_ADDRESSES=true"):
            await request(server)

    assert server.connections == 0


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("127.0.0.1", "127.0.0.2"), ("10.0.0.1", "127.0.0.1")], ids=str)
async def test_name_of_a_private_address_gets_no_connection(
    monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...]
) -> None:
    """A name proves nothing: its owner chooses the address."""
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", make_resolver(*addresses))

    async with run_server(send(build_response())) as server:
        with pytest.raises(httpx.ConnectError, match="private network"):
            await request(server, "scim.example.com")

    assert server.connections == 0


@pytest.mark.parametrize("host", ["", "localhost"])
async def test_setting_allows_private_addresses(host: str) -> None:
    """The demo, the tests and some operators have their servers there."""
    async with run_server(send(build_response())) as server:
        response = await request(server, host, allow_private=True)

    assert response.status_code == 200


# ------------------------------------------------------------ proxies


async def test_proxy_may_be_in_a_private_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator chooses the proxy, in the environment of the process."""
    async with run_server(send(build_response())) as proxy, HttpClient({}, Limits()) as client:
        monkeypatch.setenv("http_proxy", proxy.url)

        response = await client.get("http://scim.example.com/")

    assert response.status_code == 200


@pytest.mark.parametrize("host", ["10.0.0.1", "[::1]", "localhost"])
async def test_proxy_is_not_asked_for_a_private_address(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """The proxy may reach addresses that this process cannot reach."""
    async with run_server(send(build_response())) as proxy, HttpClient({}, Limits()) as client:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "none")

        with pytest.raises(httpx.ConnectError, match="private network"):
            await client.get(f"http://{host}/")

    assert proxy.connections == 0


async def test_request_after_a_proxied_one_is_still_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connections to a proxy are kept apart from those to servers."""
    async with run_server(send(build_response())) as server, HttpClient({}, Limits()) as client:
        monkeypatch.setenv("http_proxy", server.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        await client.get("http://scim.example.com/")

        with pytest.raises(httpx.ConnectError, match="private network"):
            await client.get(server.url)

    assert server.connections == 1
