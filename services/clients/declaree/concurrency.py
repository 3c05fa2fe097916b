"""Adapts the number of requests at once to what one server can do: additive increase, multiplicative decrease. Pure."""

INITIAL_REQUESTS = 8
"""Number of requests at once before the first response."""
PLATEAU_SECONDS = 60.0
"""Seconds without growth after the server has refused more requests at once than a number twice."""


class AdaptiveConcurrency:
    """The number of requests at once to one server.

    It grows by one with each accepted request until the server first refuses one, then by one for each round of accepted
    requests. It halves when the server is overloaded. Where the server refuses more requests at once than it accepts, it falls
    to the number that was accepted.
    """

    def __init__(self, max_requests: int) -> None:
        """``max_requests`` is the upper limit of requests at once."""
        self._max_requests = max_requests
        self._limit = float(min(INITIAL_REQUESTS, max_requests))
        self._accepted = 0  # most requests at once that were accepted since the last refusal
        self._is_refused = False
        self._ceiling = float("-inf")  # the limit after the last refusal of requests at once
        self._grows_at = float("-inf")
        self.in_progress = 0
        """Number of requests without a response."""

    @property
    def limit(self) -> int:
        """Number of requests that may be in progress at once."""
        return int(self._limit)

    @property
    def has_room(self) -> bool:
        """Whether one more request may be sent."""
        return self.in_progress < self.limit

    def begin(self) -> int:
        """Notes that a request is sent. Returns the number of requests in progress, this one included."""
        self.in_progress += 1
        return self.in_progress

    def end(self) -> None:
        """Notes that a request has ended, with or without a response."""
        self.in_progress -= 1

    def record_success(self, position: int, now: float) -> None:
        """Notes that the server accepted a request. ``position`` is what ``begin`` returned for it."""
        self._accepted = max(self._accepted, position)
        if now >= self._grows_at:
            growth = 1 / self._limit if self._is_refused else 1.0
            self._limit = min(float(self._max_requests), self._limit + growth)

    def record_refusal(self, position: int, now: float) -> bool:
        """Notes that the server rate-limits a request. Returns whether requests at once may be the reason.

        They are not if it has accepted as many at once since the last refusal: then it limits the rate of requests.
        """
        accepted, self._accepted = self._accepted, 0
        self._is_refused = True
        if position <= accepted or accepted == 0:
            return False
        if accepted <= self._ceiling + 1:
            self._grows_at = now + PLATEAU_SECONDS
        self._limit = self._ceiling = float(min(accepted, self.limit))
        return True

    def record_overload(self) -> None:
        """Halves the number of requests: the server cannot serve them."""
        self._is_refused = True
        self._limit = max(1.0, self._limit / 2)
