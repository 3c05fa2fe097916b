"""TLS to MongoDB with the driver's own options in MONGODB_URL."""

import shutil
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from sandbox.stack.mongo import Mongo
from sandbox.stack.processes import Process
from services.store.database import Store
from services.store.errors import StoreSetupError, StoreUnavailableError
from tests.support.certificates import Authority
from tests.support.keys import make_key

pytestmark = pytest.mark.mongo


class TlsMongo(Mongo):
    """A MongoDB that accepts TLS from clients with a certificate, and unencrypted connections for its preparation."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        super().__init__(folder)
        server = authority.issue("mongo")
        self._files = {"--tlsCAFile": authority.cafile}
        self._files["--tlsCertificateKeyFile"] = authority.write("server.pem", server.key, server.certificate)

    async def _prepare(self) -> Process:
        process = await super()._prepare()
        options = [word for option in self._files.items() for word in option]
        process.command = [*process.command, "--tlsMode", "preferTLS", *options]
        return process


@pytest.fixture(scope="module")
async def tls_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of a server, with the options of a client that it accepts."""
    folder = tmp_path_factory.mktemp("tls-mongo")
    authority = Authority(folder)
    client = authority.issue("sync")
    file = authority.write("client.pem", client.key, client.certificate)
    async with TlsMongo(folder / "mongo", authority) as mongo:
        yield f"{mongo.url}&tls=true&tlsCAFile={authority.cafile}&tlsCertificateKeyFile={file}"
    shutil.rmtree(folder)


def connect(url: str, timeout_ms: int = 30_000) -> Store:
    return Store.connect(SecretStr(url), "test", [SecretStr(make_key())], timeout_ms=timeout_ms)


async def test_tls_options_of_the_address_apply(tls_url: str) -> None:
    """Both clients of the store use them: that of the repositories, and that of the replica set."""
    with closing(connect(tls_url)) as store:
        await store.ping()

        assert await store.ensure_replica_set() == ()


@pytest.mark.parametrize("missing", ["tlsCAFile", "tlsCertificateKeyFile"])
async def test_server_and_client_need_a_certificate(tls_url: str, missing: str) -> None:
    """An unknown server gets no password, and an unknown client no data."""
    url = "&".join(part for part in tls_url.split("&") if not part.startswith(missing))

    with closing(connect(url, 500)) as store, pytest.raises(StoreUnavailableError):
        await store.ping()


@pytest.mark.parametrize("option", ["tlsCAFile=/no/such/file", "tlsCertificateKeyFile=/no/such/file"])
def test_missing_file_of_the_address_is_a_setup_error(option: str) -> None:
    """The process ends with a line that says what to check."""
    with pytest.raises(
        StoreSetupError, match=r"MONGODB_URL names cannot be read \(FileNotFoundError\): check tlsCAFile"
    ):
        connect(f"mongodb://127.0.0.1:1/?tls=true&{option}")
