"""Lists of jars, and what happens to jars that are missing or have another content."""

import hashlib
from pathlib import Path

import pytest

from sandbox.stack.errors import StackError
from sandbox.stack.jars import Jar, JarList, build_class_path, verify_checksums
from sandbox.stack.kafka_jars import ENDPOINT, KAFKA_JARS
from tests.support.scim_servers.scim_sdk import SCIM_SDK_JARS


def make_jar(content: bytes = b"classes", artifact: str = "clock") -> Jar:
    return Jar(hashlib.sha256(content).hexdigest(), "org.example.time", artifact, "1.2")


def make_list(folder: Path, *jars: Jar) -> JarList:
    path = folder / "clock-jars.txt"
    path.write_text("".join(f"{jar}\n" for jar in jars))
    return JarList("the clock", path, "Or look at the sun.")


def store_jar(repository: Path, jar: Jar, content: bytes) -> Path:
    path = jar.locate_in(repository)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_kafka_list_contains_the_endpoint() -> None:
    """The list is the resolved endpoint."""
    coordinates = {jar.coordinates for jar in KAFKA_JARS.read()}

    assert set(ENDPOINT.split("+")) <= coordinates
    assert len(coordinates) == 45


@pytest.mark.parametrize("jar_list", [KAFKA_JARS, SCIM_SDK_JARS], ids=lambda jar_list: jar_list.program)
def test_jar_list_contains_no_address(jar_list: JarList) -> None:
    """The list names artifacts only, so that each machine can fetch them from its own mirror."""
    assert jar_list.read()
    assert "://" not in jar_list.path.read_text()


def test_jar_line_parses_to_the_same_jar() -> None:
    """Writing and parsing a line of the list are inverse."""
    assert Jar.parse(str(make_jar())) == make_jar()


def test_class_path_contains_only_listed_jars(tmp_path: Path) -> None:
    """Java must not load an unlisted jar that lies in the same repository."""
    listed, other = make_jar(), make_jar(artifact="unlisted")
    path = store_jar(tmp_path, listed, b"classes")
    store_jar(tmp_path, other, b"classes")

    assert build_class_path(make_list(tmp_path, listed), tmp_path) == str(path)


def test_jar_with_other_content_is_rejected_by_name(tmp_path: Path) -> None:
    """No program starts on a jar with another checksum; the message names the file to delete."""
    jar_list = make_list(tmp_path, make_jar(b"classes"))
    path = store_jar(tmp_path, make_jar(b"classes"), b"something else")

    with pytest.raises(StackError, match=r"clock-1\.2\.jar is not the jar .* Nothing was started"):
        build_class_path(jar_list, tmp_path)

    path.write_bytes(b"classes")
    verify_checksums(jar_list, tmp_path)


def test_class_path_fetches_only_if_a_jar_is_missing(tmp_path: Path) -> None:
    """A machine that has the jars needs no network."""
    jar_list, fetched = make_list(tmp_path, make_jar()), []

    def fetch(jar_list: JarList, repository: Path) -> None:
        fetched.append(store_jar(repository, make_jar(), b"classes"))

    first = build_class_path(jar_list, tmp_path / "repository", fetch=fetch)
    second = build_class_path(jar_list, tmp_path / "repository", fetch=fetch)

    assert first == second == str(fetched[0])
    assert len(fetched) == 1


@pytest.fixture
def _unreachable_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives the child process a proxy that refuses connections."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


@pytest.mark.usefixtures("_unreachable_repository")
def test_failed_fetch_names_the_list_and_the_remedy(tmp_path: Path) -> None:
    """The message names the program, its list and the cause, and ends with what else can be done."""
    with pytest.raises(StackError) as raised:
        build_class_path(make_list(tmp_path, make_jar()), tmp_path / "repository")
    message = str(raised.value)

    assert "the clock (clock-jars.txt)" in message
    assert "ProxyError" in message
    assert message.endswith("Or look at the sun.")
