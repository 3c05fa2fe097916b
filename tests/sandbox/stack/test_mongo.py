import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.stack.errors import StackError
from sandbox.stack.mongo import Mongo, check_libraries, connect, missing_libraries, mongod_binary


@pytest.fixture(scope="module")
async def folder(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    path = tmp_path_factory.mktemp("own-mongo")
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
async def server(folder: Path) -> AsyncIterator[Mongo]:
    async with Mongo(folder) as server:
        yield server


async def write(url: str, name: str) -> None:
    """Insert in a transaction, which only a replica set has."""
    async with (
        connect(url) as client,
        client.start_session() as session,
        await session.start_transaction(),
    ):
        await client["stack"]["people"].insert_one({"_id": name}, session=session)


async def names(url: str) -> list[str]:
    async with connect(url) as client:
        return [person["_id"] async for person in client["stack"]["people"].find().sort("_id")]


@pytest.mark.mongo
async def test_a_killed_mongodb_comes_back_on_its_port_with_its_data(server: Mongo) -> None:
    address = server.url
    await write(address, "ada")
    await server.kill()
    assert not server.process.running
    await server.start()
    assert server.url == address
    await write(address, "bob")
    assert await names(address) == ["ada", "bob"]


@pytest.mark.mongo
async def test_data_written_under_one_port_is_there_under_another(server: Mongo, folder: Path) -> None:
    before = await names(server.url)
    await server.stop()
    async with Mongo(folder) as moved:
        assert moved.port != server.port
        await write(moved.url, f"zoe-{len(before)}")
        assert await names(moved.url) == [*before, f"zoe-{len(before)}"]
    await server.start()


def test_missing_libraries_are_named_with_the_package_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "ldd"
    tool.write_text(
        f"#!{sys.executable}\nprint('\\tlibcurl.so.4 => not found\\n\\tlibm.so.6 => /lib/libm.so.6 (0x0)')\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match=r"lacks: libcurl\.so\.4\. .*apt install libcurl4\. .*MONGODB_URL"):
        check_libraries(Path("/opt/mongod"))


def test_a_complete_listing_misses_nothing() -> None:
    assert missing_libraries("\tlinux-vdso.so.1 (0x00007ffc)\n\tlibm.so.6 => /lib/libm.so.6 (0x00007f)\n") == []


def test_without_package_and_path_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StackError, match=r"no-such-package .* no mongod is on PATH.*MONGODB_URL"):
        mongod_binary("no-such-package")


def test_a_mongod_on_path_is_used_where_the_package_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = tmp_path / "mongod"
    binary.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert mongod_binary("no-such-package") == binary
