"""The list of Kafka's jars, and what happens to jars that are missing or have another content."""

import hashlib
from pathlib import Path

import pytest

from sandbox.stack.errors import StackError
from sandbox.stack.jars import ENDPOINT, LIST_FILE, Jar, build_class_path, read_jar_list, verify_checksums


def make_jar(content: bytes = b"classes", artifact: str = "clock") -> Jar:
    return Jar(hashlib.sha256(content).hexdigest(), "org.example.time", artifact, "1.2")


def store_jar(repository: Path, jar: Jar, content: bytes) -> Path:
    path = jar.locate_in(repository)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_jar_list_contains_the_endpoint_and_no_address() -> None:
    """The list names artifacts only, so that each machine can fetch them from its own mirror."""
    coordinates = {jar.coordinates for jar in read_jar_list()}

    assert set(ENDPOINT.split("+")) <= coordinates
    assert len(coordinates) == 45
    assert "://" not in LIST_FILE.read_text()


def test_jar_line_parses_to_the_same_jar() -> None:
    """Writing and parsing a line of the list are inverse."""
    assert Jar.parse(str(make_jar())) == make_jar()


def test_class_path_contains_only_listed_jars(tmp_path: Path) -> None:
    """Java must not load an unlisted jar that lies in the same repository."""
    listed, other = make_jar(), make_jar(artifact="unlisted")
    path = store_jar(tmp_path, listed, b"classes")
    store_jar(tmp_path, other, b"classes")

    assert build_class_path([listed], tmp_path) == str(path)


def test_jar_with_other_content_is_rejected_by_name(tmp_path: Path) -> None:
    """Kafka does not start on a jar with another checksum; the message names the file to delete."""
    path = store_jar(tmp_path, make_jar(b"classes"), b"something else")

    with pytest.raises(StackError, match=r"clock-1\.2\.jar is not the jar .* Nothing was started"):
        build_class_path([make_jar(b"classes")], tmp_path)

    path.write_bytes(b"classes")
    verify_checksums([make_jar(b"classes")], tmp_path)


@pytest.fixture
def _unreachable_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Gives the child process an empty cache and a proxy that refuses connections."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("JGO_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.usefixtures("_unreachable_repository")
def test_failed_fetch_names_the_jars_and_the_alternative(tmp_path: Path) -> None:
    """The message names the jars, the cause and the setting for a Kafka that runs elsewhere."""
    with pytest.raises(StackError) as raised:
        build_class_path(read_jar_list(), tmp_path / "repository")
    message = str(raised.value)

    assert ENDPOINT in message
    assert "ProxyError" in message
    assert "KAFKA_BOOTSTRAP_SERVERS" in message


def test_fetch_without_a_listed_jar_is_an_error(tmp_path: Path) -> None:
    """A resolver that succeeds without fetching a listed jar leaves nothing to start."""
    fetched: list[Path] = []
    with pytest.raises(StackError, match=r"org\.example\.time:clock:1\.2\n.*--write"):
        build_class_path([make_jar()], tmp_path, fetch=fetched.append)

    assert fetched == [tmp_path]
