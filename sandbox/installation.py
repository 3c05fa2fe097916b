"""An installation of the whole product on one machine: Kafka, MongoDB, both sandboxes and the services, as processes.

It knows the product by its command lines and environment variables only.
"""

import asyncio
import base64
import json
import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sandbox.stack.errors import StackError
from sandbox.stack.kafka import Kafka
from sandbox.stack.mongo import Mongo
from sandbox.stack.ports import is_free, reserve_port
from sandbox.stack.processes import Process, create_http_check
from sandbox.supervisor import Component

SERVICES = ("poller", "mapper", "writer")
"""Names of the product's services."""

DECLAREE_KEY = "demo-key"
"""API key of the sandbox Declaree."""

PERSONIO_ID, PERSONIO_SECRET = "demo-client", "demo-secret"
"""Client id and client secret of the sandbox Personio."""

SCIM_PATH = "/SCIM/v2"
"""Path of the SCIM server in the sandbox Declaree."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The exit code and the output of a command that has ended."""

    code: int | None
    """The exit code, or minus the number of the signal that ended the command."""
    output: str
    """The text that the command wrote to standard output."""
    errors: str
    """The text that the command wrote to standard error."""


class Installation:
    """An installation in a folder, used as an asynchronous context manager.

    ``settings`` are environment variables of services and commands; ``service_settings`` are for the services only.
    If KAFKA_BOOTSTRAP_SERVERS or MONGODB_URL is in the settings or the environment, the installation uses that server
    and does not start its own.

    ``active`` is the number of active employees in the sandbox Personio, ``seed`` the random seed of its company.
    ``ports`` are preferred ports by name. At the first start of the folder, a free port replaces a port that is taken.
    ``scim_url`` is the address of another SCIM server that accepts the same key. The connection then writes to that
    server instead of the sandbox Declaree. Without ``starts_connection``, the connection that the first start adds stays
    paused. ``report`` receives one line for each step.
    """

    def __init__(
        self,
        folder: Path,
        *,
        active: int = 250,
        seed: int = 1,
        settings: Mapping[str, str] | None = None,
        service_settings: Mapping[str, str] | None = None,
        services: tuple[str, ...] = SERVICES,
        personio_options: tuple[str, ...] = (),
        declaree_options: tuple[str, ...] = (),
        ports: Mapping[str, int] | None = None,
        scim_url: str | None = None,
        starts_connection: bool = True,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._folder = folder
        self._report = report
        self._active = active
        self._seed = seed
        self._settings = dict(settings or {})
        self._service_settings = dict(service_settings or {})
        self._services = services
        self._personio_options = personio_options
        self._declaree_options = declaree_options
        self._starts_connection = starts_connection
        self._stack = AsyncExitStack()
        self._ports = self._load_or_choose_ports(ports or {})
        self.processes: dict[str, Process] = {}
        self.personio = f"http://127.0.0.1:{self._ports['personio']}"
        self.declaree = f"http://127.0.0.1:{self._ports['declaree']}"
        self.scim = scim_url or f"{self.declaree}{SCIM_PATH}"
        self.kafka = Kafka(folder / "kafka", port=self._ports["kafka"], controller_port=self._ports["controller"])
        self.mongo = Mongo(folder / "mongo", port=self._ports["mongo"])

    def _load_or_choose_ports(self, preferred: Mapping[str, int]) -> dict[str, int]:
        """Returns the same ports at every start of the same folder."""
        file = self._folder / "ports.json"
        if file.exists():
            saved: dict[str, int] = json.loads(file.read_text())
            return saved
        self._folder.mkdir(parents=True, exist_ok=True)
        ports: dict[str, int] = {}
        for name in ("kafka", "controller", "mongo", "personio", "declaree", *SERVICES):
            can_use_preferred = name in preferred and is_free(preferred[name])
            ports[name] = preferred[name] if can_use_preferred else reserve_port()
        file.write_text(json.dumps(ports))
        return ports

    @property
    def _key_file(self) -> Path:
        return self._folder / "encryption.key"

    def _read_or_create_key(self) -> str:
        if not self._key_file.exists():
            self._key_file.touch(mode=0o600)
            self._key_file.write_text(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
        return self._key_file.read_text()

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of services and commands, by name."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": os.environ.get("KAFKA_BOOTSTRAP_SERVERS", self.kafka.bootstrap_servers),
            "MONGODB_URL": os.environ.get("MONGODB_URL", self.mongo.url),
            "ENCRYPTION_KEYS": self._read_or_create_key(),
            "ALLOW_PRIVATE_ADDRESSES": "true",
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
        """Raises ``StackError`` if another program uses a port, because clients would take it for this installation."""
        taken = {name: port for name, port in self._ports.items() if not is_free(port)}
        if taken:
            ports = ", ".join(f"{port} (for {name})" for name, port in taken.items())
            raise StackError(
                f"other programs use the ports of this installation: {ports}. "
                f"Stop them, or remove {self._folder / 'ports.json'} so that other ports are chosen"
            )

    async def _start(self) -> None:
        is_first_start = not self._key_file.exists()
        self._check_ports()
        self._report("starting Apache Kafka and MongoDB ...")
        servers: list[Any] = []
        if self.environment["KAFKA_BOOTSTRAP_SERVERS"] == self.kafka.bootstrap_servers:
            servers.append(self._stack.enter_async_context(self.kafka))
        if self.environment["MONGODB_URL"] == self.mongo.url:
            servers.append(self._stack.enter_async_context(self.mongo))
        await asyncio.gather(*servers)
        self._report("starting the sandboxes of Personio and Declaree ...")
        await self._start_sandboxes()
        await self.run_cli("init")
        if is_first_start or not json.loads(await self.run_cli("connections", "list", "--json")):
            await self.connect("Demo company", start=self._starts_connection)
        self._report("starting poller, mapper and writer ...")
        await asyncio.gather(*(self.start_service(service) for service in self._services))

    async def _start_sandboxes(self) -> None:
        company = ("--employees", str(self._active), "--seed", str(self._seed))
        options = ("--state", str(self._folder / "personio.json"), *company, *self._personio_options)
        await self._start_sandbox("personio", "personio", self._ports["personio"], options)
        await self._start_declaree("declaree", self._ports["declaree"])

    async def start_declaree(self, name: str) -> str:
        """Starts another sandbox Declaree with the same key; returns its address."""
        port = reserve_port()
        await self._start_declaree(name, port)
        return f"http://127.0.0.1:{port}"

    async def _start_declaree(self, name: str, port: int) -> None:
        state = ("--state", str(self._folder / f"{name}.log"), "--api-key", DECLAREE_KEY)
        await self._start_sandbox(name, "declaree", port, (*state, *self._declaree_options))

    async def _start_sandbox(self, name: str, kind: str, port: int, options: tuple[str, ...]) -> None:
        command = (sys.executable, "-m", f"sandbox.{kind}", "--port", str(port), *options)
        ready = create_http_check(f"http://127.0.0.1:{port}/_control/health")
        process = Process(name, command, folder=self._folder / name, ready=ready)
        self.processes[name] = await self._stack.enter_async_context(process)

    async def connect(
        self,
        name: str,
        *,
        key: str = DECLAREE_KEY,
        scim: str | None = None,
        options: Sequence[str] = (),
        start: bool = True,
    ) -> str:
        """Adds a connection from the sandbox Personio to a SCIM server, and starts it; returns the id of the connection.

        ``scim`` is the address of the server; None takes the default one: ``scim_url`` or the first sandbox Declaree.
        ``options`` are further options of ``connections add``. Without ``start``, the connection stays paused.
        """
        output = await self.run_cli(
            "connections",
            "add",
            name,
            "--personio-url",
            self.personio,
            "--personio-client-id",
            PERSONIO_ID,
            "--declaree-url",
            scim or self.scim,
            "--insecure-http",
            *options,
            "--json",
            secrets={"PERSONIO_CLIENT_SECRET": PERSONIO_SECRET, "DECLAREE_KEY": key},
        )
        connection = str(json.loads(output)["id"])
        if start:
            await self.run_cli("connections", "start", connection, "--yes", "--links", "none")
        return connection

    async def start_service(self, service: str, *, replica: int = 0) -> Process:
        """Starts a service and returns its process when it is ready; ``replica`` above 0 is an additional replica.

        Raises ``StackError`` if the service does not become ready.
        """
        port = reserve_port() if replica else self._ports[service]
        name = f"{service}-{replica}" if replica else service
        process = Process(
            name,
            (sys.executable, "-m", f"services.{service}"),
            folder=self._folder / name,
            environment={**self.environment, **self._service_settings, "HTTP_PORT": str(port)},
            ready=create_http_check(f"http://127.0.0.1:{port}/health/ready"),
        )
        self.processes[name] = await self._stack.enter_async_context(process)
        return process

    async def run_cli(self, *arguments: str, secrets: Mapping[str, str] | None = None, expect: int | None = 0) -> str:
        """Runs a command of the product and returns its output.

        Raises ``StackError`` if the exit code is not ``expect``; None accepts every code.
        """
        result = await self.run_command(*arguments, secrets=secrets)
        if expect is not None and result.code != expect:
            raise StackError(f"{' '.join(arguments[:2])} ended with {result.code}: {result.errors[-2000:]}")
        return result.output

    async def run_command(self, *arguments: str, secrets: Mapping[str, str] | None = None) -> CommandResult:
        """Runs a command of the product and returns its result, whether it succeeded or not."""
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
        return CommandResult(process.returncode, output.decode(), errors.decode())

    @property
    def components(self) -> dict[str, Component]:
        """The started servers, sandboxes and services, by name."""
        servers: dict[str, Component] = {"kafka": self.kafka, "mongo": self.mongo}
        return {**{name: server for name, server in servers.items() if server.is_running}, **self.processes}

    async def read_status(self) -> list[dict[str, Any]]:
        """Returns the numbers of each connection in the output of ``status --json``."""
        overview = json.loads(await self.run_cli("status", "--json", expect=None))
        return [connection["status"] for connection in overview["connections"]]
