"""Pinned examples of a mapping: an employee, and the account that the mapping must give. Kept beside the mapping, in a file.

``format_version`` is the version of the document format.
"""

from typing import Literal

from pydantic import Field

from services.contracts.employees import EmploymentPhase
from services.contracts.outcomes import Intent
from services.contracts.values import FrozenModel, Value

MAX_EXAMPLES = 500
"""Maximum number of examples of a document."""


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

    name: str = Field(min_length=1, max_length=200)
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
