"""Events with every released attribute, each with its value, display name and type: what a poller without a choice sends."""

from typing import ClassVar

from services.contracts.events import ChangeKind, Event
from services.contracts.topics import Topic
from services.contracts.values import FrozenModel, Value


class FullAttribute(FrozenModel):
    """One attribute of an employee."""

    value: Value = None
    """The value; null if it is empty."""
    label: str = ""
    """Personio's display name of the attribute."""
    type: str = "standard"
    """Personio's type of the attribute."""


class FullEmployeeChanged(Event):
    """The state of an employee after a change, with all attributes that the credential may read."""

    topic: ClassVar[Topic] = Topic.EMPLOYEES_CHANGED
    ce_type: ClassVar[str] = "personio.employee.changed.v1"
    ce_source: ClassVar[str] = "/personio-declaree/poller"

    kind: ChangeKind
    """How the employee has changed."""
    changed: tuple[str, ...] = ()
    """Keys of the attributes that differ from the last snapshot."""
    attributes: dict[str, FullAttribute]
    """All released attributes by key."""
