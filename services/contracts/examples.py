"""Pinned examples of a mapping: an employee, and the account that the mapping must give. In a file, or stored with the connection.

``format_version`` is the version of the document format.
"""

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.contracts.employees import EmploymentPhase
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.mappings import SUPERVISOR
from services.contracts.outcomes import Intent
from services.contracts.values import FrozenModel, Value

MAX_EXAMPLES = 500
"""Maximum number of examples of a document."""
MAX_PINNED = 100
"""Maximum number of examples that are stored with one connection."""
MAX_NAME_LENGTH = 200
"""Maximum number of characters of the name of an example."""


class ExpectedAccount(FrozenModel):
    """What the mapping must ask for."""

    intent: Intent = Intent.PROVISION
    """What the writer is asked to do."""
    user_name: str | None = None
    """User name of the account; null is not compared."""
    fields: dict[str, Value] = Field({})
    """Values by SCIM path; null is a field that is cleared. Fields that are not named here are not compared."""
    manager: str | None = None
    """Employee id of the manager; null is not compared."""
    rejected_field: str | None = None
    """The field or attribute that a rejection is about; null is not compared."""


class MappingExample(FrozenModel):
    """One employee, and what the mapping must ask for."""

    name: str = Field(min_length=1, max_length=MAX_NAME_LENGTH)
    """What the example shows."""
    attributes: dict[str, Value]
    """Attributes of the employee by their keys. An attribute that is not named is unknown."""
    phase: EmploymentPhase = EmploymentPhase.CURRENT
    """Whether the employment has begun or ended."""
    expected: ExpectedAccount
    """What the mapping must ask for."""


class ExampleDocument(FrozenModel):
    """All examples of one mapping."""

    format_version: Literal[1] = 1
    """Version of the document format."""
    examples: tuple[MappingExample, ...] = Field(max_length=MAX_EXAMPLES)
    """The examples."""


class PinnedExample(FrozenModel):
    """An example that is stored with a connection. Publishing a mapping needs all of them to hold."""

    connection_id: ConnectionId
    """The connection."""
    employee_id: EmployeeId
    """The employee that the example was made from."""
    is_made_up: bool
    """Whether made-up values stand in place of personal ones."""
    pinned_at: datetime
    """When the example was stored."""
    pinned_by: str
    """Name of the person that stored it."""
    example: MappingExample
    """The example. Its name identifies it within the connection."""

    @property
    def people(self) -> tuple[PersonKey, ...]:
        """The employees that the example is about: the one that it was made from and, with real data, the manager."""
        employees = [self.employee_id]
        if not self.is_made_up:
            managers = (self.example.expected.manager, self.example.attributes.get(SUPERVISOR))
            employees += [EmployeeId(str(manager)) for manager in managers if manager is not None]
        return tuple(PersonKey(self.connection_id, employee) for employee in dict.fromkeys(employees))
