"""What was asked and what was answered, request by request, and running totals that survive the journal's length."""

import json
from collections import Counter, deque
from dataclasses import dataclass
from itertools import islice
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """``status`` is None when the connection was cut before the request was looked at.

    ``delivered`` is false when the client never saw the answer: with a status, the request took effect all the same.
    """

    seq: int
    time: str
    method: str
    path: str
    query: str
    status: int | None
    delivered: bool
    account_id: str | None
    fault: str | None
    body: bytes

    def document(self, *, with_body: bool) -> dict[str, Any]:
        found: dict[str, Any] = {
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
            found["body"] = _readable(self.body)
        return found


class Journal:
    """Keeps the last ``size`` requests."""

    def __init__(self, size: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)
        self._last = 0
        self._statuses: Counter[tuple[str, int | None]] = Counter()
        self._undelivered = 0

    def note(
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
        self._last += 1
        self._statuses[method, status] += 1
        self._undelivered += not delivered
        self._entries.append(
            Entry(
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

    def since(self, seq: int, limit: int) -> list[Entry]:
        """Entries after ``seq``, oldest first; sequence numbers are without gaps, so nothing is searched."""
        if not self._entries:
            return []
        skip = max(seq + 1 - self._entries[0].seq, 0)
        return list(islice(self._entries, skip, skip + limit))

    @property
    def last_seq(self) -> int:
        return self._last

    def counters(self) -> dict[str, Any]:
        requests: dict[str, dict[str, int]] = {}
        for (method, status), count in sorted(self._statuses.items(), key=lambda item: (item[0][0], item[0][1] or 0)):
            requests.setdefault(method, {})["cut" if status is None else str(status)] = count
        return {"total": self._statuses.total(), "undelivered": self._undelivered, "requests": requests}

    def clear(self) -> None:
        """Empties the journal and the counters; sequence numbers go on, so a reader's ``since`` stays right."""
        self._entries.clear()
        self._statuses.clear()
        self._undelivered = 0


def _readable(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", errors="replace")
