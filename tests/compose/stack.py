"""The stack of docker-compose.yml with its demo, as a project of the tests' own."""

import base64
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.stack.ports import free_port
from tests.compose.commands import Said, run
from tests.compose.engine import COMPOSE_FILE, Engine, clean_environment

PROJECT = "personio-declaree-test"
IMAGE = "personio-declaree:test"
BUILD_SECONDS, UP_SECONDS = 600, 240

# `docker kill` counts as a stop by hand, after which the engine starts nothing again. This kills from outside of the
# container, as a crash does, by process ids as the engine's machine has them, wherever that is.
KILL = "import os, sys; [os.kill(int(process), 9) for process in sys.argv[1:]]"


class Stack:
    """Addresses both sandboxes as ``tests.e2e.world`` wants them."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._ports = {"personio": free_port(), "declaree": free_port()}
        self._settings = folder / "settings.env"
        self._settings.write_text(self._settings_text(), encoding="utf-8")

    def _settings_text(self) -> str:
        settings = {
            "ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "POLL_INTERVAL_SECONDS": "3",
            "KAFKA_SESSION_TIMEOUT_MS": "6000",
            "APP_IMAGE": IMAGE,
            "DEMO_IMAGE": f"{IMAGE}-demo",
            "DEMO_PERSONIO_PORT": str(self._ports["personio"]),
            "DEMO_DECLAREE_PORT": str(self._ports["declaree"]),
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())

    @property
    def personio(self) -> str:
        return f"http://127.0.0.1:{self._ports['personio']}"

    @property
    def declaree(self) -> str:
        return f"http://127.0.0.1:{self._ports['declaree']}"

    @property
    def scim(self) -> str:
        return f"{self.declaree}/SCIM/v2"

    def compose(self, *arguments: str, seconds: float = 120, expect: int | None = 0, show: bool = False) -> Said:
        command = ["docker", "compose", "--file", str(COMPOSE_FILE), "--project-name", PROJECT]
        command += ["--env-file", str(self._settings), "--profile", "demo", "--progress", "plain"]
        environment = clean_environment() | self._engine.environment
        return run([*command, *arguments], environment, seconds=seconds, expect=expect, show=show)

    def build(self) -> None:
        print("building the images ...", flush=True)
        for service in ("init", "sandbox-personio"):  # one after the other: they share most layers
            self.compose("build", service, seconds=BUILD_SECONDS)

    def up(self) -> None:
        print("starting the stack ...", flush=True)
        scale = ["--scale", "mapper=3", "--scale", "writer=3"]
        self.compose("up", "--detach", "--no-build", *scale, seconds=UP_SECONDS)

    def down(self) -> None:
        self.compose("down", "--volumes", "--remove-orphans", seconds=180)

    def show(self) -> None:
        """What an error needs to be understood."""
        self.compose("ps", "--all", expect=None, show=True)
        self.compose("logs", "--tail", "25", expect=None, show=True)

    def containers(self, service: str) -> list[str]:
        return self.compose("ps", "--quiet", service).output.split()

    def inspect(self, container: str) -> dict[str, Any]:
        (found,) = json.loads(self._engine.docker("inspect", container).output)
        return dict(found)

    def kill(self, *containers: str) -> None:
        """SIGKILL to their first processes, at once."""
        processes = [str(self.inspect(container)["State"]["Pid"]) for container in containers]
        options = ("run", "--rm", "--pid", "host", "--user", "0", "--network", "none", "--no-healthcheck")
        self._engine.docker(*options, IMAGE, "python", "-c", KILL, *processes)

    def status(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.cli("status", "--json", expect=None).output)
        return found

    def cli(self, *arguments: str, expect: int | None = 0) -> Said:
        return self.compose("run", "--rm", "--no-TTY", "cli", *arguments, expect=expect)


@contextmanager
def running_stack(engine: Engine, folder: Path) -> Iterator[Stack]:
    """Everything is taken down in the end."""
    stack = Stack(engine, folder)
    stack.down()  # what a killed run may have left
    stack.build()
    try:
        stack.up()
        yield stack
    except BaseException:
        stack.show()
        raise
    finally:
        stack.down()
