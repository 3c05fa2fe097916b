"""Journal of the SCIM requests and their answers, and request counters that exceed the journal's length."""

import json
from collections import Counter, deque
from dataclasses import dataclass
from itertools import islice
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One request and its answer."""

    seq: int
    """Sequence number, from 1, without gaps."""
    time: str
    """Time of the answer (RFC 3339)."""
    method: str
    """HTTP method."""
    path: str
    """Path below the base address."""
    query: str
    """Raw query string."""
    status: int | None
    """HTTP status; None if the connection was cut before the request was processed."""
    delivered: bool
    """Whether the answer was sent. If false and ``status`` is set, the request took effect without an answer."""
    account_id: str | None
    """Account of the request; None if it concerns no single account."""
    fault: str | None
    """Kinds of the applied faults, joined by ``+``; None without a fault."""
    body: bytes
    """Body of the request."""

    def to_document(self, *, with_body: bool) -> dict[str, Any]:
        """Returns the entry for the control API."""
        document: dict[str, Any] = {
            "seq": self.seq,
            "time": self.time,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "status": self.status,
            "delivered": self.delivered,
            "account_id": self.account_id,
            "fault": self.fault,
        }
        if with_body:
            document["body"] = decode_body(self.body)
        return document


class Journal:
    """The last ``size`` requests, and counters of all requests."""

    def __init__(self, size: int) -> None:
        self._entries: deque[JournalEntry] = deque(maxlen=size)
        self._last = 0
        self._statuses: Counter[tuple[str, int | None]] = Counter()
        self._undelivered = 0

    def append(
        self,
        *,
        time: str,
        method: str,
        path: str,
        query: str,
        status: int | None,
        delivered: bool,
        account_id: str | None,
        fault: str | None,
        body: bytes,
    ) -> None:
        """Adds a request."""
        self._last += 1
        self._statuses[method, status] += 1
        self._undelivered += not delivered
        self._entries.append(
            JournalEntry(
                seq=self._last,
                time=time,
                method=method,
                path=path,
                query=query,
                status=status,
                delivered=delivered,
                account_id=account_id,
                fault=fault,
                body=body,
            )
        )

    def read_since(self, seq: int, limit: int) -> list[JournalEntry]:
        """Returns at most ``limit`` entries after ``seq``, oldest first."""
        if not self._entries:
            return []
        skip = max(seq + 1 - self._entries[0].seq, 0)
        return list(islice(self._entries, skip, skip + limit))

    @property
    def last_seq(self) -> int:
        """Sequence number of the newest entry; 0 before the first request."""
        return self._last

    def count_requests(self) -> dict[str, Any]:
        """Returns the totals, by method and status."""
        requests: dict[str, dict[str, int]] = {}
        for (method, status), count in sorted(self._statuses.items(), key=lambda item: (item[0][0], item[0][1] or 0)):
            requests.setdefault(method, {})["cut" if status is None else str(status)] = count
        return {"total": self._statuses.total(), "undelivered": self._undelivered, "requests": requests}

    def clear(self) -> None:
        """Removes all entries and counts. Sequence numbers continue, so a reader's position stays valid."""
        self._entries.clear()
        self._statuses.clear()
        self._undelivered = 0


def decode_body(body: bytes) -> Any:
    """Returns the JSON of a body, or its text; None for an empty body."""
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", errors="replace")
