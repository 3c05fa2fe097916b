"""A container engine for the stack: the one that is there, or one of our own with stand-ins for the public images."""

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

from tests.compose.commands import CommandError, Said, run

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"
STAND_INS = (str(ROOT / "containers" / "stand-ins.sh"),)
PULL_SECONDS, START_SECONDS = 300, 900


class NoEngineError(Exception):
    """Neither is there an engine, nor can one be started here; the message says why."""


@dataclass(frozen=True)
class Engine:
    """``environment`` is what ``docker`` and ``docker compose`` have to be told to work with it."""

    environment: dict[str, str]

    def docker(self, *arguments: str, seconds: float = 120, expect: int | None = 0) -> Said:
        return run(["docker", *arguments], clean_environment() | self.environment, seconds=seconds, expect=expect)


def clean_environment() -> dict[str, str]:
    """This process's, without what would change how docker-compose.yml is read."""
    text = COMPOSE_FILE.read_text(encoding="utf-8")
    read = set(re.findall(r"\$\{([A-Z0-9_]+)|^ +([A-Z0-9_]+):", text, re.MULTILINE))
    names = {name for pair in read for name in pair} | {"COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"}
    return {name: value for name, value in os.environ.items() if name not in names}


def public_images() -> list[str]:
    """What docker-compose.yml takes from a registry."""
    text = COMPOSE_FILE.read_text(encoding="utf-8")
    return re.findall(r"\$\{(?:PYTHON|KAFKA|MONGO)_IMAGE:-([^}]+)\}", text)


def problem_of(given: Engine) -> str | None:
    """Why the stack cannot run on this engine; None if it can."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    try:
        given.docker("version", seconds=30)
        given.docker("compose", "version", seconds=30)
        for image in public_images():
            if given.docker("image", "inspect", image, seconds=30, expect=None).code:
                given.docker("pull", "--quiet", image, seconds=PULL_SECONDS)
    except CommandError as error:
        return str(error).strip().splitlines()[-1]
    return None


def stand_ins_are_possible() -> bool:
    """Debian 12 on x86-64 as root: there, not to have an engine is a failure."""
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        return False
    return (system.get("ID"), system.get("VERSION_ID"), platform.machine(), os.geteuid()) == (
        "debian",
        "12",
        "x86_64",
        0,
    )


@contextmanager
def usable_engine(given: Engine, make: Callable[[], AbstractContextManager[Engine]] | None) -> Iterator[Engine]:
    """The given engine, or one that is made, where one can be: None says that it cannot.

    Raises ``NoEngineError`` where there is none and none can be made, ``CommandError`` where making it fails.
    """
    problem = problem_of(given)
    if problem is None:
        yield given
    elif make is not None:
        with make() as engine:
            yield engine
    else:
        raise NoEngineError(
            f"There is no container engine that has the images ({problem}); to start one from packages takes Debian 12 "
            "on x86-64 and root."
        )


@contextmanager
def own_engine(script: Sequence[str] = STAND_INS) -> Iterator[Engine]:
    environment = dict(os.environ)
    lines = run([*script, "env"], environment, seconds=30).output
    told = dict(line.split("=", 1) for line in shlex.split(lines))
    with _alone_in(Path(told["STAND_INS"])):
        try:
            run([*script, "start"], environment, seconds=START_SECONDS, show=True)
            yield Engine(told)
        finally:
            run([*script, "stop"], environment, seconds=180, show=True)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """One run at a time, on one engine. Every command inherits the lock, so it outlasts a run that was killed for as
    long as something of that run still works.
    """
    lock = os.open(folder, os.O_RDONLY)
    try:
        os.set_inheritable(lock, True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another run, or what is left of one, uses the engine: waiting for its end ...", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
