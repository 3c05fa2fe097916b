"""Ids of different types, so that one cannot be passed for another, and the key of a person."""

from typing import NamedTuple, NewType

ConnectionId = NewType("ConnectionId", str)
"""Id of the link of one Personio account with one Declaree administration. It is generated and never reused."""
EmployeeId = NewType("EmployeeId", str)
"""Personio's id of an employee: a number in Personio, a string here."""
AccountId = NewType("AccountId", str)
"""The id that the SCIM server gave to an account: opaque, compared exactly (RFC 7643, section 3.1)."""


def build_sort_key(employee: EmployeeId) -> tuple[int, str]:
    """Returns what sorts employees by their ids: numbers by their size, although they are strings."""
    return len(employee), employee


class PersonKey(NamedTuple):
    """One employee of one connection. As a string it is the key of every record about this person."""

    connection_id: ConnectionId
    """The connection."""
    employee_id: EmployeeId
    """The employee within the connection."""

    def __str__(self) -> str:
        return f"{self.connection_id}/{self.employee_id}"

    def __bytes__(self) -> bytes:
        return str(self).encode()

    @classmethod
    def parse(cls, text: str) -> "PersonKey":
        """Returns the key that ``str`` wrote. Raises ``ValueError`` if an id or the slash is missing."""
        connection, slash, employee = text.partition("/")
        if not slash or not connection or not employee:
            raise ValueError("the key of a person is invalid: it must have the form <connection>/<employee id>")
        return cls(ConnectionId(connection), EmployeeId(employee))
