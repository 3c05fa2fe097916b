#!/usr/bin/env python3
"""Prepares Kafka and MongoDB for the services; can be repeated at any time.

    prepare.py REPLICA-SET HOST:PORT

Initiates a replica set with the MongoDB of Compose as its only member. Then runs ``personio-declaree init``, which
creates topics and indexes. Waits up to 120 s for servers that are still starting.
"""

import subprocess
import sys
import time
from typing import Any

from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

DEADLINE = time.monotonic() + 120
"""Monotonic time in seconds at which waiting for a server ends."""

ALREADY_INITIALIZED = 23
"""MongoDB's error code for a replica set that exists."""

TEMPORARY = 75
"""Exit code of ``personio-declaree`` if a server cannot be reached; the command can be retried."""


def pause_or_exit(reason: str) -> None:
    """Waits before the next attempt; exits with the reason if the deadline has passed."""
    if time.monotonic() > DEADLINE:
        sys.exit(f"gave up waiting: {reason}")
    time.sleep(0.5)


def initiate(client: MongoClient[dict[str, Any]], name: str, member: str) -> None:
    """Initiates the replica set; does nothing if it exists."""
    try:
        client.admin.command("replSetInitiate", {"_id": name, "members": [{"_id": 0, "host": member}]})
        sys.stdout.write(f"initiated the replica set {name}\n")
    except OperationFailure as error:
        if error.code != ALREADY_INITIALIZED:
            raise


def wait_for_primary(name: str, member: str) -> None:
    """Waits until the server is the primary of the replica set, which it initiates if necessary."""
    with MongoClient[dict[str, Any]](member, directConnection=True, serverSelectionTimeoutMS=2_000) as client:
        while True:
            try:
                hello = client.admin.command("hello")
                if hello["isWritablePrimary"]:
                    return
                if "setName" not in hello:
                    initiate(client, name, member)
            except ConnectionFailure as error:
                pause_or_exit(f"MongoDB at {member} does not answer ({error})")
            else:
                pause_or_exit(f"MongoDB at {member} does not become the primary of {name}")


def main(name: str, member: str) -> int:
    """Prepares the servers; returns the exit code of ``personio-declaree init``."""
    wait_for_primary(name, member)
    while True:
        code = subprocess.run(["personio-declaree", "init"], check=False).returncode  # noqa: S607 - the image has it on PATH
        if code != TEMPORARY:
            return code
        pause_or_exit("Kafka or MongoDB cannot be reached")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
