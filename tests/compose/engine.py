"""The container engine of the tests: the installed one, or a temporary one with stand-ins for the public images."""

import fcntl
import os
import platform
import re
import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.compose.commands import CommandError, CommandResult, run

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"
STAND_INS = (str(ROOT / "containers" / "stand-ins.sh"),)
PULL_SECONDS, START_SECONDS = 300, 900


class NoEngineError(Exception):
    """The machine has no container engine and cannot start one; the message gives the reason."""


@dataclass(frozen=True)
class Engine:
    """A container engine that is reached with the command ``docker``."""

    environment: dict[str, str]
    """Environment variables that ``docker`` and ``docker compose`` need to reach the engine."""

    def docker(self, *arguments: str, seconds: float = 120, expect: int | None = 0) -> CommandResult:
        """Runs a ``docker`` command. Raises ``CommandError`` as ``run`` does."""
        return run(["docker", *arguments], build_clean_environment() | self.environment, seconds=seconds, expect=expect)


def build_clean_environment() -> dict[str, str]:
    """Returns the environment of this process without variables that change the meaning of docker-compose.yml."""
    text = COMPOSE_FILE.read_text(encoding="utf-8")
    variables = set(re.findall(r"\$\{([A-Z0-9_]+)|^ +([A-Z0-9_]+):", text, re.MULTILINE))
    names = {name for pair in variables for name in pair}
    names |= {"COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"}
    return {name: value for name, value in os.environ.items() if name not in names}


def read_public_images() -> list[str]:
    """Returns the images that docker-compose.yml takes from a registry."""
    text = COMPOSE_FILE.read_text(encoding="utf-8")
    return re.findall(r"\$\{(?:PYTHON|KAFKA|MONGO)_IMAGE:-([^}]+)\}", text)


def find_problem(engine: Engine) -> str | None:
    """Returns the reason why the containers cannot run on this engine; None if they can."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    try:
        engine.docker("version", seconds=30)
        engine.docker("compose", "version", seconds=30)
        for image in read_public_images():
            if engine.docker("image", "inspect", image, seconds=30, expect=None).code:
                engine.docker("pull", "--quiet", image, seconds=PULL_SECONDS)
    except CommandError as error:
        return str(error).strip().splitlines()[-1]
    return None


def can_start_stand_ins() -> bool:
    """Returns whether this is Debian 12 on x86-64 as root; there, a missing engine is a failure."""
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        return False
    return (
        system.get("ID") == "debian"
        and system.get("VERSION_ID") == "12"
        and platform.machine() == "x86_64"
        and os.geteuid() == 0
    )


@contextmanager
def provide_engine(installed: Engine, start: Callable[[], AbstractContextManager[Engine]] | None) -> Iterator[Engine]:
    """Yields the installed engine, or the one that ``start`` starts; None means that none can be started.

    Raises ``NoEngineError`` if neither engine can be used, ``CommandError`` if the start fails.
    """
    problem = find_problem(installed)
    if problem is None:
        yield installed
    elif start is not None:
        with start() as engine:
            yield engine
    else:
        raise NoEngineError(
            f"the machine has no container engine with the images ({problem}): "
            "install one; a temporary engine from packages needs Debian 12 on x86-64 and root"
        )


@contextmanager
def start_stand_ins(script: Sequence[str] = STAND_INS) -> Iterator[Engine]:
    """Starts a temporary engine with stand-ins for the public images; stops it at the end.

    Raises ``CommandError`` if the start fails.
    """
    environment = dict(os.environ)
    lines = run([*script, "env"], environment, seconds=30).output
    engine_environment = dict(line.split("=", 1) for line in shlex.split(lines))
    with _lock_folder(Path(engine_environment["STAND_INS"])):
        try:
            run([*script, "start"], environment, seconds=START_SECONDS, show=True)
            yield Engine(engine_environment)
        finally:
            run([*script, "stop"], environment, seconds=180, show=True)


@contextmanager
def _lock_folder(folder: Path) -> Iterator[None]:
    """Allows one run at a time on the engine.

    Each command inherits the lock, so it outlasts a killed run until the last command of that run has ended.
    """
    lock = os.open(folder, os.O_RDONLY)
    try:
        os.set_inheritable(lock, True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another run, or its last commands, uses the engine: waiting for its end ...", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
