"""What happened in a schedule, as lines to read, and the violations of promises."""

import asyncio


class ViolationError(AssertionError):
    """A promise was broken."""


class History:
    """The events of one schedule in their order, with their virtual time."""

    def __init__(self) -> None:
        self._lines: list[tuple[float, str, str]] = []
        self.verdict: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Gets the first violation. The schedule waits for it, because the product may catch an error at its place."""

    def note(self, actor: str, text: str) -> None:
        """Adds a line."""
        self._lines.append((asyncio.get_running_loop().time(), actor, text))

    def violate(self, promise: str, text: str) -> None:
        """Ends the schedule as failed."""
        self.note("WRONG", f"{promise}: {text}")
        if not self.verdict.done():
            self.verdict.set_exception(ViolationError(f"{promise}: {text}"))

    def render(self) -> str:
        """Returns all lines. Times are hours, minutes and seconds since the start."""
        return "\n".join(f"{_format_time(at)}  {actor:<10} {text}" for at, actor, text in self._lines)


def _format_time(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes // 60)}:{int(minutes % 60):02}:{rest:06.3f}"
