"""A server on a real socket that answers each request with the fault that the test chooses."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Respond = Callable[[asyncio.StreamWriter], Awaitable[None]]


class FaultyServer:
    """The server's behaviour, and what it received."""

    def __init__(self, respond: Respond) -> None:
        """``respond`` writes the response to each request."""
        self.respond = respond
        self.requests: list[bytes] = []
        """Every request that arrived complete, with head and body."""
        self.connections = 0
        """Number of connections that were opened."""
        self.closed = asyncio.Event()
        """Set when the last connection is closed."""
        self.url = ""
        self._open: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves a new connection in the background."""
        self.connections += 1
        self.closed.clear()
        task = asyncio.create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                self.requests.append(await _read_request(reader))
                await self.respond(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self.closed.set()

    async def stop(self) -> None:
        """Ends the open connections."""
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    return head + await reader.readexactly(length)


@asynccontextmanager
async def run_server(respond: Respond, tls: ssl.SSLContext | None = None) -> AsyncIterator[FaultyServer]:
    """Runs a server on a free port."""
    faulty = FaultyServer(respond)
    server = await asyncio.start_server(faulty.accept, "127.0.0.1", 0, ssl=tls)
    faulty.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield faulty
        await faulty.stop()


# ---------------------------------------------------------------- responses


def build_response(body: bytes = b"{}", *headers: str) -> bytes:
    """Returns a valid response with status 200."""
    head = "".join(f"{line}\r\n" for line in ("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers))
    return head.encode() + b"\r\n" + body


def send(data: bytes, *, then_close: bool = False) -> Respond:
    """Sends these bytes as the response."""

    async def respond(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if then_close:
            writer.close()

    return respond


def send_slowly(data: bytes, every_seconds: float) -> Respond:
    """Sends single bytes with pauses, so that no single read exceeds its timeout."""

    async def respond(writer: asyncio.StreamWriter) -> None:
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(every_seconds)

    return respond


async def close_connection(writer: asyncio.StreamWriter) -> None:
    """Closes the connection without a response. The request was read, and may have been carried out."""
    writer.close()


async def reset_connection(writer: asyncio.StreamWriter) -> None:
    """Resets the connection without a response."""
    writer.transport.abort()


async def stay_silent(_: asyncio.StreamWriter) -> None:
    """Sends nothing and keeps the connection open."""
    await asyncio.Event().wait()
