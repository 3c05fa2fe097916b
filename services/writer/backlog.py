"""Which connections have employees that wait for room in their lane, and which of them are on their way."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.runtime.clock import Clock

ON_THE_WAY_SECONDS = 60.0
"""Seconds for which room is kept for an employee that is resent."""


class Backlog:
    """The employees of one writer that wait for room."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._connections: set[ConnectionId] = set()
        self._with_room: set[ConnectionId] = set()
        self._expected: dict[ConnectionId, dict[EmployeeId, float]] = defaultdict(dict)
        self.room_appeared = asyncio.Event()
        """Is set when a connection with waiting employees has room for some of them."""

    def note_surplus(self, connection: ConnectionId) -> None:
        """Notes that employees of a connection wait for room."""
        self._connections.add(connection)

    def note_room(self, connection: ConnectionId) -> None:
        """Notes that a lane has room again."""
        if connection in self._connections:
            self._with_room.add(connection)
            self.room_appeared.set()

    def take_with_room(self) -> frozenset[ConnectionId]:
        """Returns the connections that have room now, each once."""
        found, self._with_room = frozenset(self._with_room), set()
        self.room_appeared.clear()
        return found

    def note_resent(self, connection: ConnectionId, people: Iterable[EmployeeId], *, are_all: bool) -> None:
        """Notes that waiting employees are resent. With ``are_all``, no others of the connection wait."""
        until = self._clock.monotonic() + ON_THE_WAY_SECONDS
        self._expected[connection] |= dict.fromkeys(people, until)
        if are_all:
            self._connections.discard(connection)
        else:
            self._connections.add(connection)

    def note_arrival(self, person: PersonKey) -> None:
        """Notes that an employee has arrived."""
        expected = self._expected.get(person.connection_id)
        if expected is not None and expected.pop(person.employee_id, None) is not None and not expected:
            del self._expected[person.connection_id]

    def count_expected(self, connection: ConnectionId) -> int:
        """Returns the number of employees that are on their way."""
        now = self._clock.monotonic()
        expected = {key: until for key, until in self._expected.get(connection, {}).items() if until > now}
        if expected:
            self._expected[connection] = expected
        else:
            self._expected.pop(connection, None)
        return len(expected)
