"""The jars Apache Kafka runs on: found in the machine's Maven repository, fetched once, checked before every start.

`kafka-jars.txt` beside this module lists each of them, `sha256  group:artifact:version`. Only what is listed gets
on the class path, and only if its bytes are the listed ones.

    python -m sandbox.stack.jars            # fetch what is missing, check everything
    python -m sandbox.stack.jars --write    # after a change of ENDPOINT: resolve again and write the list anew

The package `jgo` fetches, from Maven Central or from the mirror that its own configuration names, into
`~/.m2/repository` (or $M2_REPO). It runs in a process of its own, since it sets no time limits.
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
LIST = Path(__file__).with_name("kafka-jars.txt")
FETCH_SECONDS = 600
ELSEWHERE = "Or set KAFKA_BOOTSTRAP_SERVERS to an Apache Kafka that runs already."


@dataclass(frozen=True)
class Jar:
    sha256: str
    group: str
    artifact: str
    version: str

    @classmethod
    def parse(cls, line: str) -> Self:
        sha256, coordinates = line.split()
        group, artifact, version = coordinates.split(":")
        return cls(sha256, group, artifact, version)

    def __str__(self) -> str:
        return f"{self.sha256}  {self.group}:{self.artifact}:{self.version}"

    def path_in(self, repository: Path) -> Path:
        """Return where a Maven repository keeps it."""
        folder = repository.joinpath(*self.group.split("."), self.artifact, self.version)
        return folder / f"{self.artifact}-{self.version}.jar"


def listed_jars(path: Path = LIST) -> list[Jar]:
    return [Jar.parse(line) for line in path.read_text().splitlines()]


def maven_repository() -> Path:
    return Path(os.environ.get("M2_REPO") or Path.home() / ".m2" / "repository")


def fetch_all(repository: Path) -> None:
    """Let jgo resolve the endpoint, in a child process (see above)."""
    command = [sys.executable, "-m", "sandbox.stack.jars", "--fetch"]
    environment = {**os.environ, "M2_REPO": str(repository)}
    try:
        run = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise StackError(_unreachable(f"no answer within {FETCH_SECONDS} s")) from error
    if run.returncode != 0:
        said = run.stderr.strip().splitlines()
        raise StackError(_unreachable(said[-1] if said else f"exit code {run.returncode}"))


def class_path(jars: Sequence[Jar], repository: Path, *, fetch: Callable[[Path], None] = fetch_all) -> str:
    """Return Java's class path of exactly these jars; fetch what is missing; raise StackError for foreign bytes."""
    repository.mkdir(parents=True, exist_ok=True)
    with _alone_in(repository):
        if missing(jars, repository):
            fetch(repository)
        if absent := missing(jars, repository):
            names = "\n".join(f"  {jar.group}:{jar.artifact}:{jar.version}" for jar in absent)
            raise StackError(
                f"{ENDPOINT} no longer resolves to what {LIST.name} lists; these were not fetched:\n{names}\n"
                "Write the list anew with 'python -m sandbox.stack.jars --write' and review what has changed."
            )
        check(jars, repository)
    return os.pathsep.join(str(jar.path_in(repository)) for jar in jars)


def missing(jars: Sequence[Jar], repository: Path) -> list[Jar]:
    return [jar for jar in jars if not jar.path_in(repository).is_file()]


def check(jars: Sequence[Jar], repository: Path) -> None:
    """Raise StackError if the bytes of a jar are not those that were listed."""
    for jar in jars:
        path = jar.path_in(repository)
        found = _sha256(path)
        if found != jar.sha256:
            raise StackError(
                f"{path} is not the jar that {LIST.name} lists: its SHA-256 is {found}, expected {jar.sha256}. "
                "Nothing was started. A download that broke off looks like this too: delete the file and start again."
            )


def _unreachable(reason: str) -> str:
    return (
        f"Apache Kafka's jars ({ENDPOINT}) are missing and could not be fetched: {reason}\n"
        "They come from Maven Central or a mirror of it: check the network and the proxy, or name a mirror as "
        f"'central' under [repositories] in ~/.config/jgo.conf. {ELSEWHERE}"
    )


def _resolve() -> list[Jar]:
    """Fetch the endpoint and all it depends on; return what that is, as jgo's lock file in its cache says."""
    import jgo  # noqa: PLC0415 - only the child process needs it, and it brings an HTTP stack along
    from jgo.config import GlobalSettings  # noqa: PLC0415 - same

    # jgo.build reads the configured mirrors only when they are handed to it. The copies it keeps of the jars go by
    # the coordinates alone, so an update makes it look into the repository again.
    environment = jgo.build(ENDPOINT, update=True, repositories=GlobalSettings.load().repositories)
    lock = tomllib.loads(environment.lock_path.read_text())
    return [Jar(jar["sha256"], jar["groupId"], jar["artifactId"], jar["version"]) for jar in lock["dependencies"]]


def write_list(path: Path = LIST) -> list[Jar]:
    jars = sorted(_resolve(), key=lambda jar: (jar.group, jar.artifact))
    path.write_text("".join(f"{jar}\n" for jar in jars))
    return jars


@contextmanager
def _alone_in(repository: Path) -> Iterator[None]:
    """Keep a second run from reading what the first is still fetching; the lock ends with the process."""
    folder = os.open(repository, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.stack.jars", description="Apache Kafka's jars.")
    parser.add_argument("--write", action="store_true", help=f"resolve again and write {LIST.name} anew")
    parser.add_argument("--fetch", action="store_true", help="fetch without checking (what the other uses call)")
    choice = parser.parse_args(arguments)
    if choice.write:
        print(f"{len(write_list())} jars written to {LIST}")
    elif choice.fetch:
        _resolve()
    else:
        jars = listed_jars()
        class_path(jars, maven_repository())
        print(f"{len(jars)} jars in {maven_repository()} are the listed ones")


if __name__ == "__main__":
    try:
        main()
    except StackError as error:
        sys.exit(str(error))
