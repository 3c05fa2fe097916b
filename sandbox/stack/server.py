"""What Kafka and MongoDB have in common here: a process over a folder of data, prepared at its first start."""

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from sandbox.stack.errors import StackError
from sandbox.stack.ports import free_port
from sandbox.stack.processes import Process


class Server(ABC):
    """Keeps its data in `data_dir`, so that a later start on the same folder finds it again.

    The ports stay the same for the life of this object, through every `kill` and `start`; give them to have them
    stay the same beyond it. The server's log and the pid file lie in `data_dir` too.
    """

    name: ClassVar[str]

    def __init__(self, data_dir: Path, *, port: int | None = None) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port or free_port()
        self._process: Process | None = None

    @abstractmethod
    async def _prepare(self) -> Process:
        """Return the process, ready when the server answers; raise StackError if something is missing."""

    @property
    def process(self) -> Process:
        if self._process is None:
            raise StackError(f"{self.name} was not started")
        return self._process

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Return when the server can be used; raise StackError if something is missing."""
        if self._process is None:
            self._process = await self._prepare()
        await self._process.start()

    async def stop(self) -> None:
        if self._process is not None:
            await self._process.stop()

    async def kill(self) -> None:
        await self.process.kill()

    def pause(self) -> None:
        self.process.pause()

    def resume(self) -> None:
        self.process.resume()
