"""What was asked lately and how it was answered."""

from collections import deque
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """``query`` is left out for auth, where it may hold credentials; ``status`` is 0 when the connection was cut."""

    at: datetime
    method: str
    path: str
    query: str
    status: int
    app_id: str | None
    partner_id: str | None


class Journal:
    """The last thousand requests to the vendor's API."""

    def __init__(self, size: int = 1000) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)

    def note(self, entry: Entry) -> None:
        self._entries.append(entry)

    def clear(self) -> None:
        self._entries.clear()

    def documents(self) -> list[dict[str, Any]]:
        """Oldest first, ready for JSON."""
        return [{**asdict(entry), "at": entry.at.isoformat()} for entry in self._entries]
