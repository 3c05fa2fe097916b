"""One MongoDB server across kill and move, and the messages about a missing program or library."""

import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.stack.errors import StackError
from sandbox.stack.mongo import Mongo, check_libraries, connect, find_mongod, parse_missing_libraries


@pytest.fixture(scope="module")
async def folder(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    path = tmp_path_factory.mktemp("own-mongo")
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
async def server(folder: Path) -> AsyncIterator[Mongo]:
    async with Mongo(folder) as server:
        yield server


async def insert_person(url: str, name: str) -> None:
    """Inserts a document in a transaction, which requires a replica set."""
    async with (
        connect(url) as client,
        client.start_session() as session,
        await session.start_transaction(),
    ):
        await client["stack"]["people"].insert_one({"_id": name}, session=session)


async def read_names(url: str) -> list[str]:
    async with connect(url) as client:
        return [person["_id"] async for person in client["stack"]["people"].find().sort("_id")]


@pytest.mark.mongo
async def test_killed_mongodb_restarts_with_its_port_and_data(server: Mongo) -> None:
    """Clients reconnect to a restarted server without a new configuration."""
    address = server.url
    await insert_person(address, "ada")

    await server.kill()

    assert not server.process.is_running

    await server.start()

    assert server.url == address

    await insert_person(address, "bob")

    assert await read_names(address) == ["ada", "bob"]


@pytest.mark.mongo
async def test_mongodb_on_another_port_keeps_the_data(server: Mongo, folder: Path) -> None:
    """The server corrects its address in the replica set, which the data folder stores."""
    before = await read_names(server.url)
    await server.stop()
    async with Mongo(folder) as moved:
        assert moved.port != server.port

        await insert_person(moved.url, f"zoe-{len(before)}")

        assert await read_names(moved.url) == [*before, f"zoe-{len(before)}"]
    await server.start()


def test_missing_library_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the library, the package to install and the alternative."""
    ldd = tmp_path / "ldd"
    ldd.write_text(
        f"#!{sys.executable}\nprint('\\tlibcurl.so.4 => not found\\n\\tlibm.so.6 => /lib/libm.so.6 (0x0)')\n"
    )
    ldd.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(StackError, match=r"lacks: libcurl\.so\.4\. .*apt install libcurl4\. .*MONGODB_URL"):
        check_libraries(Path("/opt/mongod"))


def test_complete_ldd_output_has_no_missing_libraries() -> None:
    """Libraries with and without a path count as present."""
    assert parse_missing_libraries("\tlinux-vdso.so.1 (0x00007ffc)\n\tlibm.so.6 => /lib/libm.so.6 (0x00007f)\n") == []


def test_missing_mongod_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the package, the program on PATH and the alternative."""
    monkeypatch.setenv("PATH", "")

    with pytest.raises(StackError, match=r"no-such-package .* no mongod is on PATH.*MONGODB_URL"):
        find_mongod("no-such-package")


def test_mongod_on_path_replaces_a_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Platforms without the package can use an installed MongoDB."""
    binary = tmp_path / "mongod"
    binary.touch(0o755)

    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_mongod("no-such-package") == binary
