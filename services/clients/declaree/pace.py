"""The pace that a server allows: pauses that it names, and a rate of requests that is learnt from its refusals. Pure.

A server that allows a number of requests a minute names the time until the next ones. The requests of a window are then sent at
once, and the others wait for the next window. With a server that allows a number a second, a part of each second would be lost
this way. So the rate is learnt, and requests are spaced evenly.
"""

from services.clients.declaree.concurrency import PLATEAU_SECONDS

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 8.0
"""Pauses after refusals without a time: the first one, and the longest. They double until a request is accepted."""
MAX_SPACED_SECONDS = 5.0
"""Longest pause after which requests are spaced. A longer one belongs to a window that is used up in any order."""
SEARCH_GROWTH = 0.02
"""Growth of a new rate with each accepted request, divided by the number of requests that it was measured with.

It increases: after twice that number of accepted requests, it has doubled.
"""
FEW_REQUESTS = 5
"""Number of requests that a rate counts as measured with when it is searched again."""
GROWTH_PER_SECOND = 0.0003
"""Growth of a proven rate in a second, times the seconds since the end of the plateau: the server may allow more by then."""
SMALL_DECREASE, LARGE_DECREASE = 0.97, 0.95
"""Factors for the rate after a refusal, and after one that follows another within ``SOON_SECONDS``."""
SEARCH_DECREASE = 0.93
"""Factor for the rate after the refusal that ends the search: the rate has passed the limit before it was refused."""
SOON_SECONDS = 20.0
"""Seconds after a pause in which a refusal shows that the rate is much too high."""
LIFETIME_SECONDS = 600.0
"""Seconds without a refusal after which a rate is forgotten."""
TOLERANCE_SECONDS = 0.05
"""Time that a late request may make up for, so that a busy process keeps the rate."""


class Pace:
    """When the next request may be sent. All times are monotonic seconds."""

    def __init__(self, longest_spaced: float = MAX_SPACED_SECONDS) -> None:
        """Starts without a limit. ``longest_spaced`` is the longest pause in seconds after which requests are spaced."""
        self._longest_spaced = longest_spaced
        self.paused_until = float("-inf")
        """End of the pause."""
        self.named_until = float("-inf")
        """End of the pause as far as the server has named it. A pause without a named time blocks no probe."""
        self.rate: float | None = None
        """Requests a second; None while requests are not spaced, because no refusal has shown a limit of the rate."""
        self.limited_at = float("-inf")
        """Time of the last refusal."""
        self._next_at = float("-inf")
        self._pause = FIRST_PAUSE_SECONDS
        self._measured_with = 0  # number of requests, while the rate is searched
        self._searched = 0
        self._grown_at = float("-inf")
        self._resumed_at = float("-inf")
        # an episode begins with the first request after a pause, and ends with the next pause after accepted requests
        self._begun_at: float | None = None
        self._accepted = 0
        self._paused = 0.0
        self._ends_episode = False
        self._learns = False

    def find_ready_time(self) -> float:
        """Returns the time from which the next request may be sent."""
        return max(self.paused_until, self._next_at)

    def take(self, now: float) -> None:
        """Notes that a request is sent."""
        if self.rate is not None and now - self.limited_at > LIFETIME_SECONDS:
            self.forget_rate()
        if self._ends_episode:
            self._end_episode(now)
            self._next_at = max(self._next_at, now)  # the pause is not made up for
        if self._begun_at is None:
            self._begun_at = now
        if self.rate is not None:
            self._next_at = max(self._next_at, now - TOLERANCE_SECONDS) + 1 / self.rate

    def record_success(self, sent_at: float, now: float) -> None:
        """Notes that the server accepted a request."""
        self._pause = FIRST_PAUSE_SECONDS
        if self._begun_at is not None and sent_at >= self._begun_at:
            self._accepted += 1
        if self.rate is None or sent_at < self._resumed_at:
            return
        if self._measured_with:
            self._searched += 1
            self.rate *= 1 + SEARCH_GROWTH / self._measured_with * (1 + self._searched / (2 * self._measured_with))
        else:
            growing = max(now - self.limited_at - PLATEAU_SECONDS, 0.0)
            self.rate *= 1 + GROWTH_PER_SECOND * growing * min(now - self._grown_at, 1.0)
        self._grown_at = now

    def is_known_refusal(self, sent_at: float) -> bool:
        """Returns whether a refused request was sent before the last refusal was known, so that it says nothing new."""
        return sent_at <= self.limited_at

    def record_refusal(self, sent_at: float, now: float, pause: float | None, *, learns: bool) -> None:
        """Notes that the server refused a request. ``pause`` is the time that it named, in seconds; None without one.

        ``learns`` says whether the rate of requests is the reason.
        """
        is_known = self.is_known_refusal(sent_at)
        if pause is None:
            pause = self._pause
            if not is_known:
                self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        else:
            self.named_until = max(self.named_until, now + pause)
        self._extend_pause(now + pause, now)
        if not is_known:
            self._ends_episode = True
            self._learns = learns
            self.limited_at = now

    def pause(self, until: float, now: float) -> None:
        """Sends no request before this time."""
        self._extend_pause(until, now)
        self.named_until = max(self.named_until, until)

    def resume(self) -> None:
        """Ends the pause."""
        self.paused_until = self.named_until = float("-inf")

    def forget_rate(self) -> None:
        """Lets requests pass without spaces between them, and learns nothing from the last refusal."""
        self.rate, self._next_at, self._measured_with, self._learns = None, float("-inf"), 0, False

    def search_again(self) -> None:
        """Lets the rate grow until the server refuses a request again; the last refusal says nothing about it."""
        if self.rate is not None:
            self._measured_with, self._searched, self._learns = FEW_REQUESTS, 0, False

    def _extend_pause(self, until: float, now: float) -> None:
        before = max(self.paused_until, now)
        self.paused_until = max(before, until)
        self._paused += self.paused_until - before

    def _end_episode(self, now: float) -> None:
        """Learns from the requests between two pauses, and begins to count again."""
        self._ends_episode = False
        if not self._accepted or self._begun_at is None:
            return  # refused again before any request was accepted: both pauses belong to one episode
        if self._learns and self._paused < self._longest_spaced:
            self._learn(self._accepted / max(self.paused_until - self._begun_at, 0.001))
        self._begun_at, self._accepted, self._paused, self._resumed_at = now, 0, 0.0, now

    def _learn(self, measured: float) -> None:
        if self.rate is None:
            self.rate, self._measured_with, self._searched = measured, self._accepted, 0
            return
        is_soon = self.limited_at - self._resumed_at < SOON_SECONDS
        factor = SEARCH_DECREASE if self._measured_with else LARGE_DECREASE if is_soon else SMALL_DECREASE
        self.rate = min(self.rate, max(measured, self.rate * factor))
        self._measured_with = 0
