"""The whole product on one machine: Kafka, MongoDB, both vendors' sandboxes and the services, as processes.

It knows the product by command lines and environment alone.
"""

import asyncio
import base64
import json
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sandbox.keeper import Part
from sandbox.stack.errors import StackError
from sandbox.stack.kafka import Kafka
from sandbox.stack.mongo import Mongo
from sandbox.stack.ports import free_port, is_free
from sandbox.stack.processes import Process, http_ready

SERVICES = ("poller", "mapper", "writer")
DECLAREE_KEY = "demo-key"
PERSONIO_ID, PERSONIO_SECRET = "demo-client", "demo-secret"
SCIM_PATH = "/SCIM/v2"


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command has ended, and what it has printed to its two outputs."""

    code: int | None
    output: str
    errors: str


class Installation:
    """Use as an asynchronous context manager. ``settings`` are environment variables over the defaults; those
    ``of_services`` are not for commands.

    Where the settings, or the environment, name KAFKA_BOOTSTRAP_SERVERS or MONGODB_URL, none is started for it.

    ``ports`` are wished for by name; one that is taken at the first start of the folder is replaced by a free one.
    ``scim_url`` is another SCIM server's, with the same key, to be written to in place of the sandbox Declaree.
    """

    def __init__(
        self,
        folder: Path,
        *,
        active: int = 250,
        seed: int = 1,
        settings: Mapping[str, str] | None = None,
        of_services: Mapping[str, str] | None = None,
        services: tuple[str, ...] = SERVICES,
        personio_options: tuple[str, ...] = (),
        declaree_options: tuple[str, ...] = (),
        ports: Mapping[str, int] | None = None,
        scim_url: str | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._folder = folder
        self._say = say
        self._active = active
        self._seed = seed
        self._settings = dict(settings or {})
        self._of_services = dict(of_services or {})
        self._services = services
        self._personio_options = personio_options
        self._declaree_options = declaree_options
        self._stack = AsyncExitStack()
        self._ports = self._remembered_ports(ports or {})
        self.processes: dict[str, Process] = {}
        self.personio = f"http://127.0.0.1:{self._ports['personio']}"
        self.declaree = f"http://127.0.0.1:{self._ports['declaree']}"
        self.scim = scim_url or f"{self.declaree}{SCIM_PATH}"
        self.kafka = Kafka(folder / "kafka", port=self._ports["kafka"], controller_port=self._ports["controller"])
        self.mongo = Mongo(folder / "mongo", port=self._ports["mongo"])

    def _remembered_ports(self, wished: Mapping[str, int]) -> dict[str, int]:
        """The same addresses at every start of the same folder."""
        file = self._folder / "ports.json"
        if file.exists():
            known: dict[str, int] = json.loads(file.read_text())
            return known
        self._folder.mkdir(parents=True, exist_ok=True)
        ports: dict[str, int] = {}
        for name in ("kafka", "controller", "mongo", "personio", "declaree", *SERVICES):
            ports[name] = wished[name] if name in wished and is_free(wished[name]) else free_port()
        file.write_text(json.dumps(ports))
        return ports

    @property
    def _key_file(self) -> Path:
        return self._folder / "encryption.key"

    def _key(self) -> str:
        if not self._key_file.exists():
            self._key_file.touch(mode=0o600)
            self._key_file.write_text(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
        return self._key_file.read_text()

    @property
    def environment(self) -> dict[str, str]:
        """What a service or a command of the CLI needs."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": os.environ.get("KAFKA_BOOTSTRAP_SERVERS", self.kafka.bootstrap_servers),
            "MONGODB_URL": os.environ.get("MONGODB_URL", self.mongo.url),
            "ENCRYPTION_KEYS": self._key(),
            **self._settings,
        }

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _check_ports(self) -> None:
        """Raises ``StackError`` where somebody else listens: who asks there would take them for ours."""
        taken = {name: port for name, port in self._ports.items() if not is_free(port)}
        if taken:
            places = ", ".join(f"{port} (for {name})" for name, port in taken.items())
            raise StackError(
                f"other programs listen where this installation did before: {places}. "
                f"Stop them, or remove {self._folder / 'ports.json'} to have other ports chosen"
            )

    async def _start(self) -> None:
        first = not self._key_file.exists()
        self._check_ports()
        self._say("starting Apache Kafka and MongoDB ...")
        servers: list[Any] = []
        if self.environment["KAFKA_BOOTSTRAP_SERVERS"] == self.kafka.bootstrap_servers:
            servers.append(self._stack.enter_async_context(self.kafka))
        if self.environment["MONGODB_URL"] == self.mongo.url:
            servers.append(self._stack.enter_async_context(self.mongo))
        await asyncio.gather(*servers)
        self._say("starting the sandboxes of Personio and Declaree ...")
        await self._start_sandboxes()
        await self.cli("init")
        if first or not json.loads(await self.cli("connections", "list", "--json")):
            await self.connect("Demo company")
        self._say("starting poller, mapper and writer ...")
        await asyncio.gather(*(self.start_service(service) for service in self._services))

    async def _start_sandboxes(self) -> None:
        company = ("--employees", str(self._active), "--seed", str(self._seed))
        options = ("--state", str(self._folder / "personio.json"), *company, *self._personio_options)
        await self._start_sandbox("personio", "personio", self._ports["personio"], options)
        await self._start_declaree("declaree", self._ports["declaree"])

    async def start_declaree(self, name: str) -> str:
        """One more sandbox Declaree, with the same key; returns its address."""
        port = free_port()
        await self._start_declaree(name, port)
        return f"http://127.0.0.1:{port}"

    async def _start_declaree(self, name: str, port: int) -> None:
        state = ("--state", str(self._folder / f"{name}.log"), "--api-key", DECLAREE_KEY)
        await self._start_sandbox(name, "declaree", port, (*state, *self._declaree_options))

    async def _start_sandbox(self, name: str, kind: str, port: int, options: tuple[str, ...]) -> None:
        command = (sys.executable, "-m", f"sandbox.{kind}", "--port", str(port), *options)
        ready = http_ready(f"http://127.0.0.1:{port}/_control/health")
        process = Process(name, command, folder=self._folder / name, ready=ready)
        self.processes[name] = await self._stack.enter_async_context(process)

    async def connect(self, name: str, *, key: str = DECLAREE_KEY, scim: str | None = None) -> str:
        """Adds a connection of the sandbox Personio, with ``scim`` or the first sandbox Declaree; returns its id."""
        answer = await self.cli(
            "connections",
            "add",
            name,
            "--personio-url",
            self.personio,
            "--personio-client-id",
            PERSONIO_ID,
            "--declaree-url",
            scim or self.scim,
            "--json",
            secrets={"PERSONIO_CLIENT_SECRET": PERSONIO_SECRET, "DECLAREE_KEY": key},
        )
        return str(json.loads(answer)["id"])

    async def start_service(self, service: str, *, replica: int = 0) -> Process:
        """``replica`` above 0 starts one more of the service beside the first."""
        port = free_port() if replica else self._ports[service]
        name = f"{service}-{replica}" if replica else service
        process = Process(
            name,
            (sys.executable, "-m", f"services.{service}"),
            folder=self._folder / name,
            environment={**self.environment, **self._of_services, "HTTP_PORT": str(port)},
            ready=http_ready(f"http://127.0.0.1:{port}/health/ready"),
        )
        self.processes[name] = await self._stack.enter_async_context(process)
        return process

    async def cli(self, *arguments: str, secrets: Mapping[str, str] | None = None, expect: int | None = 0) -> str:
        """Runs a command and gives what it prints; raises ``StackError`` when its exit code is not ``expect``."""
        answer = await self.command(*arguments, secrets=secrets)
        if expect is not None and answer.code != expect:
            raise StackError(f"{' '.join(arguments[:2])} ended with {answer.code}: {answer.errors[-2000:]}")
        return answer.output

    async def command(self, *arguments: str, secrets: Mapping[str, str] | None = None) -> Answer:
        """Runs a command of the CLI, however it ends."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.cli",
            *arguments,
            env={**os.environ, **self.environment, **(secrets or {})},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        return Answer(process.returncode, output.decode(), errors.decode())

    @property
    def parts(self) -> dict[str, Part]:
        """Everything of it that runs, by name."""
        servers: dict[str, Part] = {"kafka": self.kafka, "mongo": self.mongo}
        return {**{name: server for name, server in servers.items() if server.running}, **self.processes}

    async def status(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(await self.cli("status", "--json", expect=None))
        return found
