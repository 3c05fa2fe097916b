"""Lists of jars: taken from the machine's Maven repository, fetched once, verified before every start.

A list has one line for each jar: ``sha256  group:artifact:version``. Only listed jars get on the class path, and only
if their content has the listed checksum.

    python -m sandbox.stack.jars LIST           # fetch the missing jars, verify all

The package ``jgo`` fetches the jars into ``~/.m2/repository`` (or $M2_REPO), from Maven Central or the mirror in jgo's
own configuration. Fetching runs in a child process that is ended after ``FETCH_SECONDS``.
"""

import argparse
import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sandbox.stack.errors import StackError

FETCH_SECONDS = 600
"""Timeout of the child process that fetches the jars, in seconds."""

DOWNLOAD_SECONDS = 30
"""Timeout of a connection and of a pause within one download, in seconds."""


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


@dataclass(frozen=True)
class JarList:
    """The jars of one program, in a file."""

    program: str
    """What the jars are for, for example ``Apache Kafka``."""
    path: Path
    """The file with one line for each jar."""
    remedy: str = ""
    """Last sentence of the message about jars that cannot be fetched."""

    def read(self) -> list[Jar]:
        """Returns the listed jars in the order of the file."""
        return [Jar.parse(line) for line in self.path.read_text().splitlines()]


def locate_maven_repository() -> Path:
    """Returns the folder of the machine's Maven repository, which need not exist."""
    return Path(os.environ.get("M2_REPO") or Path.home() / ".m2" / "repository")


def fetch_jars(jar_list: JarList, repository: Path) -> None:
    """Fetches the missing jars of a list with jgo, in a child process. Raises ``StackError`` if that fails."""
    command = [sys.executable, "-m", "sandbox.stack.jars", "--fetch", str(jar_list.path)]
    environment = {**os.environ, "M2_REPO": str(repository)}
    try:
        child = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise StackError(_describe_failure(jar_list, f"no answer within {FETCH_SECONDS} s")) from error
    if child.returncode != 0:
        errors = child.stderr.strip().splitlines()
        raise StackError(_describe_failure(jar_list, errors[-1] if errors else f"exit code {child.returncode}"))


def build_class_path(
    jar_list: JarList, repository: Path, *, fetch: Callable[[JarList, Path], None] = fetch_jars
) -> str:
    """Returns Java's class path of exactly these jars; fetches them first if any is missing.

    Raises ``StackError`` if a jar cannot be fetched or has another content than listed.
    """
    jars = jar_list.read()
    repository.mkdir(parents=True, exist_ok=True)
    with _lock_folder(repository):
        if find_missing_jars(jars, repository):
            fetch(jar_list, repository)
        verify_checksums(jar_list, repository)
    return os.pathsep.join(str(jar.locate_in(repository)) for jar in jars)


def find_missing_jars(jars: Sequence[Jar], repository: Path) -> list[Jar]:
    """Returns the jars that the repository does not contain."""
    return [jar for jar in jars if not jar.locate_in(repository).is_file()]


def verify_checksums(jar_list: JarList, repository: Path) -> None:
    """Raises ``StackError`` if the content of a jar does not have the listed checksum."""
    for jar in jar_list.read():
        path = jar.locate_in(repository)
        actual = _compute_sha256(path)
        if actual != jar.sha256:
            raise StackError(
                f"{path} is not the jar that {jar_list.path.name} lists (SHA-256 {actual}, expected {jar.sha256}). "
                "Nothing was started. An interrupted download is a possible cause: delete the file and start again."
            )


def _describe_failure(jar_list: JarList, reason: str) -> str:
    return (
        f"the jars of {jar_list.program} ({jar_list.path.name}) are missing and could not be fetched: {reason}\n"
        "They come from Maven Central or a mirror of it: check the network and the proxy, or name a mirror as "
        f"'central' under [repositories] in ~/.config/jgo.conf. {jar_list.remedy}"
    ).rstrip()


def _download(jars: Sequence[Jar], repository: Path) -> None:
    """Downloads the jars that the repository does not contain."""
    from jgo.config import GlobalSettings  # noqa: PLC0415 - needed in the child process only: it imports an HTTP client
    from jgo.maven import MavenContext  # noqa: PLC0415 - same

    maven = MavenContext(repo_cache=repository, timeout=DOWNLOAD_SECONDS)
    maven.remote_repos.update(GlobalSettings.load().repositories)
    for jar in jars:
        maven.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()


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
    parser = argparse.ArgumentParser(prog="python -m sandbox.stack.jars", description="The jars of one list.")
    parser.add_argument("list", type=Path, help="the file that lists the jars")
    parser.add_argument("--fetch", action="store_true", help="fetch without verifying (used by the other mode)")
    options = parser.parse_args(arguments)
    jar_list = JarList(options.list.stem, options.list)
    if options.fetch:
        _download(jar_list.read(), locate_maven_repository())
    else:
        build_class_path(jar_list, locate_maven_repository())
        print(f"{len(jar_list.read())} jars in {locate_maven_repository()} are the listed ones")


if __name__ == "__main__":
    try:
        main()
    except StackError as error:
        sys.exit(str(error))
