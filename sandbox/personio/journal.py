"""Journal of the latest requests to the vendor's API."""

from collections import deque
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """Request and the status of its response."""

    at: datetime
    """Time of the response, on the clock of the sandbox."""
    method: str
    """HTTP method."""
    path: str
    """Path without the query string."""
    query: str
    """Query string; always empty for ``/v1/auth``, where it may contain credentials."""
    status: int
    """HTTP status; 0 if the connection was cut without a response."""
    app_id: str | None
    """Value of ``X-Personio-App-ID``; None without the header."""
    partner_id: str | None
    """Value of ``X-Personio-Partner-ID``; None without the header."""


class Journal:
    """Latest requests, 1000 by default."""

    def __init__(self, size: int = 1000) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)

    def add(self, entry: Entry) -> None:
        """Adds an entry, and drops the oldest one if the journal is full."""
        self._entries.append(entry)

    def clear(self) -> None:
        """Removes all entries."""
        self._entries.clear()

    def list_entries(self) -> list[dict[str, Any]]:
        """Returns the entries as JSON documents, oldest first."""
        return [{**asdict(entry), "at": entry.at.isoformat()} for entry in self._entries]
