#!/usr/bin/env python3
"""What has to be there before the services start; may be repeated at any time.

    prepare.py REPLICA-SET HOST:PORT

Makes that MongoDB, which compose has started, a replica set of one; then lets ``personio-declaree init`` create topics
and indexes. Servers that are still starting are waited for.
"""

import subprocess
import sys
import time
from typing import Any

from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

DEADLINE = time.monotonic() + 120
ALREADY_INITIALIZED = 23
TEMPORARY = 75  # exit code of `personio-declaree`: a server is away, try again


def pause_or_give_up(what: str) -> None:
    if time.monotonic() > DEADLINE:
        sys.exit(f"given up: {what}")
    time.sleep(0.5)


def initiate(client: MongoClient[dict[str, Any]], name: str, member: str) -> None:
    try:
        client.admin.command("replSetInitiate", {"_id": name, "members": [{"_id": 0, "host": member}]})
        sys.stdout.write(f"initiated the replica set {name}\n")
    except OperationFailure as error:
        if error.code != ALREADY_INITIALIZED:
            raise


def wait_for_primary(name: str, member: str) -> None:
    with MongoClient[dict[str, Any]](member, directConnection=True, serverSelectionTimeoutMS=2_000) as client:
        while True:
            try:
                hello = client.admin.command("hello")
                if hello["isWritablePrimary"]:
                    return
                if "setName" not in hello:
                    initiate(client, name, member)
            except ConnectionFailure as error:
                pause_or_give_up(f"MongoDB at {member} does not answer ({error})")
            else:
                pause_or_give_up(f"MongoDB at {member} does not become the primary of {name}")


def main(name: str, member: str) -> int:
    wait_for_primary(name, member)
    while True:
        code = subprocess.run(["personio-declaree", "init"], check=False).returncode  # noqa: S607 - on the image's PATH
        if code != TEMPORARY:
            return code
        pause_or_give_up("Kafka or MongoDB is away")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
