import hashlib
from pathlib import Path

import pytest

from sandbox.stack.errors import StackError
from sandbox.stack.jars import ENDPOINT, LIST, Jar, check, class_path, listed_jars


def jar(content: bytes = b"classes", artifact: str = "clock") -> Jar:
    return Jar(hashlib.sha256(content).hexdigest(), "org.example.time", artifact, "1.2")


def put(repository: Path, listed: Jar, content: bytes) -> Path:
    path = listed.path_in(repository)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_the_list_holds_what_the_endpoint_names_and_no_address() -> None:
    coordinates = {f"{found.group}:{found.artifact}:{found.version}" for found in listed_jars()}
    assert set(ENDPOINT.split("+")) <= coordinates
    assert len(coordinates) == 45
    assert "://" not in LIST.read_text()


def test_a_line_of_the_list_reads_back_as_the_jar_it_was_written_from() -> None:
    assert Jar.parse(str(jar())) == jar()


def test_only_the_listed_jars_are_on_the_class_path(tmp_path: Path) -> None:
    ours, other = jar(), jar(artifact="stranger")
    path = put(tmp_path, ours, b"classes")
    put(tmp_path, other, b"classes")
    assert class_path([ours], tmp_path) == str(path)


def test_a_jar_with_other_bytes_is_refused_by_name(tmp_path: Path) -> None:
    path = put(tmp_path, jar(b"classes"), b"something else")
    with pytest.raises(StackError, match=r"clock-1\.2\.jar is not the jar .* Nothing was started"):
        class_path([jar(b"classes")], tmp_path)
    path.write_bytes(b"classes")
    check([jar(b"classes")], tmp_path)


@pytest.fixture
def _nothing_can_be_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The child process has to go through a proxy where nobody listens, and finds nothing in its caches."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("JGO_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.usefixtures("_nothing_can_be_fetched")
def test_where_jars_cannot_be_fetched_the_message_names_them_and_the_way_around(tmp_path: Path) -> None:
    with pytest.raises(StackError) as raised:
        class_path(listed_jars(), tmp_path / "repository")
    message = str(raised.value)
    assert ENDPOINT in message
    assert "ProxyError" in message
    assert "KAFKA_BOOTSTRAP_SERVERS" in message


def test_a_list_the_endpoint_no_longer_resolves_to_is_not_run(tmp_path: Path) -> None:
    """As if the resolver had succeeded without bringing the listed jar: nothing is left to run on."""
    fetched: list[Path] = []
    with pytest.raises(StackError, match=r"org\.example\.time:clock:1\.2\n.*--write"):
        class_path([jar()], tmp_path, fetch=fetched.append)
    assert fetched == [tmp_path]
