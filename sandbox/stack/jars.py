"""The jars of Apache Kafka: taken from the machine's Maven repository, fetched once, verified before every start.

``kafka-jars.txt`` beside this module has one line for each jar: ``sha256  group:artifact:version``. Only listed jars
get on the class path, and only if their content has the listed checksum.

    python -m sandbox.stack.jars            # fetch the missing jars, verify all
    python -m sandbox.stack.jars --write    # after a change of ENDPOINT: resolve it and rewrite the list

The package ``jgo`` fetches the jars into ``~/.m2/repository`` (or $M2_REPO), from Maven Central or the mirror in jgo's
own configuration. It sets no timeouts, so it runs in a child process that is ended after ``FETCH_SECONDS``.
"""

import argparse
import fcntl
import hashlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sandbox.stack.errors import StackError

ENDPOINT = "org.apache.kafka:kafka_2.13:4.4.0+org.slf4j:slf4j-simple:1.7.36"
"""Maven coordinates that jgo resolves to the listed jars."""

LIST_FILE = Path(__file__).with_name("kafka-jars.txt")
"""The list of the jars and their checksums."""

FETCH_SECONDS = 600
"""Timeout of the child process that fetches the jars, in seconds."""

ALTERNATIVE = "Or set KAFKA_BOOTSTRAP_SERVERS to an Apache Kafka that runs already."
"""Last sentence of messages about a Kafka that cannot be started."""


@dataclass(frozen=True)
class Jar:
    """One jar: its Maven coordinates and its checksum."""

    sha256: str
    """SHA-256 of the content, in lowercase hexadecimal digits."""
    group: str
    """Maven group id, for example ``org.apache.kafka``."""
    artifact: str
    """Maven artifact id, for example ``kafka_2.13``."""
    version: str
    """Maven version, for example ``4.4.0``."""

    @classmethod
    def parse(cls, line: str) -> Self:
        """Returns the jar that a line of the list describes; ``str`` returns the line."""
        sha256, coordinates = line.split()
        group, artifact, version = coordinates.split(":")
        return cls(sha256, group, artifact, version)

    @property
    def coordinates(self) -> str:
        """The Maven coordinates, ``group:artifact:version``."""
        return f"{self.group}:{self.artifact}:{self.version}"

    def __str__(self) -> str:
        return f"{self.sha256}  {self.coordinates}"

    def locate_in(self, repository: Path) -> Path:
        """Returns the path of the jar in a Maven repository."""
        folder = repository.joinpath(*self.group.split("."), self.artifact, self.version)
        return folder / f"{self.artifact}-{self.version}.jar"


def read_jar_list(path: Path = LIST_FILE) -> list[Jar]:
    """Returns the listed jars in the order of the file."""
    return [Jar.parse(line) for line in path.read_text().splitlines()]


def locate_maven_repository() -> Path:
    """Returns the folder of the machine's Maven repository, which need not exist."""
    return Path(os.environ.get("M2_REPO") or Path.home() / ".m2" / "repository")


def fetch_jars(repository: Path) -> None:
    """Fetches the jars of ``ENDPOINT`` with jgo, in a child process. Raises ``StackError`` if that fails."""
    command = [sys.executable, "-m", "sandbox.stack.jars", "--fetch"]
    environment = {**os.environ, "M2_REPO": str(repository)}
    try:
        child = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise StackError(_describe_failure(f"no answer within {FETCH_SECONDS} s")) from error
    if child.returncode != 0:
        errors = child.stderr.strip().splitlines()
        raise StackError(_describe_failure(errors[-1] if errors else f"exit code {child.returncode}"))


def build_class_path(jars: Sequence[Jar], repository: Path, *, fetch: Callable[[Path], None] = fetch_jars) -> str:
    """Returns Java's class path of exactly these jars; fetches them first if any is missing.

    Raises ``StackError`` if a jar is still missing or has another content than listed.
    """
    repository.mkdir(parents=True, exist_ok=True)
    with _lock_folder(repository):
        if find_missing_jars(jars, repository):
            fetch(repository)
        if missing := find_missing_jars(jars, repository):
            names = "\n".join(f"  {jar.coordinates}" for jar in missing)
            raise StackError(
                f"{ENDPOINT} no longer resolves to the jars in {LIST_FILE.name}; these were not fetched:\n{names}\n"
                "Rewrite the list with 'python -m sandbox.stack.jars --write' and review the changes."
            )
        verify_checksums(jars, repository)
    return os.pathsep.join(str(jar.locate_in(repository)) for jar in jars)


def find_missing_jars(jars: Sequence[Jar], repository: Path) -> list[Jar]:
    """Returns the jars that the repository does not contain."""
    return [jar for jar in jars if not jar.locate_in(repository).is_file()]


def verify_checksums(jars: Sequence[Jar], repository: Path) -> None:
    """Raises ``StackError`` if the content of a jar does not have the listed checksum."""
    for jar in jars:
        path = jar.locate_in(repository)
        actual = _compute_sha256(path)
        if actual != jar.sha256:
            raise StackError(
                f"{path} is not the jar that {LIST_FILE.name} lists (SHA-256 {actual}, expected {jar.sha256}). "
                "Nothing was started. An interrupted download is a possible cause: delete the file and start again."
            )


def _describe_failure(reason: str) -> str:
    return (
        f"Apache Kafka's jars ({ENDPOINT}) are missing and could not be fetched: {reason}\n"
        "They come from Maven Central or a mirror of it: check the network and the proxy, or name a mirror as "
        f"'central' under [repositories] in ~/.config/jgo.conf. {ALTERNATIVE}"
    )


def _resolve() -> list[Jar]:
    """Fetches ``ENDPOINT`` and its dependencies; returns the jars in jgo's lock file."""
    import jgo  # noqa: PLC0415 - needed in the child process only, and it imports an HTTP client
    from jgo.config import GlobalSettings  # noqa: PLC0415 - same

    # jgo.build uses the configured mirrors only if they are passed. Its own cache of jars is keyed by the coordinates
    # alone, so only an update makes it read the repository again.
    environment = jgo.build(ENDPOINT, update=True, repositories=GlobalSettings.load().repositories)
    lock = tomllib.loads(environment.lock_path.read_text())
    return [Jar(jar["sha256"], jar["groupId"], jar["artifactId"], jar["version"]) for jar in lock["dependencies"]]


def write_jar_list(path: Path = LIST_FILE) -> list[Jar]:
    """Resolves ``ENDPOINT``, writes the list and returns the jars."""
    jars = sorted(_resolve(), key=lambda jar: (jar.group, jar.artifact))
    path.write_text("".join(f"{jar}\n" for jar in jars))
    return jars


@contextmanager
def _lock_folder(folder: Path) -> Iterator[None]:
    """Keeps a second run from reading jars that the first is still fetching; the lock ends with the process."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _compute_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line. Raises ``StackError`` if the jars cannot be fetched or are not the listed ones."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.stack.jars", description="Apache Kafka's jars.")
    parser.add_argument("--write", action="store_true", help=f"resolve the endpoint and rewrite {LIST_FILE.name}")
    parser.add_argument("--fetch", action="store_true", help="fetch without verifying (used by the other modes)")
    options = parser.parse_args(arguments)
    if options.write:
        print(f"{len(write_jar_list())} jars written to {LIST_FILE}")
    elif options.fetch:
        _resolve()
    else:
        jars = read_jar_list()
        build_class_path(jars, locate_maven_repository())
        print(f"{len(jars)} jars in {locate_maven_repository()} are the listed ones")


if __name__ == "__main__":
    try:
        main()
    except StackError as error:
        sys.exit(str(error))
