"""Base class of Kafka and MongoDB: a process on a data folder that is prepared at its first start."""

import asyncio
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from sandbox.stack.errors import StackError
from sandbox.stack.ports import reserve_port
from sandbox.stack.processes import Process


class Server(ABC):
    """A server that keeps its data in ``data_dir``, so that a later start on the same folder continues with it.

    The port stays the same for the life of this object, across each ``kill`` and ``start``. Pass ``port`` to use the
    same port in the next run as well. The log and the pid file also lie in ``data_dir``.
    """

    name: ClassVar[str]
    """The name of the server in messages."""

    def __init__(self, data_dir: Path, *, port: int | None = None) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port or reserve_port()
        self._process: Process | None = None

    @abstractmethod
    async def _prepare(self) -> Process:
        """Returns the process, not yet started. Raises ``StackError`` if a requirement is missing."""

    @property
    def process(self) -> Process:
        """The process of the server. Raises ``StackError`` before the first start."""
        if self._process is None:
            raise StackError(f"{self.name} was not started")
        return self._process

    @property
    def is_running(self) -> bool:
        """Whether the server has been started and has not ended."""
        return self._process is not None and self._process.is_running

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Starts the server and returns when it can be used. Raises ``StackError`` if a requirement is missing."""
        if self._process is None:
            self._process = await self._prepare()
        await self._process.start()

    async def stop(self) -> None:
        """Ends the server in order; does nothing if it was not started."""
        if self._process is not None:
            await self._process.stop()

    async def kill(self) -> None:
        """Ends the server with SIGKILL."""
        await self.process.kill()

    async def erase(self) -> None:
        """Ends the server in order and deletes its data: the next start begins with none."""
        await self.stop()
        await asyncio.to_thread(shutil.rmtree, self.data_dir)
        self._process = None

    def pause(self) -> None:
        """Suspends the server with SIGSTOP."""
        self.process.pause()

    def resume(self) -> None:
        """Resumes the server after ``pause``."""
        self.process.resume()
