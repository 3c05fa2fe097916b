"""Ids that must not be mixed up, and the key of a person."""

from typing import NamedTuple, NewType

ConnectionId = NewType("ConnectionId", str)
"""One company's link of one Personio account with one Declaree administration; generated, never reused."""
EmployeeId = NewType("EmployeeId", str)
"""Personio's id of an employee (a number there, a text here)."""
AccountId = NewType("AccountId", str)
"""The id that the SCIM server gave to an account: opaque, compared exactly (RFC 7643, section 3.1)."""


class PersonKey(NamedTuple):
    """One employee of one connection; as text, the key of every record about this person."""

    connection_id: ConnectionId
    employee_id: EmployeeId

    def __str__(self) -> str:
        return f"{self.connection_id}/{self.employee_id}"

    def __bytes__(self) -> bytes:
        return str(self).encode()

    @classmethod
    def parse(cls, text: str) -> "PersonKey":
        """The reverse of ``str``; raises ``ValueError`` when there is no ``/``."""
        connection, slash, employee = text.partition("/")
        if not slash or not connection or not employee:
            raise ValueError("a person's key has the form <connection>/<employee id>")
        return cls(ConnectionId(connection), EmployeeId(employee))
