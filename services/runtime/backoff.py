"""The back-off between attempts."""


class Backoff:
    """Pauses that double with each attempt, up to a limit."""

    def __init__(self, first: float, longest: float) -> None:
        """``first`` and ``longest`` are in seconds."""
        self._first = first
        self._longest = longest
        self._pause = first

    def next_pause(self) -> float:
        """Returns the seconds to pause now, and doubles the pause for the next attempt."""
        pause, self._pause = self._pause, min(self._pause * 2, self._longest)
        return pause

    def reset(self) -> None:
        """Starts again with the first pause. Call it after a success."""
        self._pause = self._first
