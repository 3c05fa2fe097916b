"""Whether a consumer gets on: when it last looked for records, what it has in work, and when it last finished some."""

from services.runtime.clock import Clock


class Progress:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._looked = self._finished = clock.monotonic()
        self.in_work = 0

    def looked(self) -> None:
        """Kafka was asked for records and has answered, be it with none."""
        self._looked = self._clock.monotonic()

    def took(self, records: int) -> None:
        self.in_work = records

    def finished(self) -> None:
        self._finished = self._looked = self._clock.monotonic()
        self.in_work = 0

    def given_back(self) -> None:
        """The records will be read again."""
        self.in_work = 0
        self._looked = self._clock.monotonic()

    def stuck(self, waiting: int, allowed: float) -> str | None:
        """What does not get on for longer than ``allowed`` seconds, if anything; ``waiting`` records are not yet read."""
        now = self._clock.monotonic()
        if not self.in_work and now - self._looked > allowed:
            return f"no records could be read for {now - self._looked:.0f} s"
        if not self.in_work and not waiting:
            self._finished = now
        if now - self._finished > allowed:
            return f"no batch finished for {now - self._finished:.0f} s although {waiting + self.in_work} records wait"
        return None
