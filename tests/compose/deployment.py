"""The containers of docker-compose.yml with the demo, as a Compose project that belongs to the tests."""

import json
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.stack.ports import reserve_port
from tests.compose.commands import CommandResult, run
from tests.compose.engine import COMPOSE_FILE, ROOT, Engine, build_clean_environment

PROJECT = "personio-declaree-test"
IMAGE = "personio-declaree:test"
BUILD_SECONDS, UP_SECONDS = 600, 240

# The engine does not restart a container after `docker kill`, because it counts as a stop by hand. This program kills
# the processes from outside of the container instead, as a crash does. It uses the pids of the engine's machine.
KILL = "import os, sys; [os.kill(int(process), 9) for process in sys.argv[1:]]"


class Deployment:
    """The containers of one Compose project. Has the addresses that ``tests.support.world.Sides`` requires."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._ports = {"personio": reserve_port(), "declaree": reserve_port()}
        self._settings = folder / ".env"
        self.folder = folder
        """The folder in which an operator types commands."""
        self.secrets = folder / ".secrets"
        """The folder with a file for each key and password."""
        (folder / "containers").mkdir()
        for name in (".env.example", "Makefile", "containers/make-env.sh"):
            shutil.copy(ROOT / name, folder / name)
        run(["make", "--directory", str(folder), "env"], build_clean_environment(), seconds=30)
        with self._settings.open("a", encoding="utf-8") as file:
            file.write(self._format_settings())

    def _format_settings(self) -> str:
        settings = {
            "SECRETS_FOLDER": str(self.secrets),
            "ALLOW_PRIVATE_ADDRESSES": "true",
            "POLL_INTERVAL_SECONDS": "3",
            "POLL_FULL_SCAN_SECONDS": "10",
            "KAFKA_SESSION_TIMEOUT_MS": "6000",
            "APP_IMAGE": IMAGE,
            "DEMO_IMAGE": f"{IMAGE}-demo",
            "DEMO_PERSONIO_PORT": str(self._ports["personio"]),
            "DEMO_DECLAREE_PORT": str(self._ports["declaree"]),
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())

    @property
    def personio(self) -> str:
        """The address of the sandbox Personio."""
        return f"http://127.0.0.1:{self._ports['personio']}"

    @property
    def declaree(self) -> str:
        """The address of the sandbox Declaree."""
        return f"http://127.0.0.1:{self._ports['declaree']}"

    @property
    def scim(self) -> str:
        """The address of the SCIM server in the sandbox Declaree."""
        return f"{self.declaree}/SCIM/v2"

    def compose(
        self, *arguments: str, seconds: float = 120, expect: int | None = 0, show: bool = False
    ) -> CommandResult:
        """Runs a ``docker compose`` command. Raises ``CommandError`` as ``run`` does."""
        command = ["docker", "compose", "--file", str(COMPOSE_FILE), "--project-name", PROJECT]
        command += ["--env-file", str(self._settings), "--profile", "demo", "--progress", "plain"]
        environment = build_clean_environment() | self._engine.environment
        return run([*command, *arguments], environment, seconds=seconds, expect=expect, show=show)

    def run_printed(self, command: str, folder: Path, *, seconds: float = UP_SECONDS) -> CommandResult:
        """Runs a shell command of the documentation in a folder, as an operator of this project would type it.

        Raises ``CommandError`` as ``run`` does.
        """
        environment = build_clean_environment() | self._engine.environment
        environment |= {"COMPOSE_FILE": str(COMPOSE_FILE), "COMPOSE_PROJECT_NAME": PROJECT}
        environment |= {"COMPOSE_ENV_FILES": str(self._settings)}
        return run(["sh", "-c", f"cd {shlex.quote(str(folder))} && {command}"], environment, seconds=seconds)

    def lose_mongo(self) -> None:
        """Removes the container and the data of MongoDB while the services run."""
        self.compose("rm", "--stop", "--force", "mongo")
        self._engine.docker("volume", "rm", f"{PROJECT}_mongo-data")

    def build(self) -> None:
        """Builds the images."""
        print("building the images ...", flush=True)
        for service in ("init", "sandbox-personio"):  # in sequence, because they share most layers
            self.compose("build", service, seconds=BUILD_SECONDS)

    def up(self) -> None:
        """Starts all containers, with three replicas of mapper and writer."""
        print("starting the containers ...", flush=True)
        scale = ["--scale", "mapper=3", "--scale", "writer=3"]
        self.compose("up", "--detach", "--no-build", *scale, seconds=UP_SECONDS)

    def down(self) -> None:
        """Removes all containers, networks and volumes."""
        self.compose("down", "--volumes", "--remove-orphans", seconds=180)

    def show(self) -> None:
        """Prints the state and the last log lines of all containers."""
        self.compose("ps", "--all", expect=None, show=True)
        self.compose("logs", "--tail", "25", expect=None, show=True)

    def list_containers(self, service: str) -> list[str]:
        """Returns the ids of the running containers of a service."""
        return self.compose("ps", "--quiet", service).output.split()

    def inspect(self, container: str) -> dict[str, Any]:
        """Returns what ``docker inspect`` prints about a container."""
        (description,) = json.loads(self._engine.docker("inspect", container).output)
        return dict(description)

    def kill(self, *containers: str) -> None:
        """Sends SIGKILL to the first process of each container, as a crash would end it."""
        processes = [str(self.inspect(container)["State"]["Pid"]) for container in containers]
        options = ("run", "--rm", "--pid", "host", "--user", "0", "--network", "none", "--no-healthcheck")
        self._engine.docker(*options, IMAGE, "python", "-c", KILL, *processes)

    def read_status(self) -> list[dict[str, Any]]:
        """Returns the numbers of each connection in the output of ``status --json``."""
        overview = json.loads(self.run_cli("status", "--json", expect=None).output)
        return [connection["status"] for connection in overview["connections"]]

    def run_cli(self, *arguments: str, expect: int | None = 0) -> CommandResult:
        """Runs a command of the product in a container. Raises ``CommandError`` as ``run`` does."""
        return self.compose("run", "--rm", "--no-TTY", "cli", *arguments, expect=expect)


@contextmanager
def deploy(engine: Engine, folder: Path) -> Iterator[Deployment]:
    """Builds and starts the containers; removes them at the end. Prints their state and logs after an error."""
    deployment = Deployment(engine, folder)
    deployment.down()  # a killed run may have left containers
    deployment.build()
    try:
        deployment.up()
        yield deployment
    except BaseException:
        deployment.show()
        raise
    finally:
        deployment.down()
