"""Tries to use Kafka, MongoDB and the services as an unprivileged process of the machine that knows all addresses.

Prints what it got, as JSON: the name of each attempt that succeeded. The argument is JSON, too: the addresses of the
containers, the folder of the secrets, and for a comparison the secrets themselves, as a process has them that may read them.
"""

import asyncio
import concurrent.futures.thread  # noqa: F401 - asyncio would import it later, see `drop_rights`
import contextlib
import encodings.idna  # noqa: F401 - the same
import http.client
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from pymongo import MongoClient
from pymongo.errors import PyMongoError

UNPRIVILEGED = 65534
"""The id of the user and group without rights, on every Linux."""
KAFKA_PORTS, MONGODB_PORT, HTTP_PORT = (9092, 9093, 9094), 27017, 8080
PATHS = ("/metrics", "/health/ready", "/health/live")


def drop_rights() -> None:
    """Becomes the user without rights. A process that is not root stays what it is.

    Call it after all modules are imported: this user cannot read the files of a Python in a home folder.
    """
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(UNPRIVILEGED)
        os.setuid(UNPRIVILEGED)


async def log_in_to_kafka(address: str, **options: Any) -> bool:
    """Returns whether Kafka answers a client with these options."""
    client = AIOKafkaClient(bootstrap_servers=address, request_timeout_ms=3_000, **options)
    try:
        await client.bootstrap()
    except (KafkaError, OSError):
        return False
    finally:
        await client.close()
    return True


async def try_kafka(host: str, password: str | None) -> list[str]:
    """Returns the successful attempts to log in."""
    plain = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "sasl_plain_username": "admin"}
    scram = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "SCRAM-SHA-512", "sasl_plain_username": "cli"}
    attempts: dict[str, dict[str, Any]] = {
        "without a user": {},
        "as the administrator": plain | {"sasl_plain_password": password or "admin"},
        "as the commands": scram | {"sasl_plain_password": password or "cli"},
    }
    return [
        f"kafka {name} on port {port}"
        for name, options in attempts.items()
        for port in KAFKA_PORTS
        if await log_in_to_kafka(f"{host}:{port}", **options)
    ]


def try_mongodb(host: str, user: str) -> Iterator[str]:
    """Yields the successful commands. ``user`` is empty, or ``name:password@``."""
    url = f"mongodb://{user}{host}:{MONGODB_PORT}/?directConnection=true&serverSelectionTimeoutMS=3000"
    commands: dict[str, tuple[str, dict[str, Any]]] = {
        "lists databases": ("admin", {"listDatabases": 1}),
        "reads": ("personio_declaree", {"find": "connections"}),
        "writes": ("personio_declaree", {"insert": "probes", "documents": [{}]}),
        "lists users": ("admin", {"usersInfo": 1}),
        "configures": ("admin", {"replSetGetConfig": 1}),
    }
    client: MongoClient[dict[str, Any]]
    with MongoClient(url) as client:
        for name, (database, command) in commands.items():
            with contextlib.suppress(PyMongoError):
                client[database].command(command)
                yield f"mongodb {name}"


def try_http(host: str, token: str | None) -> Iterator[str]:
    """Yields the paths that are answered."""
    for path in PATHS:
        connection = http.client.HTTPConnection(host, HTTP_PORT, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Authorization": f"Bearer {token or ''}"})
            answer = connection.getresponse()
            if answer.status != http.HTTPStatus.UNAUTHORIZED or answer.read():
                yield f"http {path}"


def list_reachable(addresses: dict[str, list[str]]) -> Iterator[str]:
    """Yields the servers with an open port: the attempts reach them, and are refused there."""
    ports = {"kafka": KAFKA_PORTS[0], "mongo": MONGODB_PORT}
    for service, hosts in addresses.items():
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for host in hosts:
                stack.enter_context(socket.create_connection((host, ports.get(service, HTTP_PORT)), timeout=5))
            yield service


async def main(addresses: dict[str, list[str]], folder: Path, secrets: dict[str, str]) -> None:
    """Tries everything and prints the result."""
    drop_rights()
    found = [f"file {file.name}" for file in try_folder(folder)]
    found += await try_kafka(addresses["kafka"][0], secrets.get("kafka"))
    found += try_mongodb(addresses["mongo"][0], secrets.get("mongodb", ""))
    for service in ("poller", "mapper", "writer"):
        for host in addresses[service]:
            found += try_http(host, secrets.get("http"))
    print(json.dumps({"reached": list(list_reachable(addresses)), "got": sorted(set(found))}))


def try_folder(folder: Path) -> list[Path]:
    """Returns the files that can be read."""
    try:
        return [file for file in folder.iterdir() if file.read_bytes()]
    except PermissionError:
        return []


if __name__ == "__main__":
    addresses, folder, secrets = json.loads(sys.argv[1])
    asyncio.run(main(addresses, Path(folder), secrets))
