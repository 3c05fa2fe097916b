"""The scope of a mapping: which employees have an account."""

from collections.abc import Mapping

from services.contracts.employees import get_string
from services.contracts.events import ChangeKind, EmployeeChanged
from services.contracts.outcomes import Intent


def decide_intent(event: EmployeeChanged, life_cycle: Mapping[str, Intent]) -> Intent:
    """Returns what the writer is asked to do for the status of the employee.

    ``life_cycle`` is the intent of each status in lowercase. An unknown or empty status gives ``IGNORE``, and an employee
    that was deleted in Personio gives ``DISABLE``.
    """
    if event.kind is ChangeKind.REMOVED:
        return Intent.DISABLE
    status = get_string(event.attributes, "status")
    return Intent.IGNORE if status is None else life_cycle.get(status.strip().lower(), Intent.IGNORE)
